//! A report of a weakness: what it holds, its two clocks and where it stands.

use kernel::{Failure, Time};
use manifest::App;
use serde::{Deserialize, Serialize};

use super::business_days::Within;

/// Longest answer in a report, in characters.
const LONGEST: usize = 20_000;

/// What was sent, sealed before it is written: a report holds a way in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Content {
    /// One line.
    pub summary: String,
    /// What the page asks for, each with the answer.
    pub answers: Vec<(String, String)>,
    /// Where to reach the reporter; may be empty.
    pub contact: String,
}

/// The clocks of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clocks {
    /// A person confirms by then.
    pub acknowledge_by: Time,
    /// The reporter may publish from then on, when there is such a clock.
    pub disclose_on: Option<Time>,
}

/// Both clocks, from the manifest's words.
pub(super) fn clocks(app: &App, received: Time) -> Result<Clocks, Failure> {
    let within = Within::parse(&app.disclosure.ack).and_then(|w| w.after(received));
    let acknowledge_by = within.ok_or(Failure::internal("disclosure: disclosure.ack is no number of days"))?;
    Ok(Clocks { acknowledge_by, disclose_on: app.disclosure.clock.map(|clock| received.plus(clock.0)) })
}

/// Where a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody has confirmed it, and the clock runs until then.
    Waiting(Time),
    /// Nobody confirmed it in time.
    Late(Time),
    /// A person confirmed it.
    Acknowledged(Time),
    /// It is done with.
    Closed(Time),
}

impl Standing {
    pub(super) const fn of(due: Time, acknowledged: Option<Time>, closed: Option<Time>, now: Time) -> Self {
        match (acknowledged, closed) {
            (_, Some(at)) => Self::Closed(at),
            (Some(at), None) => Self::Acknowledged(at),
            (None, None) if now.0 > due.0 => Self::Late(due),
            (None, None) => Self::Waiting(due),
        }
    }
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Waiting(_) => "received",
            Self::Late(_) => "overdue",
            Self::Acknowledged(_) => "acknowledged",
            Self::Closed(_) => "closed",
        }
    }
}

impl Content {
    /// # Errors
    /// `Invalid` with the members that are missing or too long.
    pub(super) fn checked(self) -> Result<Self, Failure> {
        let long = |text: &str| text.chars().count() > LONGEST;
        if self.summary.trim().is_empty() {
            return Err(Failure::field("summary", "required", "say in a line what you found"));
        }
        if self.summary.chars().count() > 300 {
            return Err(Failure::field("summary", "too_long", "at most 300 characters"));
        }
        if self.answers.iter().any(|(_, text)| long(text)) {
            return Err(Failure::field("details", "too_long", "at most 20,000 characters in each answer"));
        }
        if self.contact.chars().count() > 300 || self.contact.chars().any(char::is_control) {
            return Err(Failure::field("contact", "invalid", "one line of at most 300 characters"));
        }
        Ok(self)
    }
    /// For the mail to the team: that there is one and from whom, not what it says.
    pub(super) fn notice(&self, url: &str, by: &str) -> String {
        let from = if self.contact.is_empty() { "somebody who left no address" } else { &self.contact };
        format!(
            "A weakness was reported by {from}.\n\nConfirm it by {by}:\n  vouchsafe report list APP --as YOU\n  vouchsafe \
             report show APP ID --as YOU\n\nThe reporter sees its state at {url}.\nThe report itself is not in this mail.\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_late_only_after_its_day() {
        let due = Time(1000);
        assert_eq!(Standing::of(due, None, None, Time(1000)).word(), "received");
        assert_eq!(Standing::of(due, None, None, Time(1001)).word(), "overdue");
        assert_eq!(Standing::of(due, Some(Time(2000)), None, Time(9000)).word(), "acknowledged");
        assert_eq!(Standing::of(due, None, Some(Time(2000)), Time(9000)).word(), "closed");
    }

    #[test]
    fn empty_and_endless_reports_are_refused() {
        let content = |summary: &str, answer: String| Content {
            summary: summary.into(),
            answers: vec![("impact".into(), answer)],
            contact: String::new(),
        };
        assert!(content("a door", String::new()).checked().is_ok());
        assert!(content("  ", String::new()).checked().is_err());
        assert!(content("a door", "x".repeat(LONGEST + 1)).checked().is_err());
        assert!(content(&"x".repeat(301), String::new()).checked().is_err());
    }
}
