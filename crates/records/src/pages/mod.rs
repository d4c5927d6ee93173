//! "People see what their role allows, and nothing else": the console's pages of records, generated from collections.
//!
//! A page shows what the API would answer to the same person: it is drawn from the API's own JSON, read under the gate's
//! own permits, and its forms end in the same functions. Nothing here decides.

mod act;
mod ask;
mod children;
mod deeds;
mod entry;
mod erase;
mod form;
mod grid;
mod label;
mod link;
mod look;
mod record;
mod save;
mod shared;
mod sieve;
mod trail;
mod transfer;
mod upload;
mod words;

use std::sync::Arc;

use access::Access;
use kernel::{Actor, Failure, Mode, Principal, Read, may};
use manifest::{App, Kind};
use route::{Intake, Route, Section, get, page::Frame, post, with};
use serde_json::{Map, Value as Json};
use store::Tx;

use crate::{
    http::{Deed, Drawer},
    list::{self, Asked},
    shelf::{Desk, Records, Shelf},
};

/// A record as the API shows it.
pub(crate) type Shown = Map<String, Json>;

/// Largest form, in bytes: texts only, files have forms of their own.
const FORM: u64 = 1024 * 1024;

/// A collection's pages: the service of their handlers.
pub(crate) struct Room {
    pub(crate) desk: Arc<Desk>,
    pub(crate) access: Arc<Access>,
    pub(crate) frame: Arc<Frame>,
}

/// An action's pages.
pub(crate) struct Stage {
    pub(crate) room: Arc<Room>,
    pub(crate) deed: Deed,
}

/// A file field's pages.
pub(crate) struct Tray {
    pub(crate) room: Arc<Room>,
    pub(crate) drawer: Drawer,
}

/// One page of a list.
#[derive(serde::Deserialize)]
pub(crate) struct Listing {
    pub(crate) items: Vec<Shown>,
    pub(crate) next: Option<String>,
    pub(crate) count: Option<i64>,
}

/// The pages of every collection.
pub fn section(records: &Arc<Records>, access: &Arc<Access>, frame: &Arc<Frame>) -> Section {
    let mut routes = shared::routes(records, access, frame);
    for shelf in &records.shelves {
        let desk = Arc::new(Desk { records: Arc::clone(records), shelf: Arc::clone(shelf) });
        let room = Arc::new(Room { desk, access: Arc::clone(access), frame: Arc::clone(frame) });
        routes.extend(reads(&room));
        routes.extend(changes(&room));
        routes.extend(actions(&room));
        routes.extend(files(&room));
        routes.extend(shares(&room));
        routes.extend(transfer::routes(&room));
    }
    Section { routes, ..Section::default() }
}

/// Where a collection's pages are, below the tenant's address.
pub(crate) fn place(shelf: &Shelf) -> String {
    format!("/console/collections/{}", shelf.def.id)
}

fn reads(room: &Arc<Room>) -> Vec<Route> {
    let (all, action) = (place(&room.desk.shelf), may(room.desk.shelf.def.id, "read"));
    vec![
        Route { path: all.clone(), action, tier: "api", serve: get(with(room, grid::show)) },
        Route { path: format!("{all}/{{id}}"), action, tier: "api", serve: get(with(room, record::show)) },
    ]
}

fn changes(room: &Arc<Room>) -> Vec<Route> {
    let (all, c) = (place(&room.desk.shelf), room.desk.shelf.def.id);
    let form = Intake::Whole(FORM);
    let route = |path: String, verb, serve| Route { path, action: may(c, verb), tier: "api", serve };
    let fresh = post("record.created", with(room, save::create)).taking(form).redrawn(with(room, save::create_again));
    let mut routes = vec![
        route(format!("{all}/new"), "create", get(with(room, save::fresh))),
        route(format!("{all}/new"), "create", fresh),
    ];
    if room.desk.shelf.def.append_only {
        return routes;
    }
    let (edit, delete) = (format!("{all}/{{id}}/edit"), format!("{all}/{{id}}/delete"));
    let change = post("record.updated", with(room, save::change)).taking(form).redrawn(with(room, save::change_again));
    let gone = post("record.deleted", with(room, erase::erase)).taking(form).redrawn(with(room, erase::again));
    routes.extend([
        route(edit.clone(), "write", get(with(room, save::edit))),
        route(edit, "write", change),
        route(delete.clone(), "delete", get(with(room, erase::ask))),
        route(delete, "delete", gone),
    ]);
    routes
}

fn actions(room: &Arc<Room>) -> Vec<Route> {
    let mut routes = Vec::new();
    for plan in &room.desk.shelf.actions {
        let deed = Deed { desk: Arc::clone(&room.desk), plan: Arc::clone(plan) };
        let stage = Arc::new(Stage { room: Arc::clone(room), deed });
        let path = format!("{}/{{id}}/actions/{}", place(&room.desk.shelf), plan.def.id);
        let action = may(room.desk.shelf.def.id, plan.verb);
        let serve =
            post(plan.def.audit, with(&stage, act::act)).taking(Intake::Whole(FORM)).redrawn(with(&stage, act::again));
        routes.push(Route { path: path.clone(), action, tier: "api", serve: get(with(&stage, act::ask)) });
        routes.push(Route { path, action, tier: plan.def.limit, serve });
    }
    routes
}

fn shares(room: &Arc<Room>) -> Vec<Route> {
    let (place, action) = (place(room.shelf()), may(room.shelf().def.id, "read"));
    let mut routes = Vec::new();
    for share in link::of(room) {
        let lending = Arc::new(link::Lending { room: Arc::clone(room), share: share.clone() });
        let path = format!("{place}/{{id}}/shares/{}", share.id);
        let make = post("share.created", with(&lending, link::make)).redrawn(with(&lending, link::again));
        routes.push(Route { path: path.clone(), action, tier: "api", serve: get(with(&lending, link::ask)) });
        routes.push(Route { path, action, tier: "api", serve: make });
    }
    routes
}

fn files(room: &Arc<Room>) -> Vec<Route> {
    let (all, c) = (place(&room.desk.shelf), room.desk.shelf.def.id);
    let mut routes = Vec::new();
    for (at, field) in room.desk.shelf.fields().filter(|(_, f)| matches!(f.kind, Kind::File { .. })) {
        let drawer = Drawer { desk: Arc::clone(&room.desk), field: at };
        let tray = Arc::new(Tray { room: Arc::clone(room), drawer });
        let cap = Intake::Stream(upload::cap(field).saturating_add(upload::AROUND));
        let serve = post("file.uploaded", with(&tray, upload::add)).taking(cap).redrawn(with(&tray, upload::add_again));
        let path = format!("{all}/files/{}", field.id);
        routes.push(Route { path, action: may(c, "create"), tier: "uploads", serve });
        if !room.desk.shelf.def.append_only {
            let path = format!("{all}/{{id}}/files/{}", field.id);
            let serve =
                post("file.uploaded", with(&tray, upload::set)).taking(cap).redrawn(with(&tray, upload::set_again));
            routes.push(Route { path, action: may(c, "write"), tier: "uploads", serve });
        }
    }
    routes
}

/// The console is for members: a visitor may read some records, and signs in all the same.
pub(crate) fn member(who: &Principal) -> Result<(), Failure> {
    match who.actor() {
        Actor::Member { .. } => Ok(()),
        Actor::Visitor => Err(Failure::SignInNeeded),
        _ => Err(Failure::NotFound),
    }
}

impl Room {
    pub(crate) fn app(&self) -> &App {
        &self.desk.records.app
    }
    pub(crate) fn records(&self) -> &Records {
        &self.desk.records
    }
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.desk.shelf
    }
    /// Address of the collection's pages.
    pub(crate) fn home(&self, who: &Principal) -> String {
        format!("{}{}", self.frame.base(who), place(self.shelf()))
    }
    /// Whether they may, by the gate.
    pub(crate) fn may(&self, who: &Principal, verb: &'static str) -> bool {
        self.access.weigh(who, may(self.shelf().def.id, verb)).is_ok()
    }
    /// Reading beside a handler's own permit, under another of the gate's; none when the gate gives none.
    pub(crate) async fn beside<M: Mode>(
        &self,
        tx: &Tx<M>,
        resource: &'static str,
        verb: &'static str,
    ) -> Result<Option<Tx<Read>>, Failure> {
        let (who, action) = (tx.permit().principal(), may(resource, verb));
        if self.access.weigh(who, action).is_err() {
            return Ok(None);
        }
        let permit = self.access.permit::<Read>(who.clone(), action, "", false).await?;
        tx.beside(permit).map(Some)
    }
    /// Reading this collection's records, as the person may.
    ///
    /// # Errors
    /// `NotFound` for whoever may change records and not see them.
    pub(crate) async fn reader<M: Mode>(&self, tx: &Tx<M>) -> Result<Tx<Read>, Failure> {
        self.beside(tx, self.shelf().def.id, "read").await?.ok_or(Failure::NotFound)
    }
    /// One record as the API shows it, and its version.
    pub(crate) async fn one<M: Mode>(&self, tx: &Tx<M>, id: &str) -> Result<(Shown, i64), Failure> {
        let (body, version) = list::record(self.records(), self.shelf(), tx, id, None).await?;
        let record = serde_json::from_slice(&body).map_err(|_| Failure::internal("records: an answer is no object"))?;
        Ok((record, version))
    }
}

/// A page of a list as the API shows it.
pub(crate) async fn listed<M: Mode>(
    records: &Records,
    shelf: &Shelf,
    tx: &Tx<M>,
    asked: &Asked<'_>,
) -> Result<Listing, Failure> {
    let body = list::page(records, shelf, tx, asked).await?;
    serde_json::from_slice(&body).map_err(|_| Failure::internal("records: an answer is no list"))
}

/// A text of a record.
pub(crate) fn text<'r>(record: &'r Shown, name: &str) -> &'r str {
    record.get(name).and_then(Json::as_str).unwrap_or("")
}
