//! Statements that a person signs: bound to the words they were signed for, with a last day.

use std::borrow::Cow;

use encryption::{Signer, hash::sha256};
use kernel::{DAY, Failure, Time};
use manifest::{App, CheckKind, Page, PageClaim};
use serde::{Deserialize, Serialize};

use super::{Verdict, signed};
use crate::desk::review;

/// Longest statement, in characters.
const LONGEST: usize = 2000;

/// What an operator asks to have signed.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The promise, or a check that a person signs.
    pub subject: String,
    /// Who signs.
    pub name: String,
    /// What they state.
    pub statement: String,
    /// Where the evidence lies: an https address.
    pub evidence: Option<String>,
    /// Last moment; none: as long as the page allows.
    pub expires: Option<Time>,
}

/// A signed statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// App id.
    pub app: String,
    /// The promise or check.
    pub subject: String,
    /// SHA-256 of the words it was signed for, as hex.
    pub words_sha256: String,
    /// Who signed.
    pub name: String,
    /// What they state.
    pub statement: String,
    /// Where the evidence lies.
    pub evidence: Option<String>,
    /// When, RFC 3339.
    pub signed_at: String,
    /// Until when, RFC 3339.
    pub expires_at: String,
    /// The JWS that says all this.
    #[serde(skip_deserializing, default)]
    pub signature: String,
}

impl Attestation {
    /// From its JWS: nothing else in the database is believed.
    pub(crate) fn read(signer: &Signer, jws: &str) -> Option<Self> {
        let payload = signed::opened(signer, jws)?;
        let mut found: Self = serde_json::from_slice(&payload).ok()?;
        jws.clone_into(&mut found.signature);
        Some(found)
    }
    fn since(&self) -> Time {
        Time::parse(&self.signed_at).unwrap_or_default()
    }
    /// Until when.
    #[must_use]
    pub fn until(&self) -> Time {
        Time::parse(&self.expires_at).unwrap_or_default()
    }
    /// `attested`, or `expired`.
    #[must_use]
    pub fn verdict(&self, now: Time) -> Verdict {
        if now < self.until() { Verdict::Attested } else { Verdict::Expired }
    }
}

/// Hash of the words a signature under this subject stands for.
pub(crate) fn words_hash(words: &str) -> String {
    hex::encode(sha256(words.as_bytes()))
}

/// What a signature under a promise or check would be for: its words, and the longest age allowed.
pub(crate) fn subject<'p>(app: &App, page: &'p Page, name: &str) -> Result<(Cow<'p, str>, i64), Failure> {
    let person = |check: &&'static str| manifest::check(check).is_some_and(|c| c.kind == CheckKind::Attested);
    let longest = app.attest.default.0;
    // What a check's own statement allows, whatever the page says.
    let capped = |checks: &[&'static str], age: i64| {
        if checks.contains(&review::CHECK) { age.min(review::QUARTER) } else { age }
    };
    if let Some(claim) = page.claims.iter().find(|c| c.id == name) {
        if claim.kind != CheckKind::Attested && !claim.checks.iter().any(person) {
            return Err(Failure::field("claim", "probed", "a program proves this promise; nobody signs it"));
        }
        let age = claim.max_age.map_or(longest, |age| age.0);
        return Ok((plain(claim).into(), capped(&claim.checks, age)));
    }
    let bound = page.claims.iter().flat_map(|c| &c.checks).find(|check| **check == name);
    match bound.filter(|c| person(c)).and_then(|c| manifest::check(c)) {
        Some(check) => {
            // One signature stands for every promise that names the check: the strictest of them counts.
            let binding = page.claims.iter().filter(|c| c.checks.contains(&check.id));
            let age = binding.filter_map(|c| c.max_age).map(|age| age.0).fold(longest, i64::min);
            Ok((check.statement.into(), capped(&[check.id], age)))
        }
        None => Err(Failure::field("claim", "unknown", "no promise or check on the page that a person signs")),
    }
}

/// A promise's words without the figures of the moment.
pub(crate) fn plain(claim: &PageClaim) -> String {
    claim.text(&|_| None)
}

/// The statement, ready to be stored.
pub(crate) fn sign(signer: &Signer, app: &App, page: &Page, wish: Wish, now: Time) -> Result<Attestation, Failure> {
    let (words, longest) = subject(app, page, &wish.subject)?;
    for (field, text, most) in [("name", &wish.name, 200), ("statement", &wish.statement, LONGEST)] {
        if text.trim().is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
            return Err(Failure::field(field, "length", "one line of text is expected"));
        }
    }
    if wish.evidence.as_ref().is_some_and(|link| !link.starts_with("https://") || link.len() > 500) {
        return Err(Failure::field("evidence", "link", "an https:// address is expected"));
    }
    let last = now.plus(longest);
    let expires = wish.expires.unwrap_or(last);
    if expires <= now || expires > last {
        return Err(Failure::field("expires", "range", "later than now, and no later than the page allows"));
    }
    let mut made = Attestation {
        app: app.id.to_owned(),
        words_sha256: words_hash(&words),
        subject: wish.subject,
        name: wish.name.trim().to_owned(),
        statement: wish.statement.trim().to_owned(),
        evidence: wish.evidence,
        signed_at: now.to_string(),
        expires_at: expires.to_string(),
        signature: String::new(),
    };
    let payload = serde_json::to_vec(&made).map_err(|_| Failure::internal("disclosure: a statement is not JSON"))?;
    made.signature = signed::compact(signer, &payload);
    Ok(made)
}

/// The newest signature under exactly these words.
fn newest<'a>(all: &'a [Attestation], subject: &str, words: &str) -> Option<&'a Attestation> {
    let hash = words_hash(words);
    all.iter().filter(|a| a.subject == subject && a.words_sha256 == hash).max_by(|a, b| a.signed_at.cmp(&b.signed_at))
}

/// What was signed for a check of a promise: for the promise itself, or for the check wherever it stands.
pub(crate) fn of<'a>(all: &'a [Attestation], claim: &PageClaim, check: &str) -> Option<&'a Attestation> {
    let statement = manifest::check(check).map_or("", |c| c.statement);
    let both = [newest(all, &claim.id, &plain(claim)), newest(all, check, statement)];
    // A review is for a quarter, whatever an older program let people sign.
    let fits = |a: &&Attestation| check != review::CHECK || a.until().since(a.since()) <= review::QUARTER;
    both.into_iter().flatten().filter(fits).max_by_key(|a| a.until())
}

/// Signatures that end within `days` days, or have ended, and are the newest of their subject.
pub(crate) fn ending(all: &[Attestation], now: Time, days: i64) -> Vec<&Attestation> {
    let later = |a: &Attestation| all.iter().any(|b| b.subject == a.subject && b.signed_at > a.signed_at);
    let soon = now.plus(days * DAY);
    all.iter().filter(|a| a.until() <= soon && !later(a)).collect()
}
