//! "For each check behind this page, the build that serves you has a signed record of two runs: green with the control on,
//! red with the control off."
//!
//! The program with the switches and the one that serves are not the same bytes. What binds them is the digest of the sources
//! that both were built from: a record of other sources is refused, and after an upgrade an old one is no longer shown.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderName, StatusCode, header};
use kernel::{Actor, Failure, Mode, Time, sabotage::off};
use maud::html;
use route::{
    Asking, Body, Changing, Done, Html, Reply,
    page::{Card, Empty, Tag, facts, table_region},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Control, Tx};

use super::{channel::stamp, sql};
use crate::{Disclosure, results::signed::detached};

/// Most checks in one record.
const MOST: usize = 1_000;

/// What the two runs of one check said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The verdict with the control on.
    pub on: String,
    /// The verdict with the control off.
    pub off: String,
    /// The app whose page was tested.
    pub app: String,
}

/// A record of test runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// Version of the program.
    pub version: String,
    /// SHA-256 of its sources, in hex.
    pub sources: String,
    /// When the runs began (RFC 3339).
    pub began: String,
    /// When they ended.
    pub ended: String,
    /// By check.
    pub checks: BTreeMap<String, Pair>,
    /// Checks without a switch, and why.
    pub unswitched: BTreeMap<String, String>,
}

impl Runs {
    /// Reads a record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let runs: Self = serde_json::from_slice(bytes).map_err(|_| "it is no record of test runs")?;
        runs.checked()
    }

    fn checked(self) -> Result<Self, &'static str> {
        let known = |check: &String| manifest::check(check).is_some();
        let word = |text: &str| manifest::Verdict::parse(text).is_some();
        let line = |text: &str, most: usize| text.chars().count() <= most && !text.chars().any(char::is_control);
        let hex = self.sources.len() == 64 && self.sources.bytes().all(|b| b.is_ascii_hexdigit());
        let (began, ended) = (Time::parse(&self.began), Time::parse(&self.ended));
        if !hex || began.is_none() || ended.is_none() || began > ended || !line(&self.version, 60) {
            return Err("it does not say of which sources it is, or when the runs were");
        }
        if self.checks.len().max(self.unswitched.len()) > MOST
            || !self.checks.keys().chain(self.unswitched.keys()).all(known)
        {
            return Err("it names a check that there is not");
        }
        if !self.checks.values().all(|pair| word(&pair.on) && word(&pair.off) && line(&pair.app, 60)) {
            return Err("a run ended with a verdict that there is not");
        }
        if !self.unswitched.values().all(|why| line(why, 300)) {
            return Err("a reason is longer than 300 characters");
        }
        Ok(self)
    }

    fn kept(&self) -> usize {
        self.checks.values().filter(|pair| pair.proves()).count()
    }
}

impl Pair {
    /// Green with the control on, red with the control off.
    #[must_use]
    pub fn proves(&self) -> bool {
        self.on == "proven" && self.off == "failing"
    }
}

pub(super) async fn record(d: Arc<Disclosure>, call: Changing<Runs>) -> Result<Done<Value>, Failure> {
    let who = call.tx.permit().principal();
    let now = who.at();
    let name = match who.actor() {
        Actor::Operator(name) => name.to_string(),
        _ => "the team".to_owned(),
    };
    let runs = call.input.checked().map_err(|words| Failure::field("record", "invalid", words))?;
    if runs.sources != d.setup()?.sources {
        return Err(Failure::Conflict("the record is of another build than the one that runs".into()));
    }
    let text = serde_json::to_string(&runs).map_err(|_| Failure::internal("disclosure: a record is JSON"))?;
    let (id, pairs, kept) = (d.rng().id(now), runs.checks.len(), runs.kept());
    let batch =
        call.tx.batch::<Control>(format!("tests/{id}")).rows(1, &sql::RECORDED, (id, now, name, runs.sources, text));
    let done = batch.fact("pairs", pairs.to_string()).commit().await?;
    Ok(Done::created(done, json!({"pairs": pairs, "green_and_red": kept})))
}

/// What is shown: the record of this build, who had it signed and when, and the last look at each check on this server.
struct Known {
    runs: Runs,
    recorded: Option<(Time, String)>,
    looked: BTreeMap<String, Value>,
}

impl Disclosure {
    async fn runs<M: Mode>(&self, tx: &Tx<M>, now: Time) -> Result<Option<Known>, Failure> {
        let setup = self.setup()?;
        let kept = tx.maybe(&sql::RECORD, (setup.sources.to_owned(),)).await?;
        let (runs, recorded) = match kept {
            Some((at, name, text)) => {
                let runs = Runs::read(text.as_bytes()).map_err(|_| Failure::internal("disclosure: a kept record"))?;
                (runs, Some((at, name)))
            }
            None => match setup.runs.as_ref().filter(|runs| runs.sources == setup.sources || off("gov.security_tests"))
            {
                Some(runs) => (runs.clone(), None),
                None => return Ok(None),
            },
        };
        let state = self.state(tx, &self.key()?, now).await?;
        let looked = runs.checks.keys().filter_map(|check| {
            let known = state.checks.get(check)?;
            Some((
                check.clone(),
                json!({"at": known.at.to_string(), "place": known.place, "verdict": known.verdict.word()}),
            ))
        });
        let looked = looked.collect();
        Ok(Some(Known { runs, recorded, looked }))
    }
}

/// The record of the running build, signed as the report of verdicts is: a detached JWS beside the bytes.
pub(super) async fn signed(d: Arc<Disclosure>, call: Asking<()>) -> Result<Reply, Failure> {
    let now = call.tx.permit().principal().at();
    let known = d.runs(&call.tx, now).await?;
    let body = json!({
        "v": 1,
        "app": d.app().id,
        "build": d.build(),
        "sources": d.setup()?.sources,
        "at": now.to_string(),
        "record": known.as_ref().map(|k| &k.runs),
        "recorded": known.as_ref().and_then(|k| k.recorded.as_ref()).map(|(at, name)| json!({"at": stamp(*at), "by": name})),
        "last_probe": known.as_ref().map(|k| &k.looked),
    });
    let bytes = serde_json::to_vec(&body).map_err(|_| Failure::internal("disclosure: a record is JSON"))?;
    let signer = d.key()?;
    let signature = detached(&signer, &bytes);
    Ok(Reply::new(StatusCode::OK, Body::Bytes(bytes.into()))
        .with(header::CONTENT_TYPE, "application/json")
        .with(HeaderName::from_static("x-jws-signature"), &signature)
        .with(HeaderName::from_static("x-jws-kid"), &signer.kid()))
}

pub(super) async fn page(d: Arc<Disclosure>, call: Asking<()>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let known = d.runs(&call.tx, who.at()).await?;
    let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let body = html! {
        p { "A test that cannot fail proves nothing. So each check is run twice against a build from the same sources: once as it \
             is, and once with just that control switched off, which the test must notice." }
        @match &known {
            None => (Empty::new("No signed run for this build", "The pairs of runs are recorded when a build is released.")),
            Some(known) => {
                (facts(&[
                    ("Sources", html! { code { (known.runs.sources.get(..16).unwrap_or_default()) "…" } }),
                    ("Version", html! { (known.runs.version) }),
                    ("Runs", html! { time datetime=(known.runs.began) { (known.runs.began) } " to " time datetime=(known.runs.ended) { (known.runs.ended) } }),
                    ("Pairs", html! { (known.runs.checks.len()) ", of them green and red " (known.runs.kept()) }),
                ]))
                p { a href="/trust/tests.json" { "As JSON" } ", signed by " a href="/trust/keys.json" { "our key" } "." }
                (table_region("Runs", html! {
                    table.table {
                        thead { tr { th scope="col" { "Check" } th scope="col" { "On" } th scope="col" { "Off" } th scope="col" { "Last looked at here" } } }
                        tbody { @for (check, pair) in &known.runs.checks { tr {
                            td.main data-label="Check" { (check) }
                            td data-label="On" { (tag(&pair.on, "proven")) }
                            td data-label="Off" { (tag(&pair.off, "failing")) }
                            td data-label="Last looked at here" {
                                @match known.looked.get(check) {
                                    Some(look) => { (text(look, "verdict")) ", " time datetime=(text(look, "at")) { (text(look, "at")) } },
                                    None => "not yet",
                                }
                            }
                        } } }
                    }
                }))
                @if !known.runs.unswitched.is_empty() {
                    h2 { "Without a switch" }
                    ul { @for (check, why) in &known.runs.unswitched { li { code { (check) } ": " (why) } } }
                }
            }
        }
    };
    Ok(d.setup()?
        .frame
        .card(who.home(), Card::new("How we test the tests", body).wide().protects(&["gov.security_tests"])))
}

fn tag(word: &str, wanted: &str) -> Tag {
    let words = word.to_owned();
    if word == wanted { Tag::good(words) } else { Tag::bad(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(edit: impl Fn(&mut Value)) -> Result<Runs, &'static str> {
        let mut value = json!({
            "version": "0.1.0", "sources": "a".repeat(64), "began": "2026-11-22T08:00:00Z", "ended": "2026-11-22T09:00:00Z",
            "checks": {"edge.csp": {"on": "proven", "off": "failing", "app": "kwestra"}, "edge.hsts": {"on": "proven", "off": "proven", "app": "kwestra"}},
            "unswitched": {"ops.topology": "a report"},
        });
        edit(&mut value);
        Runs::read(value.to_string().as_bytes())
    }

    #[test]
    fn a_record_is_read_or_refused() {
        assert_eq!(runs(|_| ()).unwrap().kept(), 1);
        for (pointer, wrong) in [
            ("/sources", json!("abc")),
            ("/began", json!("2026-11-23T08:00:00Z")),
            ("/ended", json!("soon")),
            ("/checks/edge.csp/on", json!("green")),
            ("/checks/edge.csp/app", json!("a\nb")),
            ("/unswitched/ops.topology", json!("x".repeat(301))),
            ("/unswitched", json!({"no.such_check": "why"})),
            ("/version", json!(1)),
        ] {
            assert!(runs(|v| *v.pointer_mut(pointer).unwrap() = wrong.clone()).is_err(), "{pointer}");
        }
        assert!(Runs::read(b"[]").is_err());
    }
}
