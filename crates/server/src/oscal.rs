//! `/trust/oscal/`: the catalogue, the page and its verdicts as OSCAL documents whose links lead to each other.

use std::sync::Arc;

use disclosure::{Disclosure, Standing};
use http::{StatusCode, header};
use kernel::{Clock, Failure, may};
use route::{Asking, Reply, Route, Section, get, with};
use schemars::JsonSchema;
use serde::Deserialize;
use verify::{Place, Seen, Verdict, oscal};

/// What the documents are made from.
pub(crate) struct Shelf {
    pub(crate) disclosure: Arc<Disclosure>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Which document.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `catalog.json`, `component-definition.json`, `assessment-plan.json` or `assessment-results.json`.
    document: String,
}

pub(crate) fn section(shelf: &Arc<Shelf>) -> Section {
    let serve = get(with(shelf, document));
    let path = "/trust/oscal/{document}".to_owned();
    Section { routes: vec![Route { path, action: may("public", "read"), tier: "trust", serve }], ..Section::default() }
}

/// As the prober's own type: nothing that was never seen is in it.
fn seen(standing: Standing) -> Option<Seen> {
    let at = standing.at?;
    Some(Seen {
        check: standing.check,
        verdict: Verdict::parse(standing.verdict)?,
        evidence: standing.evidence,
        summary: standing.summary,
        finding: standing.finding.map(|f| verify::Finding { did: f.did, expected: f.expected, saw: f.saw }),
        note: standing.note,
        place: if standing.live { Place::Live } else { Place::Own },
        steered: standing.steered,
        took_ms: 0,
        at,
    })
}

async fn document(shelf: Arc<Shelf>, call: Asking<Wanted>) -> Result<Reply, Failure> {
    let known = shelf.disclosure.exported(&call.tx).await?;
    let of = oscal::Subject {
        app: shelf.disclosure.app(),
        page: shelf.disclosure.page(),
        build: crate::VERSION,
        at: shelf.clock.now(),
        live: &|_| None,
    };
    let verdict = |claim: &manifest::PageClaim| {
        known.promises.get(&claim.id).and_then(|word| Verdict::parse(word)).unwrap_or(Verdict::Unproven)
    };
    let seen: Vec<Seen> = known.checks.iter().cloned().filter_map(seen).collect();
    let documents = oscal::documents(&of, &seen, &verdict);
    let found = documents.into_iter().find(|(name, _)| *name == call.input.document);
    let (name, document) = found.ok_or(Failure::NotFound)?;
    Ok(Reply::json(StatusCode::OK, document.to_string())
        .with(header::CONTENT_DISPOSITION, &format!("inline; filename=\"{name}\"")))
}
