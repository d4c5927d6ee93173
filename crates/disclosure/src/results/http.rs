use std::{sync::Arc, time::Duration};

use encryption::hash::sha256;
use http::{StatusCode, header};
use kernel::{Failure, Time, may};
use manifest::PageClaim;
use monitoring::Level;
use route::{Asking, Body, Html, Input, Intake, Job, Output as _, Raw, Reply, Route, get, post_read, with};
use serde_json::{Value, json};

use super::{
    Verdict, answers, attestation, badge,
    judged::State,
    pages, speech, sql,
    testing::{self, Test},
    view::{self, View},
    wording,
};
use crate::Disclosure;

/// Days before its end that a signature is reminded of.
pub(crate) const REMIND: i64 = 30;

pub(crate) fn routes(disclosure: &Arc<Disclosure>) -> Vec<Route> {
    let public = |path: &str, serve| Route { path: path.to_owned(), action: may("public", "read"), tier: "api", serve };
    let d = disclosure;
    vec![
        public("/trust", get(with(d, trust))),
        public("/trust/wordings", get(with(d, wordings))),
        public("/trust.json", get(with(d, summary))),
        public("/trust/keys.json", get(with(d, keys))),
        public("/trust/report.json", get(with(d, report))),
        public("/trust/badge.svg", get(with(d, shield))),
        public("/trust/answers.csv", get(with(d, questionnaire))),
        public("/trust/history/{claim}", get(with(d, history))),
        public("/trust/test/{claim}", get(with(d, tested))),
        Route { tier: "trust", ..public("/trust/test/{claim}", post_read(with(d, test_now))) },
    ]
}

/// Reminds of signatures that end.
pub(crate) fn jobs(disclosure: &Arc<Disclosure>) -> Vec<Job> {
    vec![Job {
        name: "attest.remind",
        every: Duration::from_hours(12),
        action: may("house", "remind"),
        serve: get(with(disclosure, remind)),
    }]
}

/// A request for one of the forms of a verdict. Other members of the query say where a visitor came from, and are ignored.
struct Asked {
    claim: String,
    run: String,
    html: bool,
    tag: Option<String>,
}

impl Input for Asked {
    const INTAKE: Intake = Intake::None;
    fn read(raw: Raw) -> Result<Self, Failure> {
        let run = raw.query.iter().find(|(name, _)| name == "run").map(|(_, run)| run.clone()).unwrap_or_default();
        Ok(Self {
            claim: raw.param("claim").to_owned(),
            run,
            html: raw.header("accept").is_some_and(|accept| accept.contains("text/html")),
            tag: raw.header("if-none-match").map(str::to_owned),
        })
    }
    fn schema() -> Value {
        Value::Null
    }
}

/// An answer that caches may keep for a minute.
fn kept(bytes: Vec<u8>, kind: &str, tag: Option<&str>) -> Reply {
    let own = format!("\"{}\"", hex::encode(sha256(&bytes).get(..12).unwrap_or_default()));
    let same = tag.is_some_and(|tags| tags.split(',').any(|t| t.trim().trim_start_matches("W/") == own));
    let reply = match same {
        true => Reply::new(StatusCode::NOT_MODIFIED, Body::Empty),
        false => Reply::new(StatusCode::OK, Body::Bytes(bytes.into())).with(header::CONTENT_TYPE, kind),
    };
    reply.with(header::ETAG, &own).with(header::CACHE_CONTROL, "public, max-age=60")
}

fn json_of(value: &Value) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|_| Failure::internal("disclosure: answer is not JSON"))
}

async fn trust(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Html, Failure> {
    let view = d.view(&call.tx).await?;
    let url = call.tx.permit().principal().home().url.clone();
    Ok(Html(Box::new(move |nonce| pages::trust(&d, &view, &url, nonce))))
}

async fn wordings(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Html, Failure> {
    let view = d.view(&call.tx).await?;
    Ok(Html(Box::new(move |nonce| pages::wordings(&d, &view, nonce))))
}

async fn summary(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Reply, Failure> {
    let view = d.view(&call.tx).await?;
    let app = d.app();
    let run = view.run.as_ref().map(|run| {
        json!({
            "began": run.began.to_string(),
            "took_ms": run.took,
            "published_at": run.at.to_string(),
            "build": run.build,
            "report": "trust/report.json",
            "report_sha256": run.sha256,
            "signature": run.signature,
            "kid": view.kid,
            "keys": "trust/keys.json",
        })
    });
    let (score, _) = answers::score(&view);
    let counts: serde_json::Map<String, Value> =
        Verdict::ALL.into_iter().map(|v| (v.word().to_owned(), view.count(v).into())).collect();
    let promises: Vec<Value> = view.claims.iter().zip(&d.page().claims).map(|(s, c)| told(&d, &view, s, c)).collect();
    let body = json!({
        "app": {"id": app.id, "name": app.name, "color": app.color},
        "build": d.means.build,
        "summary": speech::headline(&view),
        "proven": score,
        "counts": counts,
        "run": run,
        "promises": promises,
        "former_wordings": view.former.iter().map(view::former).collect::<Vec<_>>(),
    });
    Ok(embeddable(kept(json_of(&body)?, "application/json", call.input.tag.as_deref())))
}

/// Other sites may show it: the badge, and the summary behind it.
fn embeddable(reply: Reply) -> Reply {
    reply.with(http::HeaderName::from_static("cross-origin-resource-policy"), "cross-origin")
}

/// A promise in `/trust.json`.
fn told(d: &Disclosure, view: &View, shown: &view::Shown, claim: &PageClaim) -> Value {
    let mut out = shown.object.clone();
    let checks: Vec<Value> = claim
        .checks
        .iter()
        .zip(&shown.judged.checks)
        .filter_map(|(id, verdict)| Some((manifest::check(id)?, verdict)))
        .map(|(c, verdict)| json!({"id": c.id, "control": c.control, "statement": c.statement, "kind": c.kind.word(), "verdict": verdict.word()}))
        .collect();
    let days: Vec<Value> = shown.days.iter().map(|d| d.map_or(Value::Null, |d| d.worst.word().into())).collect();
    let former = view.former.iter().filter(|w| w.claim == claim.id).map(view::former).collect::<Vec<_>>();
    let more = json!({
        "section": claim.section,
        "words": d.words(claim),
        "checks": checks,
        "saw": shown.saw,
        "since": shown.since.map(|t| t.to_string()),
        "days": days,
        "times_broken": shown.breaks.map_or(0, |b| b.0),
        "last_broken": shown.breaks.map(|b| b.1.to_string()),
        "attestation": shown.judged.signed,
        "former_wordings": former,
        "testable": d.testable(claim),
        "history": format!("trust/history/{}", claim.id),
    });
    if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
        out.extend(more);
    }
    out
}

async fn keys(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Reply, Failure> {
    let body = json!({"keys": [d.key()?.jwk()]});
    Ok(kept(json_of(&body)?, "application/jwk-set+json", call.input.tag.as_deref()))
}

/// The bytes that were signed; the signature beside them is a detached JWS (RFC 7515, appendix F).
async fn report(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Reply, Failure> {
    let (bytes, signature, _) = call.tx.one(&sql::REPORT, (call.input.run,)).await?;
    let bytes = bytes.ok_or(Failure::Gone)?;
    let kid = d.key()?.kid();
    let reply = kept(bytes, "application/json", call.input.tag.as_deref());
    let name = http::HeaderName::from_static("x-jws-signature");
    let key = http::HeaderName::from_static("x-jws-kid");
    Ok(reply.with(name, &signature).with(key, &kid))
}

async fn shield(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Reply, Failure> {
    let view = d.view(&call.tx).await?;
    let (score, worst) = answers::score(&view);
    let svg = badge::svg(&score, worst, view.count(Verdict::Failing));
    Ok(embeddable(kept(svg.into_bytes(), "image/svg+xml", call.input.tag.as_deref())))
}

async fn questionnaire(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Reply, Failure> {
    let view = d.view(&call.tx).await?;
    let csv = answers::csv(d.page(), &view, |claim| d.words(claim));
    let reply = kept(csv.into_bytes(), "text/csv; charset=utf-8", call.input.tag.as_deref());
    Ok(reply.with(header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{}-answers.csv\"", d.app().id)))
}

/// Everything that ever happened to one promise; also to one that the page has no more.
async fn history(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Reply, Failure> {
    let id = call.input.claim;
    let wordings: Vec<_> = wording::all(&call.tx).await?.into_iter().filter(|w| w.claim == id).collect();
    let at = d.page().claims.iter().position(|c| c.id == id);
    if at.is_none() && wordings.is_empty() {
        return Err(Failure::NotFound);
    }
    let changes = call.tx.all(&sql::CHANGES, (id.clone(),)).await?;
    let view = d.view(&call.tx).await?;
    let record = pages::Record { id, at, wordings, changes };
    if call.input.html {
        let page = Html(Box::new(move |nonce| pages::history(&d, &view, &record, nonce)));
        return page.reply(StatusCode::OK);
    }
    let now = at.and_then(|at| view.claims.get(at).zip(d.page().claims.get(at)));
    let told = now.map(|(shown, claim)| told(&d, &view, shown, claim));
    let change = |(at, was, became, words, run): &(Time, String, String, String, String)| {
        let was = Some(was.as_str()).filter(|w| !w.is_empty());
        json!({"at": at.to_string(), "from": was, "to": became, "saw": words, "run": run})
    };
    let body = json!({
        "id": record.id,
        "now": told,
        "wordings": record.wordings.iter().map(view::former).collect::<Vec<_>>(),
        "changes": record.changes.iter().map(change).collect::<Vec<_>>(),
    });
    let reply = kept(json_of(&body)?, "application/json", call.input.tag.as_deref());
    Ok(reply.with(header::VARY, "accept"))
}

/// A look at one promise for whoever asks. Browsers are sent to the page of its result.
async fn test_now(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Reply, Failure> {
    let now = call.tx.permit().principal().at();
    let claim = d.claim(&call.input.claim)?;
    let test = testing::start(&d, claim, now)?;
    if call.input.html {
        // Relative, so that a shared host's prefix stays.
        return Ok(Reply::new(StatusCode::SEE_OTHER, Body::Empty).with(header::LOCATION, &claim.id));
    }
    outcome(&test)
}

async fn tested(d: Arc<Disclosure>, call: Asking<Asked>) -> Result<Reply, Failure> {
    let now = call.tx.permit().principal().at();
    let claim = d.claim(&call.input.claim)?.clone();
    let test = d.test(&claim.id, now);
    if call.input.html {
        let page = Html(Box::new(move |nonce| pages::test(&d, &claim, test.as_ref(), now, nonce)));
        return page.reply(StatusCode::OK);
    }
    outcome(&test.ok_or(Failure::NotFound)?)
}

fn outcome(test: &Test) -> Result<Reply, Failure> {
    match test {
        Test::Running(since) => {
            let body = json_of(&json!({"state": "testing", "since": since.to_string()}))?;
            Ok(Reply::json(StatusCode::ACCEPTED, body).with(header::RETRY_AFTER, "2"))
        }
        Test::Done(_, found) => Ok(Reply::json(StatusCode::OK, json_of(&json!({"state": "tested", "result": found}))?)),
    }
}

/// A line in the log for each signature that ends soon.
async fn remind(d: Arc<Disclosure>, call: Asking<()>) -> Result<(), Failure> {
    let now = call.tx.permit().principal().at();
    let state = State::load(&call.tx, &d.key()?).await?;
    for signature in attestation::ending(&state.attestations, now, REMIND) {
        let days = signature.until().since(now).div_euclid(kernel::DAY);
        let fields = vec![("subject", signature.subject.clone().into()), ("days", days.into())];
        let request = call.tx.permit().principal().peer().request();
        d.means.monitor.event(Level::Warn, Some(request), None, "a signature ends", fields);
    }
    Ok(())
}

impl Disclosure {
    /// Signatures that end within 30 days, or have ended: for operators.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn reminders<M: kernel::Mode>(&self, tx: &store::Tx<M>) -> Result<Value, Failure> {
        let now = tx.permit().principal().at();
        let state = State::load(tx, &self.key()?).await?;
        let told = |a: &attestation::Attestation| json!({"subject": a.subject, "name": a.name, "expires_at": a.expires_at, "verdict": a.verdict(now).word()});
        Ok(attestation::ending(&state.attestations, now, REMIND).into_iter().map(told).collect())
    }
}
