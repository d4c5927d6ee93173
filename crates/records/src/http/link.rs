//! Public forms and links.

use std::sync::Arc;

use access::Access;
use http::StatusCode;
use kernel::{Failure, may};
use manifest::{Share, Submission};
use route::{Changing, Done, Intake, Reply, Route, get_audited, post, with};
use serde_json::json;

use crate::{body::Pieces, share, shelf::Records, submission};

/// Largest form, in bytes.
const FORM: u64 = 256 * 1024;

/// A submission or share with the section: the service of its handler.
struct Of<D> {
    records: Arc<Records>,
    access: Arc<Access>,
    def: D,
}

pub(super) fn routes(records: &Arc<Records>, access: &Arc<Access>) -> Vec<Route> {
    let mut routes = Vec::new();
    for s in &records.app.submissions {
        let Some(shelf) = records.shelf(s.creates) else { continue };
        let of = Arc::new(Of { records: Arc::clone(records), access: Arc::clone(access), def: s.clone() });
        routes.push(Route {
            path: format!("/api/v1/submissions/{}", s.id),
            action: may(shelf.def.id, "submit"),
            tier: s.limit,
            serve: post("record.submitted", with(&of, submit)).taking(Intake::Whole(FORM)),
        });
    }
    for share in &records.app.shares {
        let Some(shelf) = share.shows.first().and_then(|(at, _)| records.shelf(*at)) else { continue };
        let of = Arc::new(Of { records: Arc::clone(records), access: Arc::clone(access), def: share.clone() });
        let given = json!({
            "type": "object",
            "properties": { "record": { "type": "string", "format": "uuid" } },
            "required": ["record"],
            "additionalProperties": false,
        });
        routes.push(Route {
            path: format!("/api/v1/shares/{}", share.id),
            action: may(shelf.def.id, "read"),
            tier: "api",
            serve: post("share.created", with(&of, make))
                .taking(Intake::Whole(FORM))
                .described(given, serde_json::Value::Null),
        });
    }
    if let Some(first) = records.app.shares.first() {
        routes.push(Route {
            path: "/api/v1/shares/{token}".to_owned(),
            action: may("public", "read"),
            tier: first.limit,
            serve: get_audited("share.opened", with(records, open)),
        });
    }
    routes
}

async fn submit(of: Arc<Of<Submission>>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    call.input.only(&[])?;
    let given = call.input.object()?;
    let (receipt, body) = submission::run(&of.records, &of.def, call.tx, given).await?;
    Ok(Done::created(receipt, Reply::json(StatusCode::CREATED, body.to_string())))
}

async fn make(of: Arc<Of<Share>>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    call.input.only(&[])?;
    let given = call.input.object()?;
    if given.keys().any(|k| k != "record") {
        return Err(Failure::bad("expected: record, and nothing else"));
    }
    let record = given.get("record").and_then(|v| v.as_str()).filter(|t| t.parse::<kernel::Id>().is_ok());
    let record = record.ok_or_else(|| Failure::field("record", "type", "expected: a record's id"))?;
    let home = Arc::clone(call.tx.permit().principal().home());
    let (receipt, link) = share::create(&of.records, &of.access, &of.def, call.tx, record).await?;
    Ok(Done::created(receipt, Reply::json(StatusCode::CREATED, link.told(&home).to_string())))
}

/// By its token; the PIN in the query or, so that it stays out of histories, in the header `x-pin`.
async fn open(records: Arc<Records>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    call.input.only(&["pin"])?;
    let pin = call.input.header("x-pin").or_else(|| call.input.query("pin"));
    let (receipt, reply) = share::open(&records, call.tx, call.input.param("token"), pin).await?;
    Ok(Done::ok(receipt, reply))
}
