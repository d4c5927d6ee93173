//! Records that refer to a record: its parts, and whatever else points at it.

use kernel::{Failure, Mode, Rows};
use manifest::{Field, Kind, OnDelete, Target};
use maud::{Markup, html};
use route::page::{Button, table_region};
use store::Tx;

use super::{
    Listing, Room, Shown,
    grid::{class, numeric},
    label::{self, Names},
    listed, look,
    look::{Look, Place},
    place, sieve, text, words,
};
use crate::{answer, list::Asked, reach, shelf::Shelf, write};

/// Rows shown of each.
const ROWS: i64 = 10;
/// Columns shown of each.
const COLUMNS: usize = 5;
/// Collections shown.
const MOST: usize = 8;

/// Records of one collection that refer to this one by one field.
pub(crate) struct Children<'c> {
    shelf: &'c Shelf,
    by: &'c Field,
    naming: Option<usize>,
    columns: Vec<&'c Field>,
    listing: Listing,
    names: Names,
    /// Whether one more may be made, for this record.
    add: bool,
}

/// Everything that refers to a record, parts first, as far as the person may read it.
pub(crate) async fn read<'c, M: Mode>(room: &'c Room, tx: &Tx<M>, id: &str) -> Result<Vec<Children<'c>>, Failure> {
    let mut found = Vec::new();
    let mine = room.shelf().at;
    let mut shelves: Vec<_> = room.records().shelves.iter().collect();
    shelves.sort_by_key(|s| (s.def.part_of.is_none_or(|(at, _)| at != mine), s.at));
    for shelf in shelves {
        for (at, by) in shelf.fields() {
            let here = matches!(by.kind, Kind::Reference { to: Target::Collection(to), .. } if to == mine);
            if here && found.len() < MOST {
                found.extend(of(room, tx, shelf, (at, by), id).await?);
            }
        }
    }
    Ok(found)
}

async fn of<'c, M: Mode>(
    room: &'c Room,
    tx: &Tx<M>,
    shelf: &'c Shelf,
    (at, by): (usize, &'c Field),
    id: &str,
) -> Result<Option<Children<'c>>, Failure> {
    let Some(reading) = room.beside(tx, shelf.def.id, "read").await? else { return Ok(None) };
    let readable = answer::readable(shelf, reading.permit().reach());
    if !readable.has(at) {
        return Ok(None);
    }
    let naming = label::naming(shelf, readable).or_else(|| label::stand_in(shelf, readable).filter(|s| *s != at));
    let short = |f: &Field| !matches!(f.kind, Kind::RichText | Kind::Json | Kind::Secret);
    let rest = shelf.fields().filter(|(i, f)| readable.has(*i) && *i != at && Some(*i) != naming && short(f));
    let columns: Vec<&Field> =
        naming.and_then(|n| shelf.field(n)).into_iter().chain(rest.map(|(_, f)| f).take(COLUMNS - 1)).collect();
    let fields: Vec<&str> = columns.iter().map(|f| f.id).collect();
    let (fields, filter) = (fields.join(","), format!("{} = {}", by.id, sieve::quoted(id)));
    let fields = if fields.is_empty() { "id" } else { fields.as_str() };
    let order = shelf.def.part_of.is_some().then_some("created_at");
    let asked = Asked {
        filter: Some(&filter),
        fields: Some(fields),
        sort: order,
        limit: Some(ROWS),
        count: true,
        ..Asked::default()
    };
    let listing = listed(room.records(), shelf, &reading, &asked).await?;
    let names = Names::load(room, tx, &columns, &listing.items).await?;
    let add = may_add(room, tx, shelf, at, id).await?;
    Ok(Some(Children { shelf, by, naming, columns, listing, names, add }))
}

/// Whether one more may be made below this record: where a right to parts reaches some parents only, this one is looked at.
async fn may_add<M: Mode>(room: &Room, tx: &Tx<M>, shelf: &Shelf, at: usize, id: &str) -> Result<bool, Failure> {
    let who = tx.permit().principal();
    let Ok(grant) = room.access.weigh(who, kernel::may(shelf.def.id, "create")) else { return Ok(false) };
    if !grant.write.has(at) || grant.rows == Rows::All || shelf.def.part_of.is_none_or(|(_, of)| of != at) {
        return Ok(grant.write.has(at));
    }
    let before = write::before(room.shelf(), tx, id).await?;
    let prefix = shelf.field(at).map(|f| format!("{}.", f.id)).unwrap_or_default();
    Ok(reach::holds(&grant.rows, who.user(), |column| match column.strip_prefix(&prefix)? {
        "id" => Some(id.into()),
        "published" => Some(i64::from(before.published).into()),
        name => room.shelf().def.position(name).and_then(|at| before.values.get(at)).cloned(),
    }))
}

impl Children<'_> {
    /// Whether there are none.
    pub(crate) const fn bare(&self) -> bool {
        self.listing.items.is_empty()
    }
    /// Whether one more may be made.
    pub(crate) const fn grows(&self) -> bool {
        self.add
    }

    /// Where the first one is added.
    pub(crate) fn first(&self, base: &str, id: &str) -> Markup {
        let label = format!("Add {}", words::small(&self.shelf.def.label));
        html! { (Button::link(label, format!("{base}{}/new?{}={id}", place(self.shelf), self.by.id)).small()) }
    }

    /// A small table with a link to all of them.
    pub(crate) fn section(&self, room: &Room, base: &str, id: &str) -> Markup {
        let label = words::plural(&self.shelf.def.label);
        let home = format!("{base}{}", place(self.shelf));
        let count = self.listing.count.unwrap_or(0);
        let all = format!("{home}?f1={}&o1=is&v1={}", self.by.id, sieve::encoded(id));
        html! {
            section.children {
                header.toolbar {
                    h2 { (label) " " span.muted { (count) } }
                    @if self.add { (self.first(base, id)) }
                }
                (self.table(room, base, &home, &label))
                @if count > ROWS { p { a href=(all) { "All " (count) } } }
            }
        }
    }

    fn table(&self, room: &Room, base: &str, home: &str, label: &str) -> Markup {
        let cell = Look { room, names: &self.names, base, place: Place::Cell };
        let first = self.naming.and_then(|at| self.shelf.field(at));
        let named = |f: &Field| first.is_some_and(|first| first.id == f.id);
        let link = |row: &Shown| {
            html! { a href={ (home) "/" (text(row, "id")) } { (label::called(self.shelf, self.naming, row, &self.names)) } }
        };
        let table = html! {
            table.table {
                thead {
                    tr {
                        @if first.is_none() { th scope="col" { (self.shelf.def.label) } }
                        @for field in &self.columns { th scope="col" class=[(numeric(field) && !named(field)).then_some("num")] { (field.label) } }
                        @if self.shelf.def.drafts { th scope="col" { "State" } }
                    }
                }
                tbody {
                    @for row in &self.listing.items {
                        tr {
                            @if first.is_none() { td.main data-label=(self.shelf.def.label) { (link(row)) } }
                            @for field in &self.columns {
                                @if named(field) { td.main data-label=(field.label) { (link(row)) } }
                                @else { td class=[class(field, row)] data-label=(field.label) { (cell.field(field, row)) } }
                            }
                            @if self.shelf.def.drafts { td data-label="State" { @if let Some(tag) = look::publication(self.shelf, row) { (tag) } } }
                        }
                    }
                }
            }
        };
        table_region(label, table)
    }
}

/// What goes when the record goes: "3 order lines".
pub(crate) async fn goes_along<M: Mode>(room: &Room, tx: &Tx<M>, id: &str) -> Result<Vec<String>, Failure> {
    let mine = room.shelf().at;
    let mut found = Vec::new();
    for children in read(room, tx, id).await? {
        let part = children.shelf.def.part_of.is_some_and(|(at, _)| at == mine);
        let cascade = matches!(children.by.kind, Kind::Reference { on_delete: OnDelete::Cascade, .. });
        let count = children.listing.count.unwrap_or(0);
        if (part || cascade) && count > 0 {
            let label = words::small(&children.shelf.def.label);
            found.push(format!("{count} {}", if count == 1 { label } else { words::plural(&label) }));
        }
    }
    Ok(found)
}
