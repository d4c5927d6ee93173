//! A new record, and a change of one: the pages and what their forms do.

use std::sync::Arc;

use kernel::{Failure, FieldSet, Mode, Permit, Principal};
use manifest::{Field as Def, Kind};
use maud::{Markup, html};
use route::{
    Asking, Changing, Done, Html, Mishap, Redraw, Reply,
    page::{Button, Notice, Screen, see_other},
};
use store::{Tx, Value};

use super::{
    Room, Shown,
    ask::Asked,
    entry,
    form::{ONCE, Slot, VERSION, controls, settable, slots},
    label::{self, Names},
    look::{Look, Place},
    member, upload, words,
};
use crate::{answer, change, cursor::Question};

/// The id that a new form will make, so that sending it twice makes one record: drawn now, bound to tenant, collection and
/// person.
fn question<'q>(room: &'q Room, who: &'q Principal, me: &'q str) -> Question<'q> {
    Question { home: who.home(), collection: room.shelf().def.id, filter: "a new record", sort: me }
}

fn me(who: &Principal) -> String {
    who.user().map(|user| user.to_string()).unwrap_or_default()
}

fn draw<M: Mode>(room: &Room, permit: &Permit<M>) -> Result<String, Failure> {
    let who = permit.principal();
    let id = room.records().rng.id(who.at()).to_string();
    question(room, who, &me(who)).write(&room.records().cursors, &room.records().vault, &[Value::Text(id)])
}

fn drawn(room: &Room, who: &Principal, token: Option<&str>) -> Result<String, Failure> {
    let foreign = || Failure::bad("this form is not whole; open it again");
    let me = me(who);
    let token = token.ok_or_else(foreign)?;
    let values = question(room, who, &me).read(&room.records().cursors, &room.records().vault, token, 1);
    match values.map_err(|_| foreign())?.pop() {
        Some(Value::Text(id)) => Ok(id),
        _ => Err(foreign()),
    }
}

// ── New ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

pub(super) async fn fresh(room: Arc<Room>, call: Asking<Asked>) -> Result<Html, Failure> {
    member(call.tx.permit().principal())?;
    new_page(&room, &call.tx, &call.input, None).await
}

pub(super) async fn create_again(room: Arc<Room>, again: Redraw<Asked>) -> Result<Html, Failure> {
    let Redraw { call, mishap } = again;
    let who = call.tx.permit().principal();
    member(who)?;
    // The record is there: the form was sent twice, and the first one made it.
    if mishap.problem.status == 409
        && let Ok(id) = drawn(&room, who, mishap.kept.get(ONCE))
        && let Some(reading) = room.beside(&call.tx, room.shelf().def.id, "read").await?
        && room.one(&reading, &id).await.is_ok()
    {
        let small = words::small(&room.shelf().def.label);
        let (title, place) = (format!("This {small} is saved already"), super::place(room.shelf()));
        let open = Button::link(format!("Open the {small}"), format!("{}/{id}", room.home(who))).primary();
        let more = Button::link("Add another", format!("{}/new", room.home(who)));
        let body = html! { p { "The form was sent twice; it made one record." } div.actions { (open) (more) } };
        return Ok(room.frame.page(who, Screen::new(title, place).body(body)));
    }
    new_page(&room, &call.tx, &call.input, Some(&mishap)).await
}

/// Fields that a new record must have as a file.
fn needed_file(room: &Room, write: FieldSet) -> Option<(usize, &Def)> {
    room.shelf().fields().find(|(at, f)| write.has(*at) && f.required && matches!(f.kind, Kind::File { .. }))
}

async fn new_page(room: &Room, tx: &Tx<kernel::Read>, asked: &Asked, mishap: Option<&Mishap>) -> Result<Html, Failure> {
    let (who, shelf) = (tx.permit().principal(), room.shelf());
    let write = tx.permit().reach().write;
    let (small, home) = (words::small(&shelf.def.label), room.home(who));
    let place = super::place(shelf);
    let screen = Screen::new(format!("New {small}"), format!("{place}/new"))
        .crumb(words::plural(&shelf.def.label), place)
        .said(asked.get("said"), &[("created", "Created.")])
        .protects(&["edge.input_validation", "access.field_grants"]);
    let file = needed_file(room, write).map(|(_, f)| f);
    let uploaded = file.and_then(|f| mishap.and_then(|m| m.kept.get(f.id)).or_else(|| asked.get(f.id)));
    if let (Some(file), None) = (file, uploaded) {
        let body = html! {
            p { "First the file; then everything that belongs to it." }
            (upload::form(file, &format!("{home}/files/{}", file.id), None))
        };
        return Ok(room.frame.page(who, screen.body(body)));
    }
    let mut all = slots(room, tx, settable(room, write, true).collect(), None).await?;
    for slot in &mut all {
        // A link may bring values along: the parent of a part.
        if let Some(value) = asked.get(slot.def.id).filter(|_| !slot.hidden) {
            slot.values = vec![value.to_owned()];
        }
    }
    let token = match mishap.and_then(|m| m.kept.get(ONCE)) {
        Some(token) if drawn(room, who, Some(token)).is_ok() => token.to_owned(),
        _ => draw(room, tx.permit())?,
    };
    let inside = html! {
        (lost(room, &all, mishap))
        input type="hidden" name=(ONCE) value=(token);
        @if let (Some(file), Some(id)) = (file, uploaded) {
            input type="hidden" name=(file.id) value=(id);
            p.muted { (file.label) ": uploaded." }
        }
        (controls(room, &all, true, mishap))
        (later(room, write))
        div.actions {
            (Button::submit(if shelf.def.drafts { "Save the draft".to_owned() } else { format!("Save the {small}") }).primary())
            (Button::link("Cancel", home.clone()))
        }
    };
    let mut screen = screen.body(route::page::form(&format!("{home}/new"), inside));
    if let Some(mishap) = mishap {
        screen = screen.notice(mishap.notice());
    }
    Ok(room.frame.page(who, screen))
}

/// Files come when the record is there.
fn later(room: &Room, write: FieldSet) -> Markup {
    let files =
        room.shelf().fields().filter(|(at, f)| write.has(*at) && !f.required && matches!(f.kind, Kind::File { .. }));
    let names: Vec<String> = files.map(|(_, f)| f.label.clone()).collect();
    html! { @if !names.is_empty() { p.muted { (words::both(&names)) " can be added once it is saved." } } }
}

/// What is wrong with something that this form has no control for.
fn lost(room: &Room, slots: &[Slot<'_>], mishap: Option<&Mishap>) -> Markup {
    let known = |name: &str| slots.iter().any(|s| s.def.id == name);
    let others: Vec<_> = mishap.iter().flat_map(|m| &m.problem.errors).filter(|e| !known(&e.field)).collect();
    let label =
        |name: &str| room.shelf().def.position(name).and_then(|at| room.shelf().field(at)).map(|f| f.label.clone());
    html! {
        @if !others.is_empty() {
            ul.errors { @for e in others { li { (label(&e.field).unwrap_or_else(|| e.field.clone())) ": " (e.detail) } } }
        }
    }
}

pub(super) async fn create(room: Arc<Room>, call: Changing<Asked>) -> Result<Done<Reply>, Failure> {
    let (tx, input) = (call.tx, call.input);
    let who = tx.permit().principal().clone();
    member(&who)?;
    let id = drawn(&room, &who, input.sent(ONCE))?;
    let write = tx.permit().reach().write;
    let all = slots(&room, &tx, settable(&room, write, true).collect(), None).await?;
    let mut given = entry::given(&room, &tx, &all, &input.form, false).await?;
    if let Some((_, file)) = needed_file(&room, write)
        && let Some(uploaded) = input.sent(file.id)
    {
        given.insert(file.id.to_owned(), uploaded.into());
    }
    let receipt = change::create(room.records(), room.shelf(), tx, &given, Some(id.clone())).await?;
    let home = room.home(&who);
    let next =
        if room.may(&who, "read") { format!("{home}/{id}?said=created") } else { format!("{home}/new?said=created") };
    Ok(Done::created(receipt, see_other(next)))
}

// ── Change ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

pub(super) async fn edit(room: Arc<Room>, call: Asking<Asked>) -> Result<Html, Failure> {
    member(call.tx.permit().principal())?;
    edit_page(&room, &call.tx, &call.input.id()?, None).await
}

pub(super) async fn change_again(room: Arc<Room>, again: Redraw<Asked>) -> Result<Html, Failure> {
    let Redraw { call, mishap } = again;
    member(call.tx.permit().principal())?;
    edit_page(&room, &call.tx, &call.input.id()?, Some(&mishap)).await
}

/// The record as the person may read it, if they may also write it.
async fn writable<M: Mode>(room: &Room, tx: &Tx<M>, id: &str) -> Result<(Shown, i64), Failure> {
    crate::write::before(room.shelf(), tx, id).await?;
    let reading = room.reader(tx).await?;
    room.one(&reading, id).await
}

async fn edit_page(room: &Room, tx: &Tx<kernel::Read>, id: &str, mishap: Option<&Mishap>) -> Result<Html, Failure> {
    let (who, shelf) = (tx.permit().principal(), room.shelf());
    let (record, version) = writable(room, tx, id).await?;
    let write = tx.permit().reach().write;
    let all = slots(room, tx, settable(room, write, false).collect(), Some(&record)).await?;
    let stale = mishap.filter(|m| m.problem.status == 412);
    let (small, place) = (words::small(&shelf.def.label), super::place(shelf));
    let readable = answer::readable(shelf, room.reader(tx).await?.permit().reach());
    let name = label::name(shelf, label::naming(shelf, readable), &record);
    let home = format!("{}/{id}", room.home(who));
    let fixed = fixed(room, tx, &record, &all).await?;
    let public = record.get("published").and_then(serde_json::Value::as_bool) == Some(true);
    let inside = html! {
        (lost(room, &all, mishap))
        @if let Some(mishap) = stale { (both(&all, mishap)) }
        input type="hidden" name=(VERSION) value=(version);
        (controls(room, &all, false, mishap))
        div.actions {
            (Button::submit(if stale.is_some() { "Save mine over it" } else if public { "Save as a draft" } else { "Save" }).primary())
            (Button::link(if stale.is_some() { "Keep what is stored" } else { "Cancel" }, home.clone()))
        }
    };
    let mut screen = Screen::new(format!("Edit {small}"), format!("{place}/{id}/edit"))
        .crumb(words::plural(&shelf.def.label), place.clone())
        .crumb(name, format!("{place}/{id}"))
        .protects(&["edge.input_validation", "access.field_grants"])
        .body(html! { (route::page::form(&format!("{home}/edit"), inside)) (fixed) });
    if public {
        screen = screen.lead(html! { "It is public. What you save waits as a draft until somebody publishes it." });
    }
    if let Some(mishap) = mishap {
        let changed = "Somebody changed this meanwhile. Below is your version; nothing was saved yet.";
        screen = screen.notice(if stale.is_some() { Notice::warn(changed) } else { mishap.notice() });
    }
    Ok(room.frame.page(who, screen))
}

/// Where two changes differ: what was typed, and what is stored now.
fn both(slots: &[Slot<'_>], mishap: &Mishap) -> Markup {
    let differ = |slot: &&Slot<'_>| {
        let sent = mishap.kept.get(slot.def.id);
        !slot.hidden && sent.is_some_and(|sent| slot.values.join("\n") != sent.replace("\r\n", "\n"))
    };
    let shown = |text: String| if text.trim().is_empty() { "–".to_owned() } else { super::look::cut(&text, 400) };
    html! {
        table.table {
            caption { "Where they differ" }
            thead { tr { th scope="col" { "Field" } th scope="col" { "Yours" } th scope="col" { "Stored now" } } }
            tbody {
                @for slot in slots.iter().filter(differ).filter(|s| !s.def.many && s.def.kind != Kind::Boolean) {
                    tr {
                        td.main data-label="Field" { (slot.def.label) }
                        td data-label="Yours" { (shown(mishap.kept.get(slot.def.id).unwrap_or("").to_owned())) }
                        td data-label="Stored now" { (shown(slot.values.join(", "))) }
                    }
                }
            }
        }
    }
}

/// What is shown and not to be changed here, and why.
async fn fixed<M: Mode>(room: &Room, tx: &Tx<M>, record: &Shown, slots: &[Slot<'_>]) -> Result<Markup, Failure> {
    let open = |f: &Def| slots.iter().any(|s| s.def.id == f.id) || matches!(f.kind, Kind::File { .. });
    let rest: Vec<&Def> =
        room.shelf().fields().map(|(_, f)| f).filter(|f| record.contains_key(f.id) && !open(f)).collect();
    if rest.is_empty() {
        return Ok(html! {});
    }
    let names = Names::load(room, tx, &rest, std::slice::from_ref(record)).await?;
    let base = room.frame.base(tx.permit().principal());
    let look = Look { room, names: &names, base: &base, place: Place::Page };
    let parent = room.shelf().def.part_of.map(|(_, at)| at);
    let why = |f: &Def| match f {
        f if f.derived.is_some() => "computed",
        f if f.read_only => "set by the server",
        f if parent == room.shelf().def.position(f.id) => "stays where it was made",
        _ => "not for your role",
    };
    Ok(html! {
        section.fixed {
            h2 { "Not changed here" }
            dl.facts { @for f in &rest { div { dt { (f.label) span.why { ", " (why(f)) } } dd { (look.field(f, record)) } } } }
        }
    })
}

pub(super) async fn change(room: Arc<Room>, call: Changing<Asked>) -> Result<Done<Reply>, Failure> {
    let (tx, input) = (call.tx, call.input);
    let who = tx.permit().principal().clone();
    member(&who)?;
    let (id, expected) = (input.id()?, input.version()?);
    let (record, version) = writable(&room, &tx, &id).await?;
    if version != expected {
        return Err(Failure::Stale);
    }
    let write = tx.permit().reach().write;
    let all = slots(&room, &tx, settable(&room, write, false).collect(), Some(&record)).await?;
    let given = entry::given(&room, &tx, &all, &input.form, true).await?;
    if given.is_empty() {
        return Err(Failure::Conflict("nothing was changed here".into()));
    }
    let receipt = change::update(room.records(), room.shelf(), tx, &id, &given, Some(expected)).await?;
    let public = record.get("published").and_then(serde_json::Value::as_bool) == Some(true);
    let said = if public { "draft" } else { "saved" };
    Ok(Done::ok(receipt, see_other(format!("{}/{id}?said={said}", room.home(&who)))))
}
