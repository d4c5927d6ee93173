//! Import and export.

use std::sync::Arc;

use http::{StatusCode, header};
use kernel::{Failure, may};
use route::{Body, Changing, Done, Intake, Reply, Route, get_audited, post, with};
use serde_json::json;
use store::Own;

use crate::{
    body::Pieces,
    export::{Export, Format},
    http::base,
    import,
    shelf::Desk,
};

/// Largest import, in bytes. Rows are staged as they arrive, so memory does not grow with it.
const IMPORT: u64 = 2 << 30;

pub(super) fn routes(desk: &Arc<Desk>) -> Vec<Route> {
    let (base, c) = (base(desk), desk.shelf.def.id);
    let serve =
        post("records.imported", with(desk, import_rows)).taking(Intake::Stream(IMPORT)).also(may("imports", "manage"));
    let mut routes = vec![Route { path: format!("{base}/import"), action: may(c, "create"), tier: "imports", serve }];
    if desk.records.app.data.export.contains(&desk.shelf.at) {
        let serve = get_audited("records.exported", with(desk, export)).also(may("exports", "manage"));
        routes.push(Route { path: format!("{base}/export"), action: may(c, "read"), tier: "exports", serve });
    }
    routes
}

async fn import_rows(desk: Arc<Desk>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    call.input.only(&[])?;
    let form = import::form(call.input.media_type())?;
    let body = call.input.stream()?;
    let done = import::run(&desk.records, &desk.shelf, call.tx, form, body, None).await?;
    let text = json!({ "rows": done.rows, "sha256": done.sha256, "ignored": done.ignored }).to_string();
    Ok(Done::ok(done.receipt, Reply::json(StatusCode::OK, text)))
}

async fn export(desk: Arc<Desk>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    call.input.only(&["format"])?;
    let formats = &desk.records.app.data.formats;
    let asked = call.input.query("format").unwrap_or("csv");
    let format = match asked {
        "csv" => Format::Csv,
        "json" => Format::Json,
        _ => return Err(Failure::bad("format: csv or json")),
    };
    if !formats.iter().any(|f| f == asked) {
        return Err(Failure::bad("format: this app does not export in it"));
    }
    let name = format!("{}.{}", desk.shelf.def.id, format.extension());
    let export = Export::begin(&desk, &call.tx, format);
    let receipt = call.tx.batch::<Own>(format!("{}/export", desk.shelf.def.id)).commit().await?;
    let stream = export.stream();
    let reply = Reply::new(StatusCode::OK, Body::Stream(stream))
        .with(header::CONTENT_TYPE, format.media_type())
        .with(header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    Ok(Done::ok(receipt, reply))
}
