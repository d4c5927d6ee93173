//! A database's tables as a whole, and what both engines' definitions share.

use std::collections::HashSet;

use aws_lc_rs::digest;
use kernel::Failure;

use crate::{Table, system};

/// The tables of one kind of database.
pub(crate) struct Schema {
    pub(crate) tables: Vec<Table>,
    /// SHA-256 of the tables, hexadecimal: equal means nothing to migrate.
    pub(crate) hash: String,
}

/// Both kinds.
pub(crate) struct Schemas {
    pub(crate) own: Schema,
    pub(crate) control: Schema,
}

impl Schemas {
    /// Sorts every section's tables. The house has a roster, keys and a log of its own, but no collections.
    pub(crate) fn new(tables: Vec<Table>) -> Result<Self, Failure> {
        let mut own = system::tables();
        let mut control = system::control_tables();
        for table in tables {
            if table.control { control.push(table) } else { own.push(table) }
        }
        control.extend(own.iter().filter(|t| t.name.starts_with('_')).cloned());
        Ok(Self { own: Schema::new(own)?, control: Schema::new(control)? })
    }
}

impl Schema {
    fn new(tables: Vec<Table>) -> Result<Self, Failure> {
        let mut names = HashSet::new();
        for table in &tables {
            let words = |what: &str| Failure::Internal(format!("table `{}`: {what}", table.name).into());
            if !names.insert(table.name.clone()) {
                return Err(words("declared twice"));
            }
            let columns: HashSet<_> = table.slots.iter().map(|s| &s.name).collect();
            if columns.len() != table.slots.len() {
                return Err(words("a column is declared twice"));
            }
            if columns.contains(&crate::Name::Borrowed("tenant_id")) {
                return Err(words("`tenant_id` is the store's own column"));
            }
            if table.key == 0 || table.key > table.slots.len() {
                return Err(words("no primary key"));
            }
            if !table.unique.iter().chain(&table.index).flatten().all(|c| columns.contains(c)) {
                return Err(words("an index names an unknown column"));
            }
        }
        for table in &tables {
            for to in table.slots.iter().filter_map(|s| s.to.as_ref()) {
                let target = tables.iter().find(|t| t.name == to.table);
                if !target.is_some_and(|t| t.key == 1 && t.slots.first().is_some_and(|s| s.name == "id")) {
                    let words = format!("table `{}` refers to `{}`, which has no key `id`", table.name, to.table);
                    return Err(Failure::Internal(words.into()));
                }
            }
        }
        let mut context = digest::Context::new(&digest::SHA256);
        for t in &tables {
            context.update(format!("{:?}", (&t.name, &t.slots, t.key, &t.unique, &t.index, &t.sealed)).as_bytes());
        }
        let hash = hex::encode(context.finish());
        Ok(Self { tables, hash })
    }
}

/// An index of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) unique: bool,
    pub(crate) columns: Vec<String>,
    /// Of so many of the column's first bytes instead of the whole: `substr(column, 1, n)`.
    pub(crate) head: Option<usize>,
}

/// A name that PostgreSQL does not cut: the end of a long one is replaced by its hash.
pub(crate) fn bounded(name: String) -> String {
    if name.len() <= 60 {
        return name;
    }
    let hash = hex::encode(digest::digest(&digest::SHA256, name.as_bytes()));
    name.chars().take(42).chain("_".chars()).chain(hash.chars().take(16)).collect()
}

/// Every index of a table: unique keys, declared ones, and one behind each foreign key, which deletions look up.
pub(crate) fn indexes(table: &Table) -> Vec<Index> {
    let named = |unique: bool, columns: Vec<String>| {
        let name = format!("{}_{}_{}", if unique { "u" } else { "i" }, table.name, columns.join("_"));
        Index { name: bounded(name), unique, columns, head: None }
    };
    let own = |columns: &Vec<crate::table::Name>| columns.iter().map(ToString::to_string).collect();
    let mut all: Vec<Index> = table.unique.iter().map(|c| named(true, own(c))).collect();
    all.extend(table.index.iter().map(|c| named(false, own(c))));
    for slot in table.slots.iter().filter(|s| s.to.is_some()) {
        let led = |i: &Index| i.columns.first().is_some_and(|c| *c == slot.name);
        if !all.iter().any(led) {
            all.push(named(false, vec![slot.name.to_string()]));
        }
    }
    all.extend(table.sealed.iter().map(|(c, bytes)| Index {
        name: bounded(format!("i_{}_{c}_head{bytes}", table.name)),
        unique: false,
        columns: vec![c.to_string()],
        head: Some(*bytes),
    }));
    all.dedup_by(|a, b| a.name == b.name);
    all
}
