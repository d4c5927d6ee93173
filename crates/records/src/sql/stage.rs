//! Imports: rows wait in `_stage`, whose columns every collection shares by type, until one INSERT..SELECT publishes them.

use manifest::{App, Collection, Derived, Kind, Target};
use store::{Type, Value};

use super::{Bound, Read, Write, quoted, record::rows_in};
use crate::shelf::column_type;

/// Statements of one collection's imports.
pub(crate) struct Stage {
    /// Column of each field that is staged.
    slots: Vec<Option<String>>,
    /// One row: job, number, id, then each staged field in order.
    pub(crate) add: Write,
    /// A job's rows go: (job).
    pub(crate) clear: Write,
    /// Rows of jobs older than an id go: (id).
    pub(crate) sweep: Write,
    /// The rows become records: job, moment, who, count.
    pub(crate) publish: Write,
    /// The sequence goes on: name, count.
    pub(crate) number: Option<Write>,
}

impl Stage {
    pub(crate) fn new(app: &App, c: &Collection) -> Self {
        let slots = slots(c);
        let named: Vec<String> = slots.iter().flatten().map(|s| quoted(s)).collect();
        let marks: Vec<String> = (1..=3 + named.len()).map(|n| format!("${n}")).collect();
        let columns: Vec<String> = ["\"job\"", "\"n\"", "\"id\""].map(str::to_owned).into_iter().chain(named).collect();
        let numbered = c.fields.iter().any(|f| f.derived == Some(Derived::Sequence));
        Self {
            add: Write::made(format!("INSERT INTO \"_stage\" ({}) VALUES ({})", columns.join(", "), marks.join(", "))),
            clear: Write::made("DELETE FROM \"_stage\" WHERE \"job\" = $1".to_owned()),
            sweep: Write::made("DELETE FROM \"_stage\" WHERE \"job\" < $1".to_owned()),
            publish: Write::made(publish(app, c, &slots)),
            number: numbered.then(|| {
                Write::made(
                    "INSERT INTO \"_sequence\" (\"name\", \"value\") VALUES ($1, $2) ON CONFLICT (\"name\") \
                     DO UPDATE SET \"value\" = \"_sequence\".\"value\" + EXCLUDED.\"value\""
                        .to_owned(),
                )
            }),
            slots,
        }
    }

    /// Whether a field is staged.
    pub(crate) fn holds(&self, field: usize) -> bool {
        self.slots.get(field).is_some_and(Option::is_some)
    }

    /// Numbers of rows whose reference leads nowhere.
    pub(crate) fn dangling(
        &self,
        app: &App,
        c: &Collection,
        field: usize,
        job: &str,
        me: &Value,
    ) -> Option<(Read, Vec<Value>)> {
        let slot = self.slots.get(field)?.as_ref().map(|s| quoted(s))?;
        let Kind::Reference { to, only, .. } = &c.fields.get(field)?.kind else { return None };
        let mut bound = Bound::default();
        let job = bound.put(job);
        let (table, only) = match to {
            Target::Members => (quoted("_member"), String::new()),
            Target::Collection(to) => {
                (quoted(app.collections.get(*to)?.id), rows_in(only.as_deref().unwrap_or_default(), me, &mut bound))
            }
        };
        let text = format!(
            "SELECT \"s\".\"n\" FROM \"_stage\" AS \"s\" WHERE {{every}} AND \"s\".\"job\" = {job} AND \"s\".{slot} IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM {table} AS \"o\" WHERE \"o\".\"id\" = \"s\".{slot}{only}) ORDER BY 1 LIMIT 100"
        );
        Some((Read::made(text), bound.into_values()))
    }

    /// Numbers of rows whose value of a unique column is taken, by a record or by an earlier row: (job). `None`: the id.
    pub(crate) fn taken(&self, c: &Collection, field: Option<usize>) -> Option<[Read; 2]> {
        let (column, slot) = match field {
            Some(at) => (quoted(c.fields.get(at)?.id), quoted(self.slots.get(at)?.as_ref()?)),
            None => (quoted("id"), quoted("id")),
        };
        let table = quoted(c.id);
        Some([
            Read::made(format!(
                "SELECT \"s\".\"n\" FROM \"_stage\" AS \"s\" WHERE {{every}} AND \"s\".\"job\" = $1 AND EXISTS \
                 (SELECT 1 FROM {table} AS \"o\" WHERE \"o\".{column} = \"s\".{slot}) ORDER BY 1 LIMIT 100"
            )),
            Read::made(format!(
                "SELECT MAX(\"n\") FROM \"_stage\" WHERE \"job\" = $1 AND {slot} IS NOT NULL GROUP BY {slot} \
                 HAVING COUNT(*) > 1 ORDER BY 1 LIMIT 100"
            )),
        ])
    }

    /// Distinct parents of staged parts: (job).
    pub(crate) fn parents(&self, c: &Collection) -> Option<Read> {
        let slot = self.slots.get(c.part_of?.1)?.as_ref()?;
        Some(Read::made(format!("SELECT DISTINCT {} FROM \"_stage\" WHERE \"job\" = $1", quoted(slot))))
    }
}

/// A column of the staging table for each field that comes from outside.
fn slots(c: &Collection) -> Vec<Option<String>> {
    let mut used = [0_usize; 3];
    let mut slot = |f: &manifest::Field| {
        if f.derived.is_some() || matches!(f.kind, Kind::File { .. }) {
            return None;
        }
        let (at, letter) = match column_type(f) {
            Type::Int => (0, 'i'),
            Type::Text => (1, 't'),
            Type::Blob => (2, 'b'),
        };
        let count = used.get_mut(at)?;
        *count += 1;
        Some(format!("{letter}{}", *count - 1))
    };
    c.fields.iter().map(&mut slot).collect()
}

fn publish(app: &App, c: &Collection, slots: &[Option<String>]) -> String {
    let mut columns: Vec<&str> = vec!["id", "created_at", "created_by", "updated_at", "version"];
    let moment = "CAST($2 AS BIGINT)";
    let mut values: Vec<String> = ["\"s\".\"id\"", moment, "CAST($3 AS TEXT)", moment, "1"].map(str::to_owned).to_vec();
    if c.drafts {
        columns.push("published");
        values.push("0".to_owned());
    }
    let plain: Vec<String> =
        c.fields.iter().zip(slots).map(|(f, slot)| expression(app, c, f, slot.as_deref(), slots)).collect();
    let mut all = plain.clone();
    for (at, field) in c.fields.iter().enumerate() {
        if let (Some(product), Some(slot)) = (crate::derive::product(c, field, &all), all.get_mut(at)) {
            *slot = product;
        }
    }
    columns.extend(c.fields.iter().map(|f| f.id));
    values.extend(all);
    let columns: Vec<String> = columns.iter().map(|n| quoted(n)).collect();
    // The fourth argument is always there, so that every collection's statement takes the same ones.
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM \"_stage\" AS \"s\" WHERE {{every}} AND \"s\".\"job\" = $1 \
         AND \"s\".\"n\" <= CAST($4 AS BIGINT) ORDER BY \"s\".\"n\"",
        quoted(c.id),
        columns.join(", "),
        values.join(", ")
    )
}

fn expression(
    app: &App,
    c: &Collection,
    field: &manifest::Field,
    slot: Option<&str>,
    slots: &[Option<String>],
) -> String {
    if let Some(slot) = slot {
        return format!("\"s\".{}", quoted(slot));
    }
    match field.derived {
        Some(Derived::Sequence) => {
            format!(
                "((SELECT \"value\" FROM \"_sequence\" WHERE \"name\" = '{}') - CAST($4 AS BIGINT) + \"s\".\"n\")",
                c.id
            )
        }
        Some(Derived::Sum(..)) => "0".to_owned(),
        Some(Derived::Copy(from, there)) => copied(app, c, from, there, slots).unwrap_or_else(|| "NULL".to_owned()),
        _ => "NULL".to_owned(),
    }
}

fn copied(app: &App, c: &Collection, from: usize, there: usize, slots: &[Option<String>]) -> Option<String> {
    let Kind::Reference { to: Target::Collection(to), .. } = c.fields.get(from)?.kind else { return None };
    let (target, slot) = (app.collections.get(to)?, slots.get(from)?.as_ref()?);
    let field = target.fields.get(there)?;
    Some(format!(
        "(SELECT \"o\".{} FROM {} AS \"o\" WHERE \"o\".\"id\" = \"s\".{})",
        quoted(field.id),
        quoted(target.id),
        quoted(slot)
    ))
}
