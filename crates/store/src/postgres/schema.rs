//! Definitions for PostgreSQL. Tenants' tables lie in schema `tenants`, led by `tenant_id` and walled by forced row
//! security; the house's own in schema `house`. Made and expanded by the owner, on its own connection.

use std::fmt::Write;

use kernel::Failure;
use tokio_postgres::{Client, Transaction};

use super::fault::{self, Keys};
use crate::{
    OnDelete, Slot, Table, Type,
    ddl::{Schema, Schemas, bounded, indexes},
    text::quote,
};

/// The layout of the store's own tables. A database of a later layout is refused.
const FORMAT: i64 = 1;
/// The tenant of the transaction; without one it is NULL, which equals nothing.
const SCOPE: &str = "(select nullif(current_setting('app.tenant', true), '')::uuid)";
/// Leaves younger than this, in milliseconds, are nobody's to delete: 366 days, less an hour for clocks.
const YEAR: i64 = 366 * 86_400_000 - 3_600_000;
/// One owner at a time.
const MIGRATING: i64 = 0x766f_7563_6873;

const fn kind(kind: Type) -> &'static str {
    match kind {
        Type::Int => "bigint",
        Type::Text => "text COLLATE \"C\"",
        Type::Blob => "bytea",
    }
}

const fn neutral(kind: Type) -> &'static str {
    match kind {
        Type::Int => "0",
        Type::Text => "''",
        Type::Blob => "'\\x'",
    }
}

const fn schema_of(table: &Table) -> &'static str {
    if table.control { "house" } else { "tenants" }
}

fn full(table: &Table) -> String {
    let mut out = format!("{}.", schema_of(table));
    quote(&mut out, &table.name);
    out
}

/// Columns led by the tenant's, where there is one.
fn list<'a>(table: &Table, names: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::from(if table.control { "" } else { "tenant_id" });
    for name in names {
        out.push_str(if out.is_empty() { "" } else { ", " });
        quote(&mut out, name);
    }
    out
}

/// The name of a table's primary key.
fn key_name(table: &Table) -> String {
    bounded(format!("k_{}", table.name))
}

/// Every unique key's columns, for the one thing a section may hear of a collision.
pub(crate) fn keys(schemas: &Schemas) -> Keys {
    let mut keys = Keys::new();
    for table in tables(schemas) {
        let primary: Vec<_> = table.slots.iter().take(table.key).map(|s| s.name.as_ref()).collect();
        keys.insert(key_name(table), primary.join(","));
        keys.extend(indexes(table).into_iter().filter(|i| i.unique).map(|i| (i.name, i.columns.join(","))));
    }
    keys
}

/// Tenants' tables, and those of the house that have no tenant.
pub(crate) fn tables(schemas: &Schemas) -> impl Iterator<Item = &Table> {
    schemas.own.tables.iter().chain(schemas.control.tables.iter().filter(|t| t.control))
}

fn hash(own: &Schema, control: &Schema) -> String {
    format!("{}{}", own.hash, control.hash)
}

/// Whether the database is made for these tables.
pub(crate) async fn current(client: &Client, schemas: &Schemas) -> Result<bool, Failure> {
    let error = |e| fault::failure(&e, &Keys::new());
    let known = client.query_one("SELECT to_regclass('house.meta') IS NOT NULL", &[]).await.map_err(error)?;
    if !known.get::<_, bool>(0) {
        return Ok(false);
    }
    let rows = client.query("SELECT key, value FROM house.meta", &[]).await.map_err(error)?;
    let meta = |key: &str| rows.iter().find(|r| r.get::<_, &str>(0) == key).map(|r| r.get::<_, &str>(1));
    if meta("format").and_then(|v| v.parse().ok()).is_some_and(|format: i64| format > FORMAT) {
        return Err(Failure::internal("store: the database was written by a newer version of this program"));
    }
    Ok(meta("schema") == Some(&hash(&schemas.own, &schemas.control)))
}

/// Makes or expands everything in one transaction, and grants `app` what it needs: rows, never tables.
pub(crate) async fn migrate(client: &mut Client, schemas: &Schemas, app: &str) -> Result<(), Failure> {
    let error = |e| fault::failure(&e, &Keys::new());
    let up_to_date = current(client, schemas).await?;
    let tx = client.transaction().await.map_err(error)?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATING]).await.map_err(error)?;
    if !up_to_date {
        tx.batch_execute(
            "CREATE SCHEMA IF NOT EXISTS house;
             CREATE SCHEMA IF NOT EXISTS tenants;
             CREATE TABLE IF NOT EXISTS house.meta (key text PRIMARY KEY, value text NOT NULL);
             CREATE TABLE IF NOT EXISTS house.database (id text COLLATE \"C\" PRIMARY KEY);",
        )
        .await
        .map_err(error)?;
        for table in tables(schemas) {
            expand(&tx, table).await?;
        }
        for table in tables(schemas) {
            references(&tx, table).await?;
        }
        first_rows(&tx, schemas).await?;
    }
    tx.batch_execute(&grants(schemas, app)).await.map_err(error)?;
    tx.commit().await.map_err(error)
}

async fn first_rows(tx: &Transaction<'_>, schemas: &Schemas) -> Result<(), Failure> {
    let error = |e| fault::failure(&e, &Keys::new());
    let nil = kernel::TenantId::HOUSE;
    tx.batch_execute(&format!(
        "SELECT set_config('app.tenant', '{nil}', true);
         INSERT INTO tenants._head (id, size, hash, at) VALUES (0, 0, decode(repeat('00', 32), 'hex'), 0)
         ON CONFLICT DO NOTHING"
    ))
    .await
    .map_err(error)?;
    let put = "INSERT INTO house.meta (key, value) VALUES ($1, $2)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    let format = FORMAT.to_string();
    tx.execute(put, &[&"schema", &hash(&schemas.own, &schemas.control)]).await.map_err(error)?;
    tx.execute(put, &[&"format", &format]).await.map_err(error)?;
    Ok(())
}

fn grants(schemas: &Schemas, app: &str) -> String {
    let mut role = String::new();
    quote(&mut role, app);
    let mut out = format!(
        "GRANT USAGE ON SCHEMA house, tenants TO {role}; GRANT SELECT ON house.meta TO {role};
         GRANT SELECT, INSERT, DELETE ON house.database TO {role};"
    );
    for table in tables(schemas) {
        // Leaves are only ever added by the server; pruning the log is the owner's, by the function below.
        let rights = if table.name == "_leaf" { "SELECT, INSERT" } else { "SELECT, INSERT, UPDATE, DELETE" };
        let name = full(table);
        let _infallible = write!(out, "REVOKE ALL ON {name} FROM {role}; GRANT {rights} ON {name} TO {role};");
    }
    // Runs as the owner, within the tenant's wall; whoever calls it, what is younger than a year before the newest stays.
    let _infallible = write!(
        out,
        "CREATE OR REPLACE FUNCTION tenants.prune_leaves(floor bigint) RETURNS bigint LANGUAGE sql SECURITY DEFINER
         SET search_path = tenants, pg_temp AS $prune$
           WITH gone AS (DELETE FROM tenants._leaf WHERE seq < floor
             AND at < (SELECT h.at FROM tenants._head h WHERE h.id = 0) - {YEAR} RETURNING 1)
           SELECT count(*) FROM gone
         $prune$;
         REVOKE ALL ON FUNCTION tenants.prune_leaves(bigint) FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION tenants.prune_leaves(bigint) TO {role};"
    );
    out
}

fn column(out: &mut String, table: &Table, slot: &Slot, null: bool) {
    quote(out, &slot.name);
    let _infallible = write!(out, " {}", kind(slot.kind));
    if !null {
        out.push_str(" NOT NULL");
    }
    if table.name == "revocation" && slot.name == "seq" {
        out.push_str(" GENERATED BY DEFAULT AS IDENTITY");
    }
}

fn create(table: &Table) -> String {
    let name = full(table);
    let mut out = format!("CREATE TABLE {name} (");
    if !table.control {
        let _infallible =
            write!(out, "tenant_id uuid NOT NULL DEFAULT (nullif(current_setting('app.tenant', true), '')::uuid), ");
    }
    for slot in &table.slots {
        column(&mut out, table, slot, slot.null);
        out.push_str(", ");
    }
    out.push_str("CONSTRAINT ");
    quote(&mut out, &key_name(table));
    let key = list(table, table.slots.iter().take(table.key).map(|s| s.name.as_ref()));
    let _infallible = write!(out, " PRIMARY KEY ({key}));");
    if !table.control && !kernel::sabotage::off("tenant.hard_wall") {
        let _infallible = write!(
            out,
            "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY; ALTER TABLE {name} FORCE ROW LEVEL SECURITY;
             CREATE POLICY own ON {name} USING (tenant_id = {SCOPE}) WITH CHECK (tenant_id = {SCOPE});"
        );
    }
    out
}

async fn expand(tx: &Transaction<'_>, table: &Table) -> Result<(), Failure> {
    let error = |e| fault::failure(&e, &Keys::new());
    let name = full(table);
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
               WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let found: Vec<(String, String, bool)> =
        tx.query(sql, &[&name]).await.map_err(error)?.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect();
    if found.is_empty() {
        tx.batch_execute(&create(table)).await.map_err(error)?;
    } else {
        let steps = columns(table, &found)?;
        primary(tx, table).await?;
        tx.batch_execute(&steps).await.map_err(error)?;
    }
    let wanted = indexes(table);
    let sql = "SELECT indexname::text FROM pg_indexes WHERE schemaname = $1 AND tablename = $2";
    for row in tx.query(sql, &[&schema_of(table), &table.name.as_ref()]).await.map_err(error)? {
        let is: String = row.get(0);
        if (is.starts_with("u_") || is.starts_with("i_")) && !wanted.iter().any(|w| w.name == is) {
            let mut drop = format!("DROP INDEX {}.", schema_of(table));
            quote(&mut drop, &is);
            tx.batch_execute(&drop).await.map_err(error)?;
        }
    }
    for index in wanted {
        let mut make = format!("CREATE {}INDEX IF NOT EXISTS ", if index.unique { "UNIQUE " } else { "" });
        quote(&mut make, &index.name);
        let of = list(table, index.columns.iter().map(String::as_str));
        let _infallible = match index.columns.first().zip(index.head) {
            Some((column, bytes)) => {
                let own = list(table, []);
                let led = if own.is_empty() { String::new() } else { format!("{own}, ") };
                let mut quoted = String::new();
                quote(&mut quoted, column);
                write!(make, " ON {name} ({led}substr({quoted}, 1, {bytes}))")
            }
            None => write!(make, " ON {name} ({of})"),
        };
        tx.batch_execute(&make).await.map_err(error)?;
    }
    Ok(())
}

/// Adds what is missing and loosens what may now be empty; another type is not expanded.
fn columns(table: &Table, found: &[(String, String, bool)]) -> Result<String, Failure> {
    let name = full(table);
    let mut out = String::new();
    for slot in &table.slots {
        match found.iter().find(|(n, ..)| *n == slot.name) {
            None => {
                let _infallible = write!(out, "ALTER TABLE {name} ADD COLUMN ");
                // A new reference starts empty in the rows that exist.
                column(&mut out, table, slot, slot.null || slot.to.is_some());
                if !slot.null && slot.to.is_none() {
                    let _infallible = write!(out, " DEFAULT {}", neutral(slot.kind));
                }
                out.push(';');
            }
            Some((_, is, _)) if kind(slot.kind).split(' ').next() != Some(is) => {
                let words = format!("store: migration: column `{}` of `{}` changed its type", slot.name, table.name);
                return Err(Failure::Internal(words.into()));
            }
            Some((_, _, true)) if slot.null => loosen(&mut out, &name, &slot.name),
            Some(_) => {}
        }
    }
    for (gone, _, not_null) in found {
        if *not_null && gone != "tenant_id" && !table.slots.iter().any(|s| s.name == *gone) {
            loosen(&mut out, &name, gone);
        }
    }
    Ok(out)
}

fn loosen(out: &mut String, table: &str, column: &str) {
    let _infallible = write!(out, "ALTER TABLE {table} ALTER COLUMN ");
    quote(out, column);
    out.push_str(" DROP NOT NULL;");
}

async fn primary(tx: &Transaction<'_>, table: &Table) -> Result<(), Failure> {
    let error = |e| fault::failure(&e, &Keys::new());
    let sql = "SELECT a.attname::text FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(n, place), pg_attribute a
               WHERE i.indrelid = to_regclass($1) AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.n
               ORDER BY k.place";
    let rows = tx.query(sql, &[&full(table)]).await.map_err(error)?;
    let is = rows.iter().map(|r| r.get::<_, String>(0)).filter(|n| table.control || n != "tenant_id");
    if is.eq(table.slots.iter().take(table.key).map(|s| s.name.to_string())) {
        return Ok(());
    }
    Err(Failure::Internal(format!("store: migration: the primary key of `{}` changed", table.name).into()))
}

/// Foreign keys stay within the tenant. Their names say what they do, so a changed one has another name.
async fn references(tx: &Transaction<'_>, table: &Table) -> Result<(), Failure> {
    let error = |e| fault::failure(&e, &Keys::new());
    let name = full(table);
    let mut wanted = Vec::new();
    for (slot, to) in table.slots.iter().filter_map(|s| s.to.as_ref().map(|to| (s, to))) {
        let key = bounded(format!("f_{}_{}_{}_{:?}", table.name, slot.name, to.table, to.on_delete));
        let mut sql = format!("ALTER TABLE {name} ADD CONSTRAINT ");
        quote(&mut sql, &key);
        let _infallible = write!(sql, " FOREIGN KEY ({}) REFERENCES ", list(table, [slot.name.as_ref()]));
        let _infallible = write!(sql, "{}.", schema_of(table));
        quote(&mut sql, &to.table);
        let _infallible = write!(sql, " ({}) ON DELETE ", list(table, ["id"]));
        match to.on_delete {
            OnDelete::Refuse => sql.push_str("NO ACTION"),
            OnDelete::Cascade => sql.push_str("CASCADE"),
            OnDelete::Clear => {
                sql.push_str("SET NULL (");
                quote(&mut sql, &slot.name);
                sql.push(')');
            }
        }
        wanted.push((key, sql));
    }
    let sql = "SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'f'";
    let is: Vec<String> = tx.query(sql, &[&name]).await.map_err(error)?.iter().map(|r| r.get(0)).collect();
    for gone in is.iter().filter(|n| !wanted.iter().any(|(w, _)| w == *n)) {
        let mut drop = format!("ALTER TABLE {name} DROP CONSTRAINT ");
        quote(&mut drop, gone);
        tx.batch_execute(&drop).await.map_err(error)?;
    }
    for (_, sql) in wanted.iter().filter(|(w, _)| !is.contains(w)) {
        tx.batch_execute(sql).await.map_err(error)?;
    }
    Ok(())
}
