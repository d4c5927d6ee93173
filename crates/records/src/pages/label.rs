//! What a record is called: by one of its own fields, as far as the person may read it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kernel::{Failure, FieldSet, Mode};
use manifest::{Derived, Field, Kind, Target};
use serde_json::Value as Json;
use store::Tx;

use super::{Room, Shown, listed, look, text};
use crate::{answer, list::Asked, shelf::Shelf};

/// Fields that name a record, by id, the best first.
const NAMES: [&str; 9] = ["name", "title", "label", "subject", "number", "code", "reference", "slug", "filename"];
/// References looked up in one question; the filter takes so many.
const ASKED: usize = 60;
/// Members whose names are read.
const MEMBERS: u32 = 500;
/// Characters of a name.
pub(crate) const CUT: usize = 60;

/// The field that names a record, among those that may be read.
pub(crate) fn naming(shelf: &Shelf, readable: FieldSet) -> Option<usize> {
    let plain = |(at, f): &(usize, &Field)| {
        let kind = matches!(f.kind, Kind::Text | Kind::Email) || f.derived == Some(Derived::Sequence);
        readable.has(*at) && !f.many && !shelf.sealed.has(*at) && kind
    };
    let by_name = NAMES.iter().find_map(|name| shelf.fields().filter(plain).find(|(_, f)| f.id == *name));
    let sequence = || shelf.fields().filter(plain).find(|(_, f)| f.derived == Some(Derived::Sequence));
    let needed = || shelf.fields().filter(plain).find(|(_, f)| f.required);
    by_name.or_else(sequence).or_else(needed).map(|(at, _)| at)
}

/// The reference that stands in where no field names a record: an order line is called as its dish is.
pub(crate) fn stand_in(shelf: &Shelf, readable: FieldSet) -> Option<usize> {
    let parent = shelf.def.part_of.map(|(_, at)| at);
    let other = |(at, f): &(usize, &Field)| {
        let refers = matches!(f.kind, Kind::Reference { to: Target::Collection(_), .. });
        readable.has(*at) && refers && f.required && !f.many && Some(*at) != parent
    };
    shelf.fields().find(other).map(|(at, _)| at)
}

/// What a record is called, also by its stand-in.
pub(crate) fn called(shelf: &Shelf, by: Option<usize>, record: &Shown, names: &Names) -> String {
    let field = by.and_then(|at| shelf.field(at));
    if let Some(Field { kind: Kind::Reference { to, .. }, id, .. }) = field
        && let Some(known) = names.get(*to, text(record, id))
    {
        return known.to_owned();
    }
    name(shelf, by.filter(|_| !matches!(field, Some(Field { kind: Kind::Reference { .. }, .. }))), record)
}

/// What a record is called.
pub(crate) fn name(shelf: &Shelf, naming: Option<usize>, record: &Shown) -> String {
    let value = naming.and_then(|at| shelf.field(at)).and_then(|f| record.get(f.id));
    match value {
        Some(Json::String(said)) if !said.trim().is_empty() => look::cut(said, CUT),
        Some(Json::Number(n)) => format!("{} {n}", shelf.def.label),
        _ => format!("{} {}", shelf.def.label, short(text(record, "id"))),
    }
}

/// The end of an id: enough to tell a few apart.
pub(crate) fn short(id: &str) -> &str {
    id.len().checked_sub(6).and_then(|at| id.get(at..)).unwrap_or(id)
}

/// Names of what references point at. What the person may not read has none.
#[derive(Default)]
pub(crate) struct Names {
    records: HashMap<(usize, String), String>,
    members: HashMap<String, String>,
}

impl Names {
    pub(crate) fn get(&self, to: Target, id: &str) -> Option<&str> {
        match to {
            Target::Members => self.members.get(id),
            Target::Collection(at) => self.records.get(&(at, id.to_owned())),
        }
        .map(String::as_str)
    }

    /// Of a member, by the id in an audit leaf's actor.
    pub(crate) fn member(&self, id: &str) -> Option<&str> {
        self.members.get(id).map(String::as_str)
    }

    /// Names of everything that these records refer to in these fields.
    pub(crate) async fn load<M: Mode>(
        room: &Room,
        tx: &Tx<M>,
        fields: &[&Field],
        records: &[Shown],
    ) -> Result<Self, Failure> {
        let mut names = Self::default();
        let mut wanted: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        let mut people = false;
        for field in fields {
            let Kind::Reference { to, .. } = field.kind else { continue };
            let ids = records.iter().filter_map(|r| r.get(field.id)).flat_map(ids);
            match to {
                Target::Members => people |= ids.count() > 0,
                Target::Collection(at) => wanted.entry(at).or_default().extend(ids),
            }
        }
        for (at, ids) in wanted {
            let ids: Vec<String> = ids.into_iter().collect();
            names.records(room, tx, at, &ids).await?;
        }
        if people {
            names.people(room, tx).await?;
        }
        Ok(names)
    }

    async fn records<M: Mode>(&mut self, room: &Room, tx: &Tx<M>, at: usize, ids: &[String]) -> Result<(), Failure> {
        let Some(shelf) = room.records().shelf(at) else { return Ok(()) };
        let Some(reading) = room.beside(tx, shelf.def.id, "read").await? else { return Ok(()) };
        let naming = naming(shelf, answer::readable(shelf, reading.permit().reach()));
        let fields = naming.and_then(|at| shelf.field(at)).map_or("id", |f| f.id);
        for some in ids.chunks(ASKED) {
            let quoted: Vec<String> = some.iter().map(|id| format!("\"{id}\"")).collect();
            let filter = format!("id in ({})", quoted.join(", "));
            let asked = Asked { filter: Some(&filter), fields: Some(fields), limit: Some(200), ..Asked::default() };
            for record in listed(room.records(), shelf, &reading, &asked).await?.items {
                self.records.insert((at, text(&record, "id").to_owned()), name(shelf, naming, &record));
            }
        }
        Ok(())
    }

    /// Names of members, for those who may see the list; of oneself for everybody.
    pub(crate) async fn people<M: Mode>(&mut self, room: &Room, tx: &Tx<M>) -> Result<(), Failure> {
        if let Some(reading) = room.beside(tx, "members", "read").await? {
            for member in tenancy::roster::list(&reading, None, MEMBERS).await? {
                let id = member.user.to_string();
                let name = member.name.or(member.email).unwrap_or_else(|| format!("Member {}", short(&id)));
                self.members.insert(id, name);
            }
        }
        if let Some(me) = tx.permit().principal().user() {
            self.members.entry(me.to_string()).or_insert_with(|| "You".to_owned());
        }
        Ok(())
    }

    /// Members as options of a form, by name.
    pub(crate) fn options(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = self.members.iter().map(|(id, name)| (id.clone(), name.clone())).collect();
        all.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        all
    }
}

/// Ids in a reference's value. What is no id (it cannot be) is left out: these go into a filter's text.
fn ids(value: &Json) -> Vec<String> {
    let one = |v: &Json| v.as_str().filter(|t| t.parse::<kernel::Id>().is_ok()).map(str::to_owned);
    match value {
        Json::Array(all) => all.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}
