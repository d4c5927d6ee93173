//! What is known of a check: the last thing seen that tells something, and the last attempt that told nothing.

use kernel::{Failure, Time};
use manifest::{App, CheckKind};
use serde_json::{Map, Value};
use store::{FromRow, Row};

use super::{Finding, Verdict, judged::Alarm, round::Seen};

/// Milliseconds after which the same verdict is published again.
const NEWS: i64 = 600_000;

/// Where a look at the running server itself was made; every other place is an instance that the prober started.
pub(crate) const LIVE: &str = "live";

/// The latest of one check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub check: String,
    pub verdict: Verdict,
    pub evidence: Map<String, Value>,
    pub summary: String,
    pub finding: Option<Finding>,
    pub note: String,
    pub place: String,
    pub steered: bool,
    pub at: Time,
    pub build: String,
    /// A later attempt that told nothing: when, and why.
    pub tried: Option<(Time, String)>,
}

impl FromRow for Known {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        let wrong = || Failure::internal("disclosure: a stored verdict is not one");
        let json = |column| -> Result<Map<String, Value>, Failure> {
            serde_json::from_str(row.text(column)?).map_err(|_| wrong())
        };
        let finding = row.opt_text(4)?.map(serde_json::from_str).transpose().map_err(|_| wrong())?;
        let tried: (Option<Time>, Option<String>) = (row.get(10)?, row.get(11)?);
        Ok(Self {
            check: row.get(0)?,
            verdict: Verdict::parse(row.text(1)?).ok_or_else(wrong)?,
            evidence: json(2)?,
            summary: row.get(3)?,
            finding,
            note: row.get(5)?,
            place: row.get(6)?,
            steered: row.get(7)?,
            at: row.get(8)?,
            build: row.get(9)?,
            tried: tried.0.zip(tried.1),
        })
    }
}

impl Known {
    /// As the columns of its row.
    pub(crate) fn values(&self) -> Vec<store::Value> {
        let finding = self.finding.as_ref().and_then(|f| serde_json::to_string(f).ok());
        let (tried_at, tried) = self.tried.clone().unzip();
        vec![
            self.check.clone().into(),
            self.verdict.word().into(),
            Value::Object(self.evidence.clone()).to_string().into(),
            self.summary.clone().into(),
            finding.into(),
            self.note.clone().into(),
            self.place.clone().into(),
            self.steered.into(),
            self.at.into(),
            self.build.clone().into(),
            tried_at.into(),
            tried.into(),
        ]
    }

    /// What a meter of this server says now.
    pub(crate) fn alarm(alarm: Alarm, build: &str, now: Time) -> Self {
        Self {
            check: alarm.check.to_owned(),
            verdict: alarm.verdict,
            evidence: Map::new(),
            summary: String::new(),
            finding: alarm.finding,
            note: alarm.note.to_owned(),
            place: LIVE.to_owned(),
            steered: false,
            at: now,
            build: build.to_owned(),
            tried: None,
        }
    }

    /// After one more look. A look that tells nothing keeps what was known; what was seen failing stays so until it is
    /// seen otherwise: taking its probe away repairs nothing.
    pub(crate) fn after(last: Option<&Self>, seen: &Seen, build: &str, now: Time) -> Option<Self> {
        let verdict = seen.verdict()?;
        let mute = verdict == Verdict::Inconclusive
            || (verdict == Verdict::Unproven && last.is_some_and(|l| l.verdict == Verdict::Failing));
        match last {
            // A look of before is no news; one of a time to come was made by a clock that has been set right since.
            Some(last) if last.at > seen.at && last.at <= now => None,
            Some(last) if mute => Some(Self { tried: Some((seen.at, seen.note.clone())), ..last.clone() }),
            _ => Some(Self {
                check: seen.check.clone(),
                verdict,
                evidence: seen.evidence.clone(),
                summary: seen.summary.clone(),
                finding: seen.finding.clone().filter(|_| verdict == Verdict::Failing),
                note: seen.note.clone(),
                place: seen.place.clone(),
                steered: seen.steered,
                at: seen.at,
                build: build.to_owned(),
                tried: None,
            }),
        }
    }

    /// Whether it is worth a publication of its own: another verdict, or the same after more than ten minutes.
    pub(crate) fn is_news(&self, last: &Self) -> bool {
        let looked = |k: &Self| k.tried.as_ref().map_or(k.at, |t| t.0);
        self.verdict != last.verdict || self.build != last.build || looked(self).since(looked(last)) >= NEWS
    }

    /// What was found, in words.
    pub(crate) fn words(&self) -> String {
        match (&self.finding, self.verdict) {
            (Some(f), _) => format!("{} was to give {}, and gave {}", f.did, f.expected, f.saw),
            (None, Verdict::Proven | Verdict::Unsigned | Verdict::Expired) if !self.summary.is_empty() => {
                self.summary.clone()
            }
            _ if self.note.is_empty() => self.summary.clone(),
            _ => self.note.clone(),
        }
    }
}

/// How long a proof of this check counts, in milliseconds: what the manifest says, or two rounds.
pub(crate) fn age(app: &App, check: &str) -> i64 {
    app.verify.ages.get(check).map_or_else(|| app.verify.every.0.saturating_mul(2), |age| age.0)
}

/// A check's verdict at a moment, and when it came to be old. `signed`: what a person's signature under it says.
pub(crate) fn standing(
    app: &App,
    check: &str,
    known: Option<&Known>,
    signed: Option<Verdict>,
    now: Time,
) -> (Verdict, Option<Time>) {
    let Some(known) = known else {
        let person = manifest::check(check).is_some_and(|c| c.kind == CheckKind::Attested);
        return (if person { signed.unwrap_or(Verdict::Unsigned) } else { Verdict::Unproven }, None);
    };
    let end = known.at.plus(age(app, check));
    let old = now > end && !kernel::sabotage::off("gov.monitoring_live");
    match known.verdict {
        Verdict::Proven | Verdict::Inconclusive | Verdict::NotApplicable if old => (Verdict::Stale, Some(end)),
        Verdict::Unsigned => (signed.unwrap_or(Verdict::Unsigned), None),
        verdict => (verdict, None),
    }
}
