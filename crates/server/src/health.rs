//! Routes of the house itself: is it alive, is it ready, what can it do.

use std::sync::Arc;

use kernel::{Failure, may};
use route::{Asking, Reply, Route, Section, get, with};
use schemars::JsonSchema;
use serde::Serialize;

/// What the routes answer from; filled in once the whole table is known.
pub(crate) struct About {
    pub(crate) openapi: std::sync::OnceLock<bytes::Bytes>,
}

#[derive(Serialize, JsonSchema)]
struct Health {
    /// Always `ok`: a process that cannot answer does not.
    status: &'static str,
    /// Version of the running program.
    version: &'static str,
}

pub(crate) fn section(about: &Arc<About>) -> Section {
    let public = |path: &str, serve| Route { path: path.to_owned(), action: may("public", "read"), tier: "api", serve };
    Section {
        routes: vec![
            public("/healthz", get(health)),
            public("/readyz", get(ready)),
            public("/api/v1/openapi.json", get(with(about, openapi))),
        ],
        ..Section::default()
    }
}

async fn health(_: Asking<()>) -> Result<Health, Failure> {
    Ok(Health { status: "ok", version: crate::VERSION })
}

/// Whether requests can be served: the house's own database answers. A file that is quarantined does not, nor a database
/// server that is away.
async fn ready(call: Asking<()>) -> Result<Health, Failure> {
    tenancy::reachable(&call.tx).await?;
    health(call).await
}

async fn openapi(about: Arc<About>, _: Asking<()>) -> Result<Reply, Failure> {
    let text = about.openapi.get().cloned().ok_or(Failure::Busy(1))?;
    Ok(Reply::json(http::StatusCode::OK, text))
}
