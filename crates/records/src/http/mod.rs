//! Routes, generated per collection; the collection is the route's, never read from the URL.

mod file;
mod link;
mod record;
mod transfer;

pub(crate) use file::{Upload, keep, put as put_file};
use std::sync::Arc;

use access::Access;
use kernel::may;
use manifest::Kind;
use route::{Intake, Route, Serve, delete, get, patch, post, put, with};

use crate::{
    action::Plan,
    describe,
    shelf::{Desk, Records},
};

/// An action of a collection: the service of its handler.
pub(crate) struct Deed {
    pub(crate) desk: Arc<Desk>,
    pub(crate) plan: Arc<Plan>,
}

/// Every route of the section.
pub(crate) fn routes(records: &Arc<Records>, access: &Arc<Access>) -> Vec<Route> {
    let mut routes = Vec::new();
    for shelf in &records.shelves {
        let desk = Arc::new(Desk { records: Arc::clone(records), shelf: Arc::clone(shelf) });
        routes.extend(reads(&desk));
        routes.extend(changes(&desk));
        routes.extend(actions(&desk));
        routes.extend(transfer::routes(&desk));
        routes.extend(files(&desk));
    }
    routes.extend(link::routes(records, access));
    routes
}

/// Where a collection's records are.
pub(crate) fn base(desk: &Desk) -> String {
    format!("/api/v1/collections/{}/records", desk.shelf.def.id)
}

fn whole(desk: &Desk, serve: Serve) -> Serve {
    serve.taking(Intake::Whole(desk.records.app.edge.flood.body))
}

fn reads(desk: &Arc<Desk>) -> Vec<Route> {
    let (all, c) = (base(desk), desk.shelf.def.id);
    let one = format!("{all}/{{id}}");
    let (record, page) = (describe::record(desk), describe::page(desk));
    let action = may(c, "read");
    let mut routes = vec![
        Route {
            path: all,
            action,
            tier: "api",
            serve: get(with(desk, record::list)).described(describe::query(), page),
        },
        Route {
            path: one.clone(),
            action,
            tier: "api",
            serve: get(with(desk, record::show)).described(serde_json::Value::Null, record),
        },
    ];
    if desk.shelf.def.versions > 0 {
        let verb = if desk.shelf.def.drafts { "read_draft" } else { "read" };
        let serve = get(with(desk, record::versions));
        routes.push(Route { path: format!("{one}/versions"), action: may(c, verb), tier: "api", serve });
    }
    routes
}

fn changes(desk: &Arc<Desk>) -> Vec<Route> {
    let (all, c) = (base(desk), desk.shelf.def.id);
    let (one, batch) = (format!("{all}/{{id}}"), format!("{all}/batch"));
    let (fresh, change, record) = (describe::fresh(desk), describe::change(desk), describe::record(desk));
    let route = |path: &str, verb, serve| Route {
        path: path.to_owned(),
        action: may(c, verb),
        tier: "api",
        serve: whole(desk, serve),
    };
    let mut routes = vec![
        route(&all, "create", post("record.created", with(desk, record::create)).described(fresh, record.clone())),
        route(
            &batch,
            "create",
            post("records.created", with(desk, record::batch_create)).described(describe::batch(), describe::batched()),
        ),
    ];
    if desk.shelf.def.append_only {
        return routes;
    }
    let erase =
        delete("record.deleted", with(desk, record::erase)).described(serde_json::Value::Null, serde_json::Value::Null);
    routes.extend([
        route(&one, "write", patch("record.updated", with(desk, record::change)).described(change, record)),
        Route { path: one, action: may(c, "delete"), tier: "api", serve: erase },
        route(
            &batch,
            "write",
            patch("records.updated", with(desk, record::batch_change))
                .described(describe::batch(), describe::batched()),
        ),
        route(
            &batch,
            "delete",
            delete("records.deleted", with(desk, record::batch_erase))
                .described(describe::batch(), describe::batched()),
        ),
    ]);
    routes
}

fn actions(desk: &Arc<Desk>) -> Vec<Route> {
    let (all, c) = (base(desk), desk.shelf.def.id);
    let route = |plan: &Arc<Plan>| {
        let deed = Arc::new(Deed { desk: Arc::clone(desk), plan: Arc::clone(plan) });
        let serve = post(plan.def.audit, with(&deed, record::act));
        Route {
            path: format!("{all}/{{id}}/actions/{}", plan.def.id),
            action: may(c, plan.verb),
            tier: plan.def.limit,
            serve: whole(desk, serve.described(describe::inputs(desk, &plan.def.input), describe::record(desk))),
        }
    };
    desk.shelf.actions.iter().map(route).collect()
}

/// A field of files: the service of its handlers.
pub(crate) struct Drawer {
    pub(crate) desk: Arc<Desk>,
    pub(crate) field: usize,
}

fn files(desk: &Arc<Desk>) -> Vec<Route> {
    let c = desk.shelf.def.id;
    let mut routes = Vec::new();
    for (at, field) in desk.shelf.fields().filter(|(_, f)| matches!(f.kind, Kind::File { .. })) {
        let drawer = Arc::new(Drawer { desk: Arc::clone(desk), field: at });
        let cap = Intake::Stream(field.max.and_then(|m| u64::try_from(m).ok()).unwrap_or(10_000_000));
        let of = field.id;
        let one = format!("{}/{{id}}/files/{of}", base(desk));
        routes.push(Route {
            path: format!("/api/v1/collections/{c}/files/{of}"),
            action: may(c, "create"),
            tier: "uploads",
            serve: post("file.uploaded", with(&drawer, file::upload)).taking(cap),
        });
        routes.push(Route {
            path: one.clone(),
            action: may(c, "read"),
            tier: "api",
            serve: get(with(&drawer, file::download)),
        });
        if !desk.shelf.def.append_only {
            let serve = put("file.uploaded", with(&drawer, file::replace)).taking(cap);
            routes.push(Route { path: one, action: may(c, "write"), tier: "uploads", serve });
        }
    }
    routes
}
