//! Definitions for SQLite, and what an older file lacks. Expand only: nothing a file holds is ever removed here.

use std::{collections::HashSet, fmt::Write, path::Path};

use kernel::{Failure, Secret};
use rusqlite::{Connection, backup::Backup};

use super::fault::Fault;
use crate::{
    OnDelete, Slot, Table, Type,
    ddl::{Index, Schema, indexes},
    text::quote,
};

/// The layout of the store's own tables. A file of a later layout is refused.
const FORMAT: i64 = 1;

const fn kind(kind: Type) -> &'static str {
    match kind {
        Type::Int => "INTEGER",
        Type::Text => "TEXT",
        Type::Blob => "BLOB",
    }
}

const fn on_delete(on: OnDelete) -> &'static str {
    match on {
        OnDelete::Refuse => "NO ACTION",
        OnDelete::Cascade => "CASCADE",
        OnDelete::Clear => "SET NULL",
    }
}

fn column(out: &mut String, slot: &Slot, null: bool) {
    quote(out, &slot.name);
    let _infallible = write!(out, " {}", kind(slot.kind));
    if !null {
        out.push_str(" NOT NULL");
    }
    if let Some(to) = &slot.to {
        out.push_str(" REFERENCES ");
        quote(out, &to.table);
        let _infallible = write!(out, "(\"id\") ON DELETE {}", on_delete(to.on_delete));
    }
}

/// `CREATE TABLE`; `extra` are columns that an older file has and the app no longer names.
fn create(table: &Table, name: &str, extra: &[Found]) -> String {
    let mut out = String::from("CREATE TABLE ");
    quote(&mut out, name);
    out.push_str(" (");
    for slot in &table.slots {
        column(&mut out, slot, slot.null);
        out.push_str(", ");
    }
    for found in extra {
        quote(&mut out, &found.name);
        let _infallible = write!(out, " {}, ", found.kind);
    }
    out.push_str("PRIMARY KEY (");
    list(&mut out, table.slots.iter().take(table.key).map(|s| s.name.as_ref()));
    out.push_str(")) STRICT");
    out
}

fn list<'a>(out: &mut String, names: impl Iterator<Item = &'a str>) {
    for (i, name) in names.enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        quote(out, name);
    }
}

fn create_index(table: &Table, index: &Index) -> String {
    let mut out = format!("CREATE {}INDEX IF NOT EXISTS ", if index.unique { "UNIQUE " } else { "" });
    quote(&mut out, &index.name);
    out.push_str(" ON ");
    quote(&mut out, &table.name);
    out.push_str(" (");
    if let Some((column, bytes)) = index.columns.first().zip(index.head) {
        out.push_str("substr(");
        quote(&mut out, column);
        out.push_str(&format!(", 1, {bytes})"));
    } else {
        list(&mut out, index.columns.iter().map(String::as_str));
    }
    out.push(')');
    out
}

/// A column that a file has.
struct Found {
    name: String,
    kind: String,
    not_null: bool,
    default: bool,
    key: i64,
}

/// What a file says of itself: whether its tables are those of `schema`.
pub(crate) enum State {
    /// Nothing to do.
    Current,
    /// Nothing in it yet.
    Empty,
    /// Made for other tables.
    Older,
}

/// Compares a file with the tables of this program.
pub(crate) fn state(connection: &Connection, schema: &Schema) -> Result<State, Failure> {
    let count = "SELECT COUNT(*) FROM sqlite_schema WHERE name = '_meta'";
    let known: i64 = connection.query_row(count, [], |r| r.get(0)).map_err(failure)?;
    if known == 0 {
        return Ok(State::Empty);
    }
    if meta(connection, "format")?.and_then(|v| v.parse().ok()).is_none_or(|format: i64| format > FORMAT) {
        return Err(Failure::internal("store: the file was written by a newer version of this program"));
    }
    Ok(if meta(connection, "schema")?.as_deref() == Some(&schema.hash) { State::Current } else { State::Older })
}

fn meta(connection: &Connection, key: &str) -> Result<Option<String>, Failure> {
    let mut statement = connection.prepare("SELECT value FROM _meta WHERE key = ?1").map_err(failure)?;
    let mut rows = statement.query([key]).map_err(failure)?;
    rows.next().map_err(failure)?.map(|row| row.get(0)).transpose().map_err(failure)
}

fn failure(error: rusqlite::Error) -> Failure {
    Fault::from(error).failure()
}

/// A copy by SQLite's own backup interface, checked, and durable under its final name.
pub(crate) fn copy(connection: &Connection, key: Option<&Secret>, to: &Path) -> Result<(), Failure> {
    let part = to.with_extension("part");
    let io = |_| Failure::internal("store: the copy before a migration could not be written");
    super::connection::create(&part).map_err(io)?;
    let mut target = Connection::open(&part).map_err(failure)?;
    super::seal::unlock(&target, key).map_err(failure)?;
    Backup::new(connection, &mut target)
        .and_then(|backup| backup.run_to_completion(1024, std::time::Duration::ZERO, None))
        .map_err(failure)?;
    let verdict: String = target.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)).map_err(failure)?;
    if verdict != "ok" {
        return Err(Failure::internal("store: the copy before a migration is not sound"));
    }
    target.close().map_err(|(_, e)| failure(e))?;
    std::fs::rename(&part, to).map_err(io)
}

/// Brings a file to this program's tables, in one transaction.
pub(crate) fn migrate(connection: &mut Connection, schema: &Schema) -> Result<(), Failure> {
    // Tables are rebuilt with references off, and the references checked before the commit.
    connection.execute_batch("PRAGMA foreign_keys=OFF").map_err(failure)?;
    let done = steps(connection, schema);
    connection.execute_batch("PRAGMA foreign_keys=ON").map_err(failure)?;
    done
}

fn steps(connection: &mut Connection, schema: &Schema) -> Result<(), Failure> {
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failure)?;
    let fresh = matches!(state(&tx, schema)?, State::Empty);
    for table in &schema.tables {
        expand(&tx, table)?;
    }
    if !fresh {
        let mut broken = tx.prepare("PRAGMA foreign_key_check").map_err(failure)?;
        if broken.exists([]).map_err(failure)? {
            return Err(Failure::internal("store: migration: rows refer to rows that do not exist"));
        }
    }
    tx.execute("INSERT OR IGNORE INTO _head (id, size, hash, at) VALUES (0, 0, zeroblob(32), 0)", [])
        .map_err(failure)?;
    let put = "INSERT INTO _meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.execute(put, ["schema", &schema.hash]).map_err(failure)?;
    tx.execute(put, ["format", &FORMAT.to_string()]).map_err(failure)?;
    tx.commit().map_err(failure)
}

fn expand(connection: &Connection, table: &Table) -> Result<(), Failure> {
    let run = |sql: &str| connection.execute_batch(sql).map_err(failure);
    let found = columns(connection, &table.name)?;
    if found.is_empty() {
        run(&create(table, &table.name, &[]))?;
    } else {
        drop_stale_indexes(connection, table)?;
        comparable(table, &found)?;
        if must_rebuild(connection, table, &found)? {
            rebuild(connection, table, found)?;
        } else {
            for slot in table.slots.iter().filter(|s| !found.iter().any(|f| f.name == s.name)) {
                run(&add(table, slot))?;
            }
        }
    }
    for index in indexes(table) {
        run(&create_index(table, &index))?;
    }
    Ok(())
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<Found>, Failure> {
    let sql = "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk FROM pragma_table_info(?1)";
    let mut statement = connection.prepare(sql).map_err(failure)?;
    let rows = statement.query_map([table], |r| {
        Ok(Found { name: r.get(0)?, kind: r.get(1)?, not_null: r.get(2)?, default: r.get(3)?, key: r.get(4)? })
    });
    rows.map_err(failure)?.collect::<Result<_, _>>().map_err(failure)
}

/// Another type or another primary key is not expanded: it needs a migration of its own.
fn comparable(table: &Table, found: &[Found]) -> Result<(), Failure> {
    let words = |column: &str, what: &str| {
        Failure::Internal(format!("store: migration: column `{column}` of `{}` {what}", table.name).into())
    };
    for (i, slot) in table.slots.iter().enumerate() {
        let is = found.iter().find(|f| f.name == slot.name);
        if is.is_some_and(|f| f.kind != kind(slot.kind)) {
            return Err(words(&slot.name, "changed its type"));
        }
        let position = if i < table.key { i64::try_from(i + 1).unwrap_or(0) } else { 0 };
        if is.map_or(position != 0, |f| f.key != position) {
            return Err(words(&slot.name, "changed its place in the primary key"));
        }
    }
    match found.iter().find(|f| f.key != 0 && !table.slots.iter().any(|s| s.name == f.name)) {
        Some(lost) => Err(words(&lost.name, "left the primary key")),
        None => Ok(()),
    }
}

/// SQLite cannot loosen a column or change a reference in place.
fn must_rebuild(connection: &Connection, table: &Table, found: &[Found]) -> Result<bool, Failure> {
    let tight = found.iter().any(|f| match table.slots.iter().find(|s| s.name == f.name) {
        Some(slot) => f.not_null && slot.null,
        None => f.not_null && !f.default,
    });
    let sql = "SELECT \"from\", \"table\", on_delete FROM pragma_foreign_key_list(?1)";
    let mut statement = connection.prepare(sql).map_err(failure)?;
    let rows = statement.query_map([&table.name], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)));
    let is: HashSet<(String, String, String)> = rows.map_err(failure)?.collect::<Result<_, _>>().map_err(failure)?;
    let wanted: HashSet<_> = table
        .slots
        .iter()
        .filter(|s| found.iter().any(|f| f.name == s.name))
        .filter_map(|s| s.to.as_ref().map(|to| (s, to)))
        .map(|(s, to)| (s.name.to_string(), to.table.to_string(), on_delete(to.on_delete).to_owned()))
        .collect();
    Ok(tight || is != wanted)
}

const fn neutral(kind: Type) -> &'static str {
    match kind {
        Type::Int => "0",
        Type::Text => "''",
        Type::Blob => "x''",
    }
}

fn add(table: &Table, slot: &Slot) -> String {
    let mut out = String::from("ALTER TABLE ");
    quote(&mut out, &table.name);
    out.push_str(" ADD COLUMN ");
    // A new reference starts empty in the rows that exist.
    column(&mut out, slot, slot.null || slot.to.is_some());
    if !slot.null && slot.to.is_none() {
        let _infallible = write!(out, " DEFAULT {}", neutral(slot.kind));
    }
    out
}

fn rebuild(connection: &Connection, table: &Table, found: Vec<Found>) -> Result<(), Failure> {
    let (known, extra): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|f| table.slots.iter().any(|s| s.name == f.name));
    let new = format!("_new_{}", table.name);
    let mut names = String::new();
    list(&mut names, known.iter().chain(&extra).map(|f| f.name.as_str()));
    let mut values = String::new();
    for (i, f) in known.iter().chain(&extra).enumerate() {
        values.push_str(if i == 0 { "" } else { ", " });
        match table.slots.iter().find(|s| s.name == f.name) {
            Some(slot) if !slot.null && !f.not_null && slot.to.is_none() => {
                values.push_str("COALESCE(");
                quote(&mut values, &f.name);
                let _infallible = write!(values, ", {})", neutral(slot.kind));
            }
            _ => quote(&mut values, &f.name),
        }
    }
    for slot in table.slots.iter().filter(|s| !s.null && s.to.is_none() && !known.iter().any(|f| f.name == s.name)) {
        names.push_str(", ");
        quote(&mut names, &slot.name);
        let _infallible = write!(values, ", {}", neutral(slot.kind));
    }
    let (mut from, mut to) = (String::new(), String::new());
    quote(&mut from, &table.name);
    quote(&mut to, &new);
    // A new reference starts empty in the rows that exist.
    let mut loose = table.clone();
    for slot in loose.slots.iter_mut().filter(|s| s.to.is_some() && !known.iter().any(|f| f.name == s.name)) {
        slot.null = true;
    }
    let sql = format!(
        "{}; INSERT INTO {to} ({names}) SELECT {values} FROM {from}; DROP TABLE {from}; ALTER TABLE {to} RENAME TO {from}",
        create(&loose, &new, &extra)
    );
    connection.execute_batch(&sql).map_err(failure)
}

/// A unique key that the app dropped must stop refusing.
fn drop_stale_indexes(connection: &Connection, table: &Table) -> Result<(), Failure> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL";
    let mut statement = connection.prepare(sql).map_err(failure)?;
    let is: Vec<String> = statement
        .query_map([&table.name], |r| r.get(0))
        .map_err(failure)?
        .collect::<Result<_, _>>()
        .map_err(failure)?;
    let wanted = indexes(table);
    for name in is.iter().filter(|n| !wanted.iter().any(|w| w.name == **n)) {
        let mut sql = String::from("DROP INDEX ");
        quote(&mut sql, name);
        connection.execute_batch(&sql).map_err(failure)?;
    }
    Ok(())
}
