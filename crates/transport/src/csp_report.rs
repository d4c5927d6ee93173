//! `POST /csp-report`: what browsers blocked. Counted by page and directive in bounded memory, so that a flood neither fills
//! anything nor pushes out what came first.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::StatusCode;
use kernel::Failure;
use monitoring::{Level, Monitor};
use route::{Asking, Body, Input, Intake, Raw, Reply, Route, Section, may, post_read, with};
use serde_json::Value;

use crate::claims::CLAIMS;

const CAP: u64 = 16 * 1024;
/// Different violations kept.
const KEPT: usize = 200;
/// Characters kept of a text that a browser sent.
const LONGEST: usize = 200;
/// Bytes from which a part of a path may be a token: the shortest of ours has more.
const SECRET: usize = 24;
/// Reports in one body that are read.
const BATCH: usize = 20;

/// What was blocked where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The page's path, without query and without tokens.
    pub page: String,
    /// The directive.
    pub directive: String,
    /// Origin of what was blocked, or `inline`, `eval`.
    pub blocked: String,
}

/// Violations seen since the start, with how often.
pub struct Reports {
    seen: Mutex<BTreeMap<Violation, u64>>,
    monitor: Monitor,
}

impl Reports {
    /// None yet.
    #[must_use]
    pub fn new(monitor: Monitor) -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), monitor })
    }
    /// What was seen, at most a few hundred kinds.
    #[must_use]
    pub fn list(&self) -> Vec<(Violation, u64)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(violation, count)| (violation.clone(), *count)).collect()
    }
    fn take(&self, violations: Vec<Violation>) {
        if kernel::sabotage::off("edge.csp_report") {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for violation in violations {
            self.monitor.csp_report();
            if let Some(count) = seen.get_mut(&violation) {
                *count += 1;
            } else if seen.len() < KEPT {
                let fields = vec![
                    ("page", violation.page.clone().into()),
                    ("directive", violation.directive.clone().into()),
                    ("blocked", violation.blocked.clone().into()),
                ];
                self.monitor.event(Level::Warn, None, None, "content security policy violated", fields);
                seen.insert(violation, 1);
            }
        }
    }
}

/// The route. It changes nothing that is kept, so it leaves no leaf.
#[must_use]
pub fn section(reports: &Arc<Reports>) -> Section {
    let serve = post_read(with(reports, report)).taking(Intake::Whole(CAP));
    let route = Route { path: "/csp-report".to_owned(), action: may("public", "report"), tier: "csp_report", serve };
    Section { routes: vec![route], jobs: Vec::new(), claims: CLAIMS.to_vec() }
}

async fn report(reports: Arc<Reports>, call: Asking<Report>) -> Result<Reply, Failure> {
    reports.take(call.input.0);
    Ok(Reply::new(StatusCode::NO_CONTENT, Body::Empty))
}

/// A body as browsers send it: `application/csp-report` (CSP 2) or `application/reports+json` (Reporting API).
struct Report(Vec<Violation>);

impl Input for Report {
    const INTAKE: Intake = Intake::Whole(CAP);
    fn read(raw: Raw) -> Result<Self, Failure> {
        let kind = raw.media_type().unwrap_or_default();
        if !["application/csp-report", "application/reports+json", "application/json"].contains(&kind.as_str()) {
            return Err(Failure::UnsupportedType("application/csp-report".into()));
        }
        let json: Value = serde_json::from_slice(&raw.body).map_err(|_| Failure::bad("the report is malformed"))?;
        let single = json
            .get("csp-report")
            .and_then(|r| violation(r, ["document-uri", "effective-directive", "violated-directive", "blocked-uri"]));
        let listed =
            json.as_array().into_iter().flatten().filter(|r| r.get("type").is_some_and(|t| t == "csp-violation"));
        let listed = listed.filter_map(|r| {
            violation(r.get("body")?, ["documentURL", "effectiveDirective", "violatedDirective", "blockedURL"])
        });
        let found: Vec<_> = single.into_iter().chain(listed).take(BATCH).collect();
        if found.is_empty() { Err(Failure::bad("the report is malformed")) } else { Ok(Self(found)) }
    }
    fn schema() -> Value {
        Value::Null
    }
}

fn violation(report: &Value, [page, directive, older, blocked]: [&str; 4]) -> Option<Violation> {
    let text = |name: &str| report.get(name).and_then(Value::as_str);
    let directive = text(directive).or_else(|| text(older))?;
    let directive = directive.split(' ').next().unwrap_or_default();
    if directive.is_empty() || !directive.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
        return None;
    }
    Some(Violation {
        page: cut(&bare(path(text(page)?))),
        directive: cut(directive),
        blocked: cut(origin(text(blocked).unwrap_or_default())),
    })
}

/// The path of a URL: no host, no query.
fn path(url: &str) -> &str {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let rest = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// A path without what may be a key to something: tokens of links, receipts, ids.
fn bare(path: &str) -> String {
    let part = |part: &str| if part.len() >= SECRET { "*" } else { part }.to_owned();
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Scheme and host of a URL, or the word that stands in its place.
fn origin(url: &str) -> &str {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => bare.get(..scheme.len() + 3 + rest.find('/').unwrap_or(rest.len())).unwrap_or_default(),
        None => bare.split([':', '/']).next().unwrap_or_default(),
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, header};
    use kernel::{Steered, Time};
    use monitoring::Sink;

    use super::*;

    fn read(kind: &'static str, body: &str) -> Result<Vec<Violation>, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let body = Bytes::from(body.to_owned());
        Report::read(Raw { params: Vec::new(), query: Vec::new(), headers, body, stream: None }).map(|r| r.0)
    }

    fn seen(page: &str, directive: &str, blocked: &str) -> Violation {
        Violation { page: page.to_owned(), directive: directive.to_owned(), blocked: blocked.to_owned() }
    }

    #[test]
    fn both_forms_are_read_without_queries() {
        let old = r#"{"csp-report":{"document-uri":"https://a.example/p/1?tok=x#y","violated-directive":"script-src-elem 'self'","blocked-uri":"https://evil.example/x.js?u=me"}}"#;
        assert_eq!(
            read("application/csp-report", old).unwrap(),
            [seen("/p/1", "script-src-elem", "https://evil.example")]
        );
        let new = r#"[{"type":"deprecation","body":{}},{"type":"csp-violation","body":{"documentURL":"https://a.example","effectiveDirective":"img-src","blockedURL":"inline"}}]"#;
        assert_eq!(read("application/reports+json", new).unwrap(), [seen("/", "img-src", "inline")]);
    }

    #[test]
    fn tokens_in_paths_are_left_out() {
        let token = "5f0c9e2ab7d14c3e8f6a1b2c3d4e5f60";
        let one = format!(
            r#"{{"csp-report":{{"document-uri":"https://a.example/shared/{token}/x","effective-directive":"img-src","blocked-uri":"inline"}}}}"#
        );
        assert_eq!(read("application/csp-report", &one).unwrap(), [seen("/shared/*/x", "img-src", "inline")]);
    }

    #[test]
    fn nonsense_is_refused() {
        for body in [
            "",
            "{",
            "[]",
            "{}",
            "null",
            "{\"csp-report\":1}",
            "{\"csp-report\":{\"document-uri\":\"/\",\"violated-directive\":\"<b>\"}}",
        ] {
            assert!(read("application/csp-report", body).is_err(), "{body}");
        }
        assert!(matches!(read("text/plain", "{}"), Err(Failure::UnsupportedType(_))));
        let deep = "[".repeat(16_000);
        assert!(read("application/json", &deep).is_err());
    }

    #[test]
    fn a_flood_is_bounded_and_does_not_hide_the_first() {
        let clock = Arc::new(Steered::at(Time(0)));
        let monitor = Monitor::start(Sink::Nowhere, Level::Info, clock).unwrap();
        let reports = Reports::new(monitor.clone());
        reports.take(vec![seen("/first", "script-src", "inline")]);
        for n in 0..10_000 {
            reports.take(vec![seen(&format!("/{n}"), "img-src", "inline")]);
        }
        reports.take(vec![seen("/first", "script-src", "inline")]);
        let list = reports.list();
        assert_eq!(list.len(), KEPT);
        assert!(list.contains(&(seen("/first", "script-src", "inline"), 2)));
        assert!(monitor.metrics().contains("vouchsafe_csp_reports_total 10002"));
    }
}
