//! A day of the log: its entries, and the hash that links it to the day before.

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};
use route::page::{Stamp, Tag};

use super::{People, short, spoken};
use crate::leaf::Leaf;

/// An entry as a list shows it.
pub(super) struct Line {
    seq: u64,
    at: i64,
    actor: String,
    action: String,
    target: String,
    outcome: String,
    prev: String,
    hash: String,
}

impl Line {
    pub(super) fn new(leaf: &Leaf<'_>, hash: String) -> Self {
        Self {
            seq: leaf.seq,
            at: leaf.at().unwrap_or_default().0,
            actor: leaf.actor.to_string(),
            action: leaf.action.to_string(),
            target: leaf.target.to_string(),
            outcome: leaf.outcome.to_string(),
            prev: leaf.prev.to_string(),
            hash,
        }
    }
}

/// Entries of one day in UTC, the newest first.
pub(super) struct Day {
    name: String,
    lines: Vec<Line>,
}

/// Groups what is in order.
pub(super) fn days(lines: Vec<Line>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for line in lines {
        let name = name(line.at);
        match days.last_mut() {
            Some(day) if day.name == name => day.lines.push(line),
            _ => days.push(Day { name, lines: vec![line] }),
        }
    }
    days
}

fn name(at: i64) -> String {
    let zoned = Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(TimeZone::UTC);
    zoned.strftime("%A, %-d %B %Y").to_string()
}

impl Day {
    pub(super) fn draw(&self, base: &str, people: &People, linked: bool) -> Markup {
        let (first, last) = (self.lines.last(), self.lines.first());
        html! {
            li.day {
                h2 { (self.name) " " span.muted { "UTC" } }
                @if let (true, Some(last)) = (linked, last) {
                    p.seal { "ends in " code title=(last.hash) { (short(&last.hash)) } }
                }
                ol.entries {
                    @for line in &self.lines { (line.draw(base, people)) }
                }
                @if let (true, Some(first)) = (linked, first) {
                    @if first.seq == 0 {
                        p.seal { "here the log begins" }
                    } @else {
                        p.seal { "carries on from " code title=(first.prev) { (short(&first.prev)) } }
                    }
                }
            }
        }
    }
}

impl Line {
    fn draw(&self, base: &str, people: &People) -> Markup {
        html! {
            li {
                a href={ (base) "/console/history/" (self.seq) } {
                    span.when { (Stamp(self.at).clock()) }
                    span.what {
                        strong { (spoken(&self.action)) }
                        @match self.outcome.as_str() {
                            "done" => {},
                            "refused" => { " " (Tag::warn("Refused")) },
                            _ => { " " (Tag::bad("Failed")) },
                        }
                        " " span.muted { (people.name(&self.actor)) }
                    }
                    code.on { (brief(&self.target)) }
                }
            }
        }
    }
}

/// `record/orders/<id>` with the id's last digits: the first are those of its time, and alike.
fn brief(target: &str) -> String {
    let cut = |part: &str| match part.len() {
        36 => format!("…{}", part.get(28..).unwrap_or(part)),
        _ => part.to_owned(),
    };
    target.split('/').map(cut).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, at: i64) -> Line {
        let empty = String::new;
        Line {
            seq,
            at,
            actor: empty(),
            action: empty(),
            target: empty(),
            outcome: empty(),
            prev: empty(),
            hash: empty(),
        }
    }

    #[test]
    fn days_end_at_midnight_in_utc() {
        let midnight = 1_777_852_800_000; // 2026-05-04T00:00:00Z
        let found = days(vec![line(3, midnight + 5), line(2, midnight), line(1, midnight - 1)]);
        let shape: Vec<_> = found.iter().map(|d| (d.name.as_str(), d.lines.len())).collect();
        assert_eq!(shape, [("Monday, 4 May 2026", 2), ("Sunday, 3 May 2026", 1)]);
    }

    #[test]
    fn targets_are_brief() {
        assert_eq!(brief("record/orders/01a2019d-1448-769e-8fa8-1ace5dad9b1e"), "record/orders/…5dad9b1e");
        assert_eq!(brief("audit"), "audit");
    }
}
