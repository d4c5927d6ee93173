//! A shared link for people: a page that asks, and what the link shows. Opening it is a change, because each opening leaves
//! a leaf and wrong PINs are counted; so the button opens it, not the link.

use std::sync::Arc;

use access::Access;
use encryption::hash::sha256;
use kernel::{Failure, Home, may};
use manifest::{Field, Kind, Share};
use maud::{Markup, html};
use route::{
    Asking, Body, Changing, Done, Html, Mishap, Output as _, Redraw, Reply, Route, get,
    page::{Button, Card, Field as Entry, Frame, Notice, Stamp, facts, form, table_region},
    post, with,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;
use store::Tx;

use super::{
    Room, Shown,
    label::Names,
    look::{Look, Place},
    words,
};
use crate::{
    share,
    shelf::{Desk, Records},
    sql,
};

const PROTECTS: &[&str] = &["limit.tiers", "limit.per_ip_route", "access.field_grants", "tenant.query_scope"];

/// What these pages need.
pub(crate) struct Door {
    records: Arc<Records>,
    access: Arc<Access>,
    frame: Arc<Frame>,
}

pub(super) fn routes(records: &Arc<Records>, access: &Arc<Access>, frame: &Arc<Frame>) -> Vec<Route> {
    let Some(first) = records.app.shares.first() else { return Vec::new() };
    let door = Arc::new(Door { records: Arc::clone(records), access: Arc::clone(access), frame: Arc::clone(frame) });
    let route = |tier, serve| Route { path: "/shared/{token}".to_owned(), action: may("public", "read"), tier, serve };
    vec![
        route("api", get(with(&door, ask))),
        route(first.limit, post("share.opened", with(&door, open)).redrawn(with(&door, again))),
    ]
}

/// Which link.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    token: String,
}

/// The same with what was typed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Typed {
    token: String,
    #[serde(default)]
    pin: Option<String>,
}

async fn ask(door: Arc<Door>, call: Asking<Named>) -> Result<Html, Failure> {
    question(&door, &call.tx, &call.input.token, None).await
}

/// The same when the PIN was wrong.
async fn again(door: Arc<Door>, again: Redraw<Named>) -> Result<Html, Failure> {
    question(&door, &again.call.tx, &again.call.input.token, Some(&again.mishap)).await
}

async fn question(door: &Door, tx: &Tx<kernel::Read>, token: &str, mishap: Option<&Mishap>) -> Result<Html, Failure> {
    let home = tx.permit().principal().home();
    let found = tx.maybe(&sql::SHARE, (sha256(token.as_bytes()).to_vec(),)).await?;
    let (_, name, pin, _, expires, _) = found.ok_or(Failure::NotFound)?;
    let share = door.records.app.shares.iter().find(|s| s.id == name).ok_or(Failure::NotFound)?;
    let label = share.shows.first().and_then(|(at, _)| door.records.shelf(*at)).map_or("", |s| s.def.label.as_str());
    let wrong = mishap.filter(|m| m.problem.kind == "wrong-credentials").map(|_| "This is not the PIN.");
    let over = mishap.is_some_and(|m| m.problem.status == 410) || expires <= tx.permit().principal().at().0;
    let digits = share.pin.to_string();
    let field = Entry::text("pin", "PIN").required(true).autocomplete("one-time-code").attr("inputmode", "numeric");
    let field = field
        .attr("maxlength", digits.clone())
        .error(wrong)
        .hint(format!("{digits} digits; whoever shared this tells you."));
    let body = if over {
        html! { p { "Links like this live for a limited time, and close after too many wrong PINs. Ask for a new one." } }
    } else {
        form(
            &format!("{}/shared/{}", door.frame.base(tx.permit().principal()), plain(token)),
            html! {
                @if pin.is_some() { (field) }
                (Button::submit(format!("Open the {}", words::small(label))).primary())
            },
        )
    };
    let notice = if over { Some(Notice::warn("This link no longer works.")) } else { told(mishap) };
    let title = if over {
        "Shared with you".to_owned()
    } else {
        format!("{} shared {} with you", home.name, words::with_article(&words::small(label)))
    };
    Ok(door.frame.card(home, Card::new(title, body).over("").notice(notice).protects(PROTECTS)))
}

fn told(mishap: Option<&Mishap>) -> Option<Notice> {
    mishap.map(|m| match m.problem.kind {
        "wrong-credentials" => Notice::bad("The PIN is wrong. After ten wrong ones the link closes."),
        _ => m.notice(),
    })
}

/// A token as it may stand in an address: what we made, and nothing else.
fn plain(token: &str) -> &str {
    if token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') { token } else { "" }
}

/// What the answer of the API holds.
#[derive(Deserialize)]
struct Opened {
    share: String,
    record: Shown,
    parts: serde_json::Map<String, Json>,
    expires_at: String,
}

async fn open(door: Arc<Door>, call: Changing<Typed>) -> Result<Done<Reply>, Failure> {
    let home = Arc::clone(call.tx.permit().principal().home());
    let pin = call.input.pin.as_deref().map(str::trim).filter(|pin| !pin.is_empty());
    let (receipt, reply) = share::open(&door.records, call.tx, &call.input.token, pin).await?;
    let Body::Bytes(bytes) = &reply.body else { return Err(Failure::internal("share: an answer without a body")) };
    let opened: Opened =
        serde_json::from_slice(bytes).map_err(|_| Failure::internal("share: an answer is not JSON"))?;
    let share = door.records.app.shares.iter().find(|s| s.id == opened.share).ok_or(Failure::NotFound)?;
    Ok(Done::ok(receipt, paper(&door, &home, share, &opened)?.reply(http::StatusCode::OK)?))
}

fn paper(door: &Door, home: &Home, share: &Share, opened: &Opened) -> Result<Html, Failure> {
    let mut shows = share.shows.iter();
    let (at, fields) = shows.next().ok_or(Failure::NotFound)?;
    let room = door.room(*at).ok_or(Failure::NotFound)?;
    let names = Names::default();
    let look = Look { room: &room, names: &names, base: "", place: Place::Page };
    let of = |room: &Room, fields: &[usize]| -> Vec<Field> {
        let all = fields.iter().filter_map(|at| room.desk.shelf.field(*at));
        all.filter(|f| !matches!(f.kind, Kind::Reference { .. })).cloned().collect()
    };
    let mine = of(&room, fields);
    let pairs: Vec<(&str, Markup)> = mine.iter().map(|f| (f.label.as_str(), value(&look, f, &opened.record))).collect();
    let parts = shows.filter_map(|(at, fields)| {
        let room = door.room(*at)?;
        let rows = opened.parts.get(room.desk.shelf.def.id)?.as_array().filter(|rows| !rows.is_empty())?;
        Some(part(&room, &of(&room, fields), rows))
    });
    let parts: Vec<Markup> = parts.collect();
    let label = words::small(&room.desk.shelf.def.label);
    let until = kernel::Time::parse(&opened.expires_at).unwrap_or_default();
    let body = html! {
        (facts(&pairs))
        @for part in parts { (part) }
        p.small.muted { "The link that showed this works until " (Stamp(until.0)) "." }
    };
    let card = Card::new(format!("{} from {}", words::great(&words::with_article(&label)), home.name), body)
        .over("")
        .wide()
        .protects(PROTECTS);
    Ok(door.frame.card(home, card))
}

/// Files lie behind a sign-in: a visitor sees their names.
fn value(look: &Look<'_>, field: &Field, record: &Shown) -> Markup {
    match (&field.kind, record.get(field.id)) {
        (Kind::File { .. }, Some(file)) => html! { (file.get("name").and_then(Json::as_str).unwrap_or("none")) },
        _ => look.field(field, record),
    }
}

fn part(room: &Room, fields: &[Field], rows: &[Json]) -> Markup {
    let names = Names::default();
    let look = Look { room, names: &names, base: "", place: Place::Cell };
    let label = words::plural(&room.desk.shelf.def.label);
    let number = |f: &Field| matches!(f.kind, Kind::Integer | Kind::Decimal | Kind::Money);
    html! {
        section {
            h2 { (label) }
            (table_region(&label, html! {
                table.table {
                    thead { tr { @for f in fields { th scope="col" class=[number(f).then_some("num")] { (f.label) } } } }
                    tbody {
                        @for row in rows.iter().filter_map(Json::as_object) {
                            tr { @for f in fields { td data-label=(f.label) class=[number(f).then_some("num")] { (value(&look, f, row)) } } }
                        }
                    }
                }
            }))
        }
    }
}

impl Door {
    fn room(&self, at: usize) -> Option<Room> {
        let shelf = self.records.shelves.get(at)?;
        let desk = Arc::new(Desk { records: Arc::clone(&self.records), shelf: Arc::clone(shelf) });
        Some(Room { desk, access: Arc::clone(&self.access), frame: Arc::clone(&self.frame) })
    }
}
