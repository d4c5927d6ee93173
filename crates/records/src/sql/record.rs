//! Statements on a collection's records.

use kernel::FieldSet;
use manifest::{App, Collection, Derived, Equal, Literal};
use store::Value;

use super::{Bound, Read, Write, quoted};
use crate::shelf::column_type;

/// What a row of an answer holds, column by column: `id, created_at, updated_at, version`, with drafts `published,
/// published_at` and perhaps `draft`, then fields, then perhaps `created_by`.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The collection has drafts.
    pub(crate) drafts: bool,
    /// Column of the pending draft.
    pub(crate) draft: Option<usize>,
    /// Fields with their columns.
    pub(crate) fields: Vec<(usize, usize)>,
    /// Column of who made the record.
    pub(crate) created_by: Option<usize>,
    /// Number of columns.
    pub(crate) width: usize,
}

impl Layout {
    /// The layout for a set of fields.
    pub(crate) fn of(c: &Collection, fields: FieldSet, draft: bool, created_by: bool) -> Self {
        let head = if c.drafts { 6 } else { 4 };
        let draft = (c.drafts && draft).then_some(head);
        let mut width = head + usize::from(draft.is_some());
        let mut columns = Vec::with_capacity(c.fields.len());
        for at in (0..c.fields.len()).filter(|at| fields.has(*at)) {
            columns.push((at, width));
            width += 1;
        }
        let created_by = created_by.then_some(width);
        Self { drafts: c.drafts, draft, fields: columns, created_by, width: width + usize::from(created_by.is_some()) }
    }

    /// Column of a field.
    pub(crate) fn column(&self, field: usize) -> Option<usize> {
        self.fields.iter().find(|(at, _)| *at == field).map(|(_, column)| *column)
    }

    /// The select list.
    pub(crate) fn list(&self, c: &Collection) -> String {
        let mut names = vec!["id", "created_at", "updated_at", "version"];
        if self.drafts {
            names.extend(["published", "published_at"]);
        }
        if self.draft.is_some() {
            names.push("draft");
        }
        names.extend(self.fields.iter().filter_map(|(at, _)| c.fields.get(*at)).map(|f| f.id));
        if self.created_by.is_some() {
            names.push("created_by");
        }
        names.iter().map(|n| quoted(n)).collect::<Vec<_>>().join(", ")
    }
}

/// A collection's statements, made once.
pub(crate) struct Shelf {
    /// Everything a RETURNING gives.
    pub(crate) all: Layout,
    /// All of one record, under the permit's rows: (id).
    pub(crate) whole: Read,
    /// A new record: id, created_at, created_by, version, then every field but the sequence.
    pub(crate) insert: Write,
    /// The same, only where the permit reaches the parent: one more argument, the parent's id.
    pub(crate) insert_under: Option<Write>,
    /// The next number of the sequence: (name).
    pub(crate) number: Option<Write>,
    /// A record counts as published from the start: (id, moment).
    pub(crate) publish: Write,
    /// Where `{rows}` goes.
    pub(crate) reach: String,
}

impl Shelf {
    pub(crate) fn new(app: &App, c: &Collection) -> Self {
        let all = Layout::of(c, FieldSet::ALL, true, true);
        let reach = reach(app, c);
        let (table, list) = (quoted(c.id), all.list(c));
        let whole = Read::made(format!("SELECT {list} FROM {table} WHERE \"id\" = $1 AND {reach}"));
        let (columns, values) = insert_columns(c);
        let insert = format!("INSERT INTO {table} ({columns}) VALUES ({}) RETURNING {list}", values.join(", "));
        let insert_under = parent(app, c).map(|(source, key)| {
            let last = argument_count(c) + 1;
            let values = cast_values(c, &values).join(", ");
            Write::made(format!(
                "INSERT INTO {table} ({columns}) SELECT {values} WHERE EXISTS \
                 (SELECT 1 FROM {source} AS \"p\" WHERE \"p\".\"{key}.id\" = ${last} AND {{rows}}) RETURNING {list}"
            ))
        });
        let numbered = c.fields.iter().any(|f| f.derived == Some(Derived::Sequence));
        let number = numbered.then(|| {
            Write::made(
                "INSERT INTO \"_sequence\" (\"name\", \"value\") VALUES ($1, 1) \
                 ON CONFLICT (\"name\") DO UPDATE SET \"value\" = \"_sequence\".\"value\" + 1"
                    .to_owned(),
            )
        });
        let publish = Write::made(format!(
            "UPDATE {table} SET \"published\" = 1, \"published_at\" = $2 WHERE {{every}} AND \"id\" = $1"
        ));
        Self { all, whole, insert: Write::made(insert), insert_under, number, publish, reach }
    }
}

/// Name of a collection's sequence.
fn sequence(c: &Collection) -> String {
    format!("(SELECT \"value\" FROM \"_sequence\" WHERE \"name\" = '{}')", c.id)
}

fn argument_count(c: &Collection) -> usize {
    4 + c.fields.iter().filter(|f| f.derived != Some(Derived::Sequence)).count()
}

/// Columns and values of an insert. `$1` id, `$2` the moment, `$3` who, `$4` version.
fn insert_columns(c: &Collection) -> (String, Vec<String>) {
    let mut columns: Vec<&str> = vec!["id", "created_at", "created_by", "updated_at", "version"];
    let mut values: Vec<String> = ["$1", "$2", "$3", "$2", "$4"].map(str::to_owned).to_vec();
    if c.drafts {
        columns.push("published");
        values.push("0".to_owned());
    }
    let mut next = 5;
    for field in &c.fields {
        columns.push(field.id);
        if field.derived == Some(Derived::Sequence) {
            values.push(sequence(c));
        } else {
            values.push(format!("${next}"));
            next += 1;
        }
    }
    (columns.iter().map(|n| quoted(n)).collect::<Vec<_>>().join(", "), values)
}

/// In a select list no column says an argument's type.
fn cast_values(c: &Collection, values: &[String]) -> Vec<String> {
    let mut types = vec!["TEXT", "BIGINT", "TEXT", "BIGINT", "BIGINT"];
    if c.drafts {
        types.push("BIGINT");
    }
    types.extend(c.fields.iter().map(|f| match column_type(f) {
        store::Type::Int => "BIGINT",
        store::Type::Text => "TEXT",
        store::Type::Blob => "",
    }));
    values
        .iter()
        .zip(types)
        .map(|(v, t)| if t.is_empty() || !v.starts_with('$') { v.clone() } else { format!("CAST({v} AS {t})") })
        .collect()
}

/// The parent as a derived table whose columns are named as a part's rows name them (`order.status`, `line.order.status`),
/// and the reference's name.
fn parent(app: &App, c: &Collection) -> Option<(String, String)> {
    let (parent, reference) = c.part_of?;
    let (parent, reference) = (app.collections.get(parent)?, c.fields.get(reference)?.id);
    let mut columns = Vec::new();
    let mut from = String::new();
    chain(app, parent, reference, 0, &mut columns, &mut from);
    Some((format!("(SELECT {} FROM {from})", columns.join(", ")), reference.to_owned()))
}

fn chain(app: &App, c: &Collection, prefix: &str, depth: usize, columns: &mut Vec<String>, from: &mut String) {
    let alias = format!("a{depth}");
    if depth == 0 {
        from.push_str(&format!("{} AS \"{alias}\"", quoted(c.id)));
    }
    let system = ["id", "created_by"].into_iter().chain(c.drafts.then_some("published"));
    let fields = c.fields.iter().filter(|f| !crate::shelf::sealed(f)).map(|f| f.id);
    columns.extend(system.chain(fields).map(|n| format!("\"{alias}\".{} AS \"{prefix}.{n}\"", quoted(n))));
    let Some((next, reference)) = c.part_of else { return };
    let (Some(next), Some(reference)) = (app.collections.get(next), c.fields.get(reference)) else { return };
    let above = depth + 1;
    from.push_str(&format!(
        " JOIN {} AS \"a{above}\" ON \"a{above}\".\"id\" = \"{alias}\".{}",
        quoted(next.id),
        quoted(reference.id)
    ));
    chain(app, next, &format!("{prefix}.{}", reference.id), above, columns, from);
}

/// The permit's reach: on a part, its parent's columns are in view.
fn reach(app: &App, c: &Collection) -> String {
    let Some((source, key)) = parent(app, c) else { return "{rows}".to_owned() };
    let (table, reference) = (quoted(c.id), quoted(&key));
    format!("EXISTS (SELECT 1 FROM {source} AS \"p\" WHERE \"p\".\"{key}.id\" = {table}.{reference} AND {{rows}})")
}

/// One record with these columns: (id).
pub(crate) fn get(c: &Collection, shelf: &Shelf, layout: &Layout) -> Read {
    Read::made(format!("SELECT {} FROM {} WHERE \"id\" = $1 AND {}", layout.list(c), quoted(c.id), shelf.reach))
}

/// Sets of an update, `column = expression`, on the record of an id, where everything in `only` holds.
pub(crate) fn update(c: &Collection, shelf: &Shelf, sets: &[String], only: &[String]) -> String {
    let only: String = only.iter().map(|o| format!(" AND {o}")).collect();
    format!(
        "UPDATE {} SET {} WHERE \"id\" = $1 AND {}{only} RETURNING {}",
        quoted(c.id),
        sets.join(", "),
        shelf.reach,
        shelf.all.list(c)
    )
}

/// The deletion of one record: (id), and the version when `versioned`.
pub(crate) fn delete(c: &Collection, shelf: &Shelf, versioned: bool) -> String {
    let version = if versioned { " AND \"version\" = $2" } else { "" };
    format!("DELETE FROM {} WHERE \"id\" = $1 AND {}{version}", quoted(c.id), shelf.reach)
}

/// `column IN (values)`, ANDed: a row set of the manifest, on the record a reference names.
pub(crate) fn rows_in(set: &[Equal], me: &Value, bound: &mut Bound) -> String {
    let mut text = String::new();
    for equal in set {
        let any = equal.any.iter().map(|l| bound.put(literal(l, me))).collect::<Vec<_>>().join(", ");
        text.push_str(&format!(" AND {} IN ({any})", quoted(&equal.column)));
    }
    text
}

/// A literal's value.
pub(crate) fn literal(literal: &Literal, me: &Value) -> Value {
    match literal {
        Literal::Int(n) => Value::Int(*n),
        Literal::Text(t) => Value::Text(t.clone()),
        Literal::Me => me.clone(),
    }
}

/// Whether a referred record exists, and the columns to copy from it. Every row of the tenant: a reference is checked, not
/// shown.
pub(crate) fn referred(c: &Collection, id: &str, copies: &[usize], only: &[Equal], me: &Value) -> (String, Vec<Value>) {
    let mut bound = Bound::default();
    let id = bound.put(id);
    let only = rows_in(only, me, &mut bound);
    let mut columns = vec!["1".to_owned()];
    columns.extend(copies.iter().filter_map(|at| c.fields.get(*at)).map(|f| quoted(f.id)));
    (
        format!("SELECT {} FROM {} WHERE {{every}} AND \"id\" = {id}{only}", columns.join(", "), quoted(c.id)),
        bound.into_values(),
    )
}

/// Recomputes a parent's sums over `part`, and what follows from them, and counts the parent's version on: (id, moment).
/// `only` finds the parent by `$1`. A sum is over every part, whoever asks.
pub(crate) fn sums(parent: &Collection, part: &Collection, part_at: usize, only: &str) -> Option<Write> {
    let reference = part.part_of.and_then(|(_, reference)| part.fields.get(reference))?.id;
    let (table, parts) = (quoted(parent.id), quoted(part.id));
    let sum = |f: &manifest::Field| {
        match f.derived {
        Some(Derived::Sum(of, summed)) if of == part_at => part.fields.get(summed).map(|s| {
            let (summed, reference) = (quoted(s.id), quoted(reference));
            format!(
                "CAST(COALESCE((SELECT SUM({parts}.{summed}) FROM {parts} WHERE {parts}.{reference} = {table}.\"id\"), 0) \
                 AS BIGINT)"
            )
        }),
        _ => None,
    }
    };
    let mut sets = vec!["\"version\" = \"version\" + 1".to_owned(), "\"updated_at\" = $2".to_owned()];
    let mut after: Vec<String> = parent.fields.iter().map(|f| sum(f).unwrap_or_else(|| quoted(f.id))).collect();
    for (at, field) in parent.fields.iter().enumerate() {
        let changed = sum(field).or_else(|| crate::derive::product(parent, field, &after));
        if let (Some(changed), Some(slot)) = (changed, after.get_mut(at)) {
            sets.push(format!("{} = {changed}", quoted(field.id)));
            *slot = changed;
        }
    }
    Some(Write::made(format!("UPDATE {table} SET {} WHERE {{every}} AND {only}", sets.join(", "))))
}

/// Records whose scheduled moment has come are published: (moment).
pub(crate) fn due(c: &Collection) -> String {
    format!(
        "UPDATE {} SET \"published\" = 1, \"published_at\" = \"publish_at\", \"publish_at\" = NULL, \
         \"version\" = \"version\" + 1, \"updated_at\" = $1 \
         WHERE {{every}} AND \"published\" = 0 AND \"publish_at\" <= $1",
        quoted(c.id)
    )
}

/// How many there are: (moment).
pub(crate) fn count_due(c: &Collection) -> String {
    format!("SELECT COUNT(*) FROM {} WHERE {{every}} AND \"published\" = 0 AND \"publish_at\" <= $1", quoted(c.id))
}
