//! A record's page: its fields, what can be done with it, what refers to it, what the log says.

use std::sync::Arc;

use kernel::{Failure, Principal};
use manifest::{Field, Kind};
use maud::{Markup, html};
use route::{
    Asking, Html,
    page::{Notice, Screen},
};

use super::{
    Room, Shown,
    ask::Asked,
    children::{self, Children},
    deeds::{self, Deed},
    label::{self, Names},
    link, look,
    look::{Look, Place},
    member, text, trail, upload, words,
};
use crate::answer;

/// Words after something was done.
const SAID: [(&str, &str); 5] = [
    ("created", "Created."),
    ("saved", "Saved."),
    ("draft", "Saved as a draft; publish it to make it public."),
    ("done", "Done."),
    ("file", "File saved."),
];

pub(super) async fn show(room: Arc<Room>, call: Asking<Asked>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    member(who)?;
    let said = call.input.get("said").map(str::to_owned);
    page(&room, &call.tx, &call.input.id()?, said.as_deref(), None).await
}

/// The page, perhaps with what went wrong.
pub(crate) async fn page(
    room: &Room,
    tx: &store::Tx<kernel::Read>,
    id: &str,
    said: Option<&str>,
    notice: Option<Notice>,
) -> Result<Html, Failure> {
    let who = tx.permit().principal();
    let (shelf, reading) = (room.shelf(), room.reader(tx).await?);
    let readable = answer::readable(shelf, reading.permit().reach());
    let (record, version) = room.one(&reading, id).await?;
    let fields: Vec<&Field> =
        shelf.fields().filter(|(at, f)| readable.has(*at) && f.kind != Kind::Secret).map(|(_, f)| f).collect();
    let names = Names::load(room, &reading, &fields, std::slice::from_ref(&record)).await?;
    let deeds = deeds::list(room, &reading, id, readable).await?;
    let related = children::read(room, &reading, id).await?;
    let trail = trail::read(room, &reading, &record).await?;
    let base = room.frame.base(who);
    let paper = Paper { room, who, record: &record, version, names: &names, fields: &fields, base: &base };
    let mut screen = paper.screen(&deeds, &related, trail.as_deref()).said(said, &SAID);
    if let Some(notice) = notice {
        screen = screen.notice(notice);
    }
    Ok(room.frame.page(who, screen))
}

struct Paper<'p> {
    room: &'p Room,
    who: &'p Principal,
    record: &'p Shown,
    version: i64,
    names: &'p Names,
    fields: &'p [&'p Field],
    base: &'p str,
}

/// What fills a row of its own.
fn long(field: &Field) -> bool {
    matches!(field.kind, Kind::RichText | Kind::Json) || field.kind == Kind::Text && field.max.is_some_and(|m| m > 500)
}

impl Paper<'_> {
    fn screen(&self, deeds: &[Deed], related: &[Children<'_>], trail: Option<&[trail::Entry]>) -> Screen {
        let (room, shelf) = (self.room, self.room.shelf());
        let id = text(self.record, "id");
        let readable = self.fields.iter().filter_map(|f| shelf.def.position(f.id));
        let readable = readable.fold(kernel::FieldSet::NONE, |set, at| set.with(at));
        let naming = label::naming(shelf, readable).or_else(|| label::stand_in(shelf, readable));
        let place = super::place(shelf);
        let home = format!("{}/{id}", room.home(self.who));
        let title = label::called(shelf, naming, self.record, self.names);
        Screen::new(title, format!("{place}/{id}"))
            .wide()
            .crumb(words::plural(&shelf.def.label), place)
            .lead(self.lead())
            .actions(html! {
                (deeds::buttons(deeds, &home, self.version))
                (link::buttons(room, self.who, &home))
            })
            .protects(&["access.role_floor", "access.row_visibility", "tenant.cross_read", "audit.coverage"])
            .body(html! {
                div.record {
                    div.sheet {
                        (self.fields(naming))
                        (self.uploads(deeds, &home))
                        @for children in related.iter().filter(|c| !c.bare()) { (children.section(room, self.base, id)) }
                        @if related.iter().any(|c| c.bare() && c.grows()) {
                            div.firsts { @for c in related.iter().filter(|c| c.bare() && c.grows()) { (c.first(self.base, id)) } }
                        }
                    }
                    aside.aside {
                        (self.dates())
                        (deeds::reasons(deeds))
                        @if let Some(trail) = trail {
                            section { h2 { "History" } (trail::list(trail, self.history(id).as_deref())) }
                        }
                        (deeds::ends(deeds, &home))
                    }
                }
            })
    }

    /// What state it is in.
    fn lead(&self) -> Markup {
        let state = self.fields.iter().find(|f| look::is_state(f));
        let look = self.look();
        html! {
            span.states {
                @if let Some(tag) = look::publication(self.room.shelf(), self.record) { (tag) " " }
                @if let Some(field) = state { (look.field(field, self.record)) }
            }
        }
    }

    const fn look(&self) -> Look<'_> {
        Look { room: self.room, names: self.names, base: self.base, place: Place::Page }
    }

    /// Everything that the title and the state beside it do not say already.
    fn fields(&self, naming: Option<usize>) -> Markup {
        let look = self.look();
        let name = naming.and_then(|at| self.room.shelf().field(at));
        let said = |f: &&&Field| {
            let title = name.is_some_and(|n| n.id == f.id) && !matches!(f.kind, Kind::Reference { .. });
            let short = text(self.record, f.id).chars().count() <= label::CUT;
            let state = self.fields.iter().find(|f| look::is_state(f)).is_some_and(|s| s.id == f.id);
            title && short || state
        };
        let none =
            |f: &&&Field| self.record.get(f.id).is_none_or(|v| v.is_null() || v.as_array().is_some_and(Vec::is_empty));
        let empty: Vec<String> =
            self.fields.iter().filter(|f| !said(f)).filter(none).map(|f| f.label.clone()).collect();
        html! {
            dl.fields {
                @for field in self.fields.iter().filter(|f| !said(f) && !none(f)) {
                    div.long[long(field)] {
                        dt { (field.label) @if field.encrypted { " " span.muted title="Sealed before it is stored" { "encrypted" } } }
                        dd { (look.field(field, self.record)) }
                    }
                }
            }
            @if !empty.is_empty() { p.unfilled { "Not filled in: " (empty.join(", ")) "." } }
        }
    }

    /// A form for each file that may be set here.
    fn uploads(&self, deeds: &[Deed], home: &str) -> Markup {
        let writes = self.room.access.weigh(self.who, kernel::may(self.room.shelf().def.id, "write"));
        let open = deeds.iter().any(|d| d.id == "edit" && d.barred.is_none());
        let Ok(grant) = writes else { return html! {} };
        let takes = |f: &&&Field| {
            let at = self.room.shelf().def.position(f.id);
            matches!(f.kind, Kind::File { .. }) && !f.read_only && at.is_some_and(|at| grant.write.has(at))
        };
        html! {
            @if open {
                @for field in self.fields.iter().filter(takes) {
                    @let there = self.record.get(field.id).is_some_and(|v| !v.is_null());
                    details.upload {
                        summary { @if there { "Replace " } @else { "Add " } (words::small(&field.label)) }
                        (upload::form(field, &format!("{home}/files/{}?version={}", field.id, self.version), None))
                    }
                }
            }
        }
    }

    fn dates(&self) -> Markup {
        let (created, updated) = (text(self.record, "created_at"), text(self.record, "updated_at"));
        let published = text(self.record, "published_at");
        html! {
            dl.facts {
                div { dt { "Created" } dd { (look::moment(created)) } }
                @if updated != created { div { dt { "Changed" } dd { (look::moment(updated)) } } }
                @if !published.is_empty() { div { dt { "Published" } dd { (look::moment(published)) } } }
                div { dt { "Version" } dd { (self.version) } }
            }
        }
    }

    fn history(&self, id: &str) -> Option<String> {
        let reads = self.room.frame.may(self.who, kernel::may("audit", "read"));
        reads.then(|| format!("{}/console/history?target={}%2F{id}", self.base, self.room.shelf().def.id))
    }
}
