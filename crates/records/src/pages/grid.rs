//! A collection as a grid: columns by right, filters, order, pages.

use std::sync::Arc;

use http::StatusCode;
use kernel::{Failure, FieldSet, Principal, Read};
use manifest::{Field, Kind};
use maud::{Markup, html};
use route::{
    Asking, Output, Reply,
    page::{Button, Empty, Notice, Screen, Tag, table_region, tabs},
    problem,
};
use store::Tx;

use super::{
    Listing, Room, Shown,
    ask::Asked,
    label::{self, Names},
    listed, look,
    look::{Look, Place},
    member,
    sieve::{MOST, OPERATORS, Sieve, numbered, searched, state, viewable},
    text, words,
};
use crate::{answer, list};

/// Rows of one page.
const ROWS: i64 = 25;
/// Columns of a grid that was not asked for all.
const COLUMNS: usize = 5;

/// What a grid shows.
struct Grid<'g> {
    room: &'g Room,
    who: &'g Principal,
    readable: FieldSet,
    sieve: Sieve,
    naming: Option<usize>,
    columns: Vec<&'g Field>,
    more: bool,
    names: Names,
    found: Result<Listing, Notice>,
}

pub(super) async fn show(room: Arc<Room>, call: Asking<Asked>) -> Result<Reply, Failure> {
    member(call.tx.permit().principal())?;
    let said = call.input.get("said").map(str::to_owned);
    let grid = Grid::read(&room, &call.tx, &call.input).await?;
    let status = if grid.found.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = if call.input.fragment && grid.found.is_ok() {
        room.frame.fragment(grid.table())
    } else {
        room.frame.page(call.tx.permit().principal(), grid.screen(said.as_deref()))
    };
    page.reply(status)
}

/// How much a column tells at a glance; the lowest come first.
fn rank(f: &Field) -> u8 {
    use Kind::{Boolean, Date, DateTime, Enum, Money, Reference, Text};
    match &f.kind {
        _ if look::is_state(f) => 0,
        Text if f.read_only || f.id == "slug" => 7,
        Reference { .. } if !f.many => 1,
        Money | Date => 2,
        Enum(_) | Kind::Integer | Kind::Decimal if !f.many => 3,
        DateTime if !f.read_only => 3,
        Text if f.max.is_none_or(|m| m <= 120 || m == 500) && !f.many => 4,
        Kind::Email | Boolean => 4,
        Text if f.max.is_some_and(|m| m > 500) => 9,
        Kind::RichText | Kind::Json => 9,
        _ => 6,
    }
}

/// Fields that a grid can show, the naming one first: those that tell most, in the manifest's order, or all.
fn columns(shelf: &crate::shelf::Shelf, readable: FieldSet, naming: Option<usize>, all: bool) -> (Vec<&Field>, bool) {
    let shown = |at: usize, f: &Field| readable.has(at) && f.kind != Kind::Secret && Some(at) != naming;
    let rest: Vec<(usize, &Field)> = shelf.fields().filter(|(at, f)| shown(*at, f)).collect();
    let mut chosen: Vec<(usize, &Field)> = rest.iter().copied().filter(|(_, f)| all || rank(f) < 9).collect();
    if !all {
        chosen.sort_by_key(|(at, f)| (rank(f), *at));
        chosen.truncate(COLUMNS);
        chosen.sort_by_key(|(at, _)| *at);
    }
    let more = chosen.len() < rest.len();
    let first = naming.and_then(|at| shelf.field(at));
    (first.into_iter().chain(chosen.into_iter().map(|(_, f)| f)).collect(), more)
}

/// Whether the grammar takes it as an order.
fn sortable(room: &Room, field: &Field) -> bool {
    let opaque =
        matches!(field.kind, Kind::Json | Kind::RichText | Kind::File { .. } | Kind::Secret | Kind::Reference { .. });
    let at = room.shelf().def.position(field.id);
    !opaque && !field.many && at.is_some_and(|at| !room.shelf().sealed.has(at))
}

impl<'g> Grid<'g> {
    async fn read(room: &'g Room, tx: &'g Tx<Read>, asked: &Asked) -> Result<Self, Failure> {
        let (shelf, permit) = (room.shelf(), tx.permit());
        let readable = answer::readable(shelf, permit.reach());
        let sieve = Sieve::read(asked);
        let naming = label::naming(shelf, readable).or_else(|| label::stand_in(shelf, readable));
        let (columns, more) = columns(shelf, readable, naming, sieve.wide);
        let filter = sieve.filter(room.app(), shelf, readable);
        let fields: Vec<&str> = columns.iter().map(|f| f.id).collect();
        let fields = if fields.is_empty() { "id".to_owned() } else { fields.join(",") };
        let asked = list::Asked {
            filter: filter.as_deref(),
            sort: sieve.sort.as_deref(),
            fields: Some(&fields),
            limit: Some(ROWS),
            cursor: sieve.cursor.as_deref(),
            count: sieve.cursor.is_none(),
        };
        let found = match listed(room.records(), shelf, tx, &asked).await {
            Ok(found) => Ok(found),
            Err(failure @ (Failure::BadInput(_) | Failure::Invalid(_))) => Err(amiss(room, readable, failure)),
            Err(other) => return Err(other),
        };
        let rows = found.as_ref().map_or(&[][..], |l| l.items.as_slice());
        let names = Names::load(room, tx, &columns, rows).await?;
        let sieve = sieve.known(shelf, readable);
        Ok(Self { room, who: permit.principal(), readable, sieve, naming, columns, more, names, found })
    }

    fn path(&self) -> String {
        self.room.home(self.who)
    }

    fn screen(&self, said: Option<&str>) -> Screen {
        let (room, def) = (self.room, &self.room.shelf().def);
        let plural = words::plural(&def.label);
        let bare = self.found.as_ref().is_ok_and(|l| l.items.is_empty()) && !self.sieve.filters();
        let mut screen = Screen::new(plural.clone(), super::place(room.shelf()))
            .wide()
            .protects(&["access.role_floor", "access.row_visibility", "access.field_grants", "tenant.cross_read"])
            .said(said, &[("deleted", "Deleted."), ("imported", "Imported.")]);
        if let Some((parent, _)) = def.part_of.and_then(|(at, _)| Some((room.records().shelf(at)?, ()))) {
            screen = screen.crumb(words::plural(&parent.def.label), super::place(parent));
        }
        if bare {
            return screen.body(html! { div #grid { (self.empty()) } });
        }
        screen.actions(self.buttons()).body(html! { (self.views()) (self.form()) (self.table()) })
    }

    fn buttons(&self) -> Markup {
        let (room, who, home) = (self.room, self.who, self.path());
        let takes = room.desk.records.app.data.export.contains(&room.shelf().at)
            && room.frame.may(who, kernel::may("exports", "manage"));
        html! {
            @if takes || super::transfer::may_import(room, who) {
                a class="button quiet" href={ (home) "/transfer" } { @if takes { "Export" } @if takes && super::transfer::may_import(room, who) { " or import" } @else if !takes { "Import" } }
            }
            @if room.may(who, "create") { (Button::link(format!("New {}", words::small(&room.shelf().def.label)), format!("{home}/new")).primary()) }
        }
    }

    /// The manifest's row sets as views.
    fn views(&self) -> Markup {
        let shelf = self.room.shelf();
        let known: Vec<_> = shelf.def.rows.iter().filter(|(_, any)| viewable(shelf, self.readable, any)).collect();
        if known.is_empty() {
            return html! {};
        }
        let href =
            |view: Option<&str>| Sieve { view: view.map(str::to_owned), ..self.sieve.first() }.href(&self.path());
        let present = self.sieve.view.as_deref();
        let labels: Vec<String> = known.iter().map(|(name, _)| words::human(name)).collect();
        let all = std::iter::once(("All", href(None), present.is_none()));
        let rest = known.iter().zip(&labels).map(|((n, _), l)| (l.as_str(), href(Some(n)), present == Some(**n)));
        tabs("Views", &all.chain(rest).collect::<Vec<_>>())
    }

    fn form(&self) -> Markup {
        let (sieve, path) = (&self.sieve, self.path());
        let shelf = self.room.shelf();
        let kept = [("view", &sieve.view), ("sort", &sieve.sort), ("columns", &sieve.wide.then(|| "all".to_owned()))];
        let searchable = !searched(shelf, self.readable).is_empty() || numbered(shelf, self.readable).is_some();
        html! {
            form.sieve method="get" action=(path) role="search" data-hx-get=(path) data-hx-target="#grid"
                data-hx-swap="outerHTML" data-hx-push-url="true" {
                @for (name, value) in kept { @if let Some(value) = value { input type="hidden" name=(name) value=(value); } }
                div.toolbar {
                    @if searchable {
                        label.search {
                            span.visually-hidden { "Search" }
                            input type="search" name="q" value=[sieve.search.as_deref()] placeholder="Search" maxlength="200";
                        }
                    }
                    @if let Some(field) = state(shelf, self.readable) { (self.states(field)) }
                    button class="button quiet" { "Apply" }
                    @if sieve.filters() { a class="button link" href=(Sieve { sort: sieve.sort.clone(), wide: sieve.wide, ..Sieve::default() }.href(&path)) { "Clear" } }
                }
                details.conditions open[!sieve.conditions.is_empty()] {
                    summary { @if sieve.conditions.is_empty() { "More filters" } @else { "Filters (" (sieve.conditions.len()) ")" } }
                    @for at in 0..(sieve.conditions.len() + 1).min(MOST) { (self.condition(at)) }
                    p.hint { "All of them hold at once. Dates are written 2026-05-04, yes and no as words, a member as “me”." }
                }
            }
        }
    }

    fn states(&self, field: &Field) -> Markup {
        let Kind::Enum(of) = &field.kind else { return html! {} };
        html! {
            label.pick {
                span.visually-hidden { (field.label) }
                select name="state" data-send="change" {
                    option value="" { "Any " (words::small(&field.label)) }
                    @for value in of { option value=(value) selected[self.sieve.state.as_ref() == Some(value)] { (words::human(value)) } }
                }
            }
        }
    }

    /// One condition; the last is empty, for one more.
    fn condition(&self, at: usize) -> Markup {
        let held = self.sieve.conditions.get(at);
        let (n, is) = (at + 1, |name: &str| held.is_some_and(|c| c.field == name));
        let shelf = self.room.shelf();
        let asks = |(at, f): &(usize, &Field)| {
            self.readable.has(*at) && !shelf.sealed.has(*at) && !matches!(f.kind, Kind::Json | Kind::File { .. })
        };
        let system = [("created_at", "Created"), ("updated_at", "Changed")];
        let published = shelf.def.drafts.then_some([("published", "Published"), ("published_at", "Published at")]);
        html! {
            div.condition role="group" aria-label={ "Filter " (n) } {
                select name={ "f" (n) } aria-label="Field" {
                    option value="" { "Field" }
                    @for (_, field) in shelf.fields().filter(asks) { option value=(field.id) selected[is(field.id)] { (field.label) } }
                    @for (id, label) in system.into_iter().chain(published.into_iter().flatten()) { option value=(id) selected[is(id)] { (label) } }
                }
                select name={ "o" (n) } aria-label="How" {
                    @for (id, label, _) in OPERATORS { option value=(id) selected[held.is_some_and(|c| c.operator == id)] { (label) } }
                }
                input name={ "v" (n) } aria-label="Value" maxlength="400" value=[held.map(|c| c.value.as_str())] placeholder="Value";
                @if held.is_some() { a class="button link small" href=(self.sieve.without(at).href(&self.path())) { "Remove" } }
            }
        }
    }

    fn table(&self) -> Markup {
        let label = words::plural(&self.room.shelf().def.label);
        let listing = match &self.found {
            Ok(listing) => listing,
            Err(notice) => return html! { div #grid { (notice) } },
        };
        if listing.items.is_empty() {
            let clear = Button::link("Show all", self.path());
            return html! { div #grid { (Empty::new("Nothing matches", "No record here fits these filters, or none that your role may see.").action(html! { (clear) })) } };
        }
        let drafts = self.room.shelf().def.drafts;
        let table = html! {
            table.table {
                caption.visually-hidden { (label) }
                thead {
                    tr {
                        @for field in &self.columns { (self.head(field)) }
                        @if self.columns.is_empty() { th scope="col" { "Record" } }
                        @if drafts { th scope="col" { "State" } }
                        (self.order("updated_at", "Changed", false))
                    }
                }
                tbody { @for row in &listing.items { (self.row(row, drafts)) } }
            }
        };
        html! { div #grid { (table_region(&label, table)) (self.foot(listing)) } }
    }

    fn head(&self, field: &Field) -> Markup {
        if sortable(self.room, field) {
            let first = self.naming == self.room.shelf().def.position(field.id);
            return self.order(field.id, &field.label, numeric(field) && !first);
        }
        html! { th scope="col" { (field.label) } }
    }

    /// A header that orders by its column: first up, then down, then not at all.
    fn order(&self, id: &str, label: &str, number: bool) -> Markup {
        let (next, aria) = match self.sieve.sort.as_deref() {
            Some(sort) if sort == id => (Some(format!("-{id}")), Some("ascending")),
            Some(sort) if sort.strip_prefix('-') == Some(id) => (None, Some("descending")),
            _ => (Some(id.to_owned()), None),
        };
        let href = Sieve { sort: next, ..self.sieve.first() }.href(&self.path());
        html! { th scope="col" class=[number.then_some("num")] aria-sort=[aria] { a href=(href) { (label) } } }
    }

    fn row(&self, row: &Shown, drafts: bool) -> Markup {
        let shelf = self.room.shelf();
        let base = self.room.frame.base(self.who);
        let look = Look { room: self.room, names: &self.names, base: &base, place: Place::Cell };
        let href = format!("{}/{}", self.path(), text(row, "id"));
        let first = self.naming.and_then(|at| shelf.field(at));
        html! {
            tr {
                @if first.is_none() { td.main { a href=(href) { (label::name(shelf, None, row)) } } }
                @for field in &self.columns {
                    @if first.is_some_and(|f| f.id == field.id) {
                        td.main data-label=(field.label) { a href=(href) { (label::called(shelf, self.naming, row, &self.names)) } }
                    } @else {
                        td class=[class(field, row)] data-label=(field.label) { (look.field(field, row)) }
                    }
                }
                @if drafts { td data-label="State" { @if let Some(tag) = look::publication(self.room.shelf(), row) { (tag) } } }
                td.when data-label="Changed" { (look::moment(text(row, "updated_at"))) }
            }
        }
    }

    fn foot(&self, listing: &Listing) -> Markup {
        let path = self.path();
        let next = listing.next.clone().map(|cursor| Sieve { cursor: Some(cursor), ..self.sieve.clone() }.href(&path));
        let first = self.sieve.cursor.as_ref().map(|_| self.sieve.first().href(&path));
        let counted = listing.count.map(|n| {
            let label = words::small(&self.room.shelf().def.label);
            let label = if n == 1 { label } else { words::plural(&label) };
            format!("{} {label}", look::grouped(&n.to_string()))
        });
        let columns = |wide| Sieve { wide, ..self.sieve.clone() }.href(&path);
        html! {
            nav.pager aria-label="Pages" {
                span.muted {
                    @if let Some(counted) = counted { (counted) }
                    @if self.more { " · " a href=(columns(true)) { "all columns" } }
                    @else if self.sieve.wide { " · " a href=(columns(false)) { "fewer columns" } }
                }
                @if let Some(first) = first { a class="button quiet small" rel="first" href=(first) { "First page" } }
                @if let Some(next) = next { a class="button quiet small" rel="next" href=(next) { "Next" } }
            }
        }
    }

    /// Where the first record is still to come: what belongs here, and how it comes.
    fn empty(&self) -> Markup {
        let (room, def) = (self.room, &self.room.shelf().def);
        let (small, home) = (words::small(&def.label), self.path());
        let plural = words::plural(&small);
        let create = room.may(self.who, "create");
        let words = teach(room, create);
        let action = html! {
            @if create { (Button::link(format!("Add the first {small}"), format!("{home}/new")).primary()) }
            @if super::transfer::may_import(room, self.who) { (Button::link("Import a file", format!("{home}/transfer"))) }
        };
        html! {
            (Empty::new(format!("No {plural} yet"), words).action(action))
            @if def.drafts { p.muted { (Tag::plain("Draft")) " is where each begins; " (Tag::good("Published")) " is what visitors see." } }
        }
    }
}

/// What a collection is for, as far as the manifest says.
fn teach(room: &Room, create: bool) -> String {
    let (app, shelf) = (room.app(), room.shelf());
    let (one, many) = (words::small(&shelf.def.label), words::plural(&words::small(&shelf.def.label)));
    let (mut said, a) = (Vec::new(), words::great(&words::with_article(&one)));
    if let Some(parent) = shelf.def.part_of.and_then(|(at, _)| app.collections.get(at)) {
        said.push(format!(
            "{a} belongs to {} and shares its rights.",
            words::with_article(&words::small(&parent.label))
        ));
    }
    let sent = app.submissions.iter().any(|s| s.creates == shelf.at);
    if sent {
        said.push(format!("Visitors send {many} themselves; they appear here as they arrive."));
    }
    if shelf.def.drafts {
        said.push(format!("{a} starts as a draft and is public once it is published."));
    }
    if shelf.def.append_only {
        said.push("What is written here is never changed or deleted.".to_owned());
    }
    if !shelf.def.actions.is_empty() {
        let verbs: Vec<String> = shelf.def.actions.iter().map(|a| words::small(&a.label)).collect();
        said.push(format!("What can be done with one: {}.", words::both(&verbs)));
    }
    if !create && !sent {
        let who = super::deeds::holders(room, "create");
        if !who.is_empty() {
            said.push(format!("Added by: {}.", words::both(&who)));
        }
    }
    if said.is_empty() {
        said.push("Add one by hand or import a file; every change is kept in the history.".to_owned());
    }
    said.join(" ")
}

/// Whether its values are numbers, set right.
pub(crate) fn numeric(field: &Field) -> bool {
    matches!(field.kind, Kind::Integer | Kind::Decimal | Kind::Money) && !field.many
}

/// Classes of a cell: numbers stand right, empty ones are left out where rows are cards.
pub(crate) fn class(field: &Field, row: &Shown) -> Option<&'static str> {
    let none = row.get(field.id).is_none_or(|v| v.is_null() || v.as_array().is_some_and(Vec::is_empty));
    match (numeric(field), none) {
        (true, true) => Some("num none"),
        (true, false) => Some("num"),
        (false, true) => Some("none"),
        (false, false) => None,
    }
}

/// A question that the grammar does not take, in words; a field's label instead of its name, if it may be read.
fn amiss(room: &Room, readable: FieldSet, failure: Failure) -> Notice {
    let problem = problem(failure);
    let label = |name: &str| {
        let at = room.shelf().def.position(name).filter(|at| readable.has(*at));
        at.and_then(|at| room.shelf().field(at)).map(|f| f.label.clone())
    };
    let lines: Vec<String> = problem
        .errors
        .iter()
        .map(|e| match label(&e.field) {
            Some(label) => format!("{label}: {}", e.detail),
            None => e.detail.to_string(),
        })
        .chain(problem.detail.clone())
        .collect();
    Notice::bad("This filter cannot be applied.").detail(html! { ul { @for line in lines { li { (line) } } } })
}
