//! Rows as they lie in the instance's stores: out of a copy of a database file, or over a connection of the prober's own.
//! One SQL text for both engines, without arguments.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use tokio_postgres::{NoTls, Row as PgRow, types::Type};

use crate::{copy, disk::Disk, evidence::Miss, instance::Instance, random};

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Empty.
    Null,
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Cell {
    /// The text; empty for anything else.
    #[must_use]
    pub fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }
    /// The number; 0 for anything else.
    #[must_use]
    pub const fn int(&self) -> i64 {
        if let Self::Int(n) = self { *n } else { 0 }
    }
    /// The bytes of a text or blob.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Blob(bytes) => bytes,
            Self::Null | Self::Int(_) => &[],
        }
    }
}

/// Whose rows.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'w> {
    /// The house's own (`control.db`).
    House,
    /// A tenant's, by id.
    Tenant(&'w str),
}

/// A statement's rows.
///
/// # Errors
/// Unclear when the store cannot be read.
pub async fn all(instance: &Instance, whose: Whose<'_>, sql: &str) -> Result<Vec<Vec<Cell>>, Miss> {
    match &instance.setup().database {
        Some(url) => postgres(url, whose, sql).await,
        None => {
            let file = file(instance.data(), whose)?;
            let to = instance.scratch().join(format!("rows-{}.db", random::hex(4)));
            let sql = sql.to_owned();
            let disk = Disk::of(instance);
            let read = move || {
                let rows = sqlite(&disk, &file, &to, &sql);
                let _gone = std::fs::remove_file(&to);
                rows
            };
            copy::aside(read).await?.map_err(|e| Miss::Unclear(format!("sqlite: {e}")))
        }
    }
}

fn file(data: &Path, whose: Whose<'_>) -> Result<PathBuf, Miss> {
    let found = match whose {
        Whose::House => copy::files(data)?.into_iter().find(|f| f.file_name().is_some_and(|n| n == "control.db")),
        Whose::Tenant(id) => copy::of_tenant(data, id)?,
    };
    found.ok_or_else(|| Miss::Unclear("there is no such database file".to_owned()))
}

fn sqlite(disk: &Disk, file: &Path, to: &Path, sql: &str) -> rusqlite::Result<Vec<Vec<Cell>>> {
    copy::database(disk, file, to).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let db = rusqlite::Connection::open(to)?;
    let mut query = db.prepare(sql)?;
    let columns = query.column_count();
    let rows = query.query_map([], |row| {
        (0..columns)
            .map(|at| {
                Ok(match row.get_ref(at)? {
                    ValueRef::Null => Cell::Null,
                    ValueRef::Integer(n) => Cell::Int(n),
                    ValueRef::Real(_) => Cell::Null,
                    ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                    ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
                })
            })
            .collect()
    })?;
    rows.collect()
}

fn pg(e: &tokio_postgres::Error) -> Miss {
    Miss::Unclear(format!("postgres: {}", e.as_db_error().map_or_else(|| e.to_string(), |d| d.message().to_owned())))
}

async fn postgres(url: &str, whose: Whose<'_>, sql: &str) -> Result<Vec<Vec<Cell>>, Miss> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(|e| pg(&e))?;
    let driver = tokio::spawn(connection);
    let (schema, tenant) = match whose {
        Whose::House => ("house", "00000000-0000-0000-0000-000000000000"),
        Whose::Tenant(id) => ("tenants", id),
    };
    let scope = "SELECT set_config('app.tenant', $1, false), set_config('search_path', $2, false)";
    client.query(scope, &[&tenant, &schema]).await.map_err(|e| pg(&e))?;
    let rows = client.query(sql, &[]).await.map_err(|e| pg(&e))?;
    drop(client);
    driver.abort();
    Ok(rows.iter().map(cells).collect())
}

fn cells(row: &PgRow) -> Vec<Cell> {
    let cell = |(at, column): (usize, &tokio_postgres::Column)| match *column.type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(at).ok().flatten().map_or(Cell::Null, Cell::Int),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at).ok().flatten().map_or(Cell::Null, Cell::Blob),
        Type::TEXT | Type::VARCHAR | Type::NAME => {
            row.try_get::<_, Option<String>>(at).ok().flatten().map_or(Cell::Null, Cell::Text)
        }
        _ => Cell::Null,
    };
    row.columns().iter().enumerate().map(cell).collect()
}

/// How many places hold one of the forms: files of the data folder, and rows where the rows lie in PostgreSQL; and how
/// many were looked at.
///
/// # Errors
/// Unclear when the store cannot be read.
pub async fn search(instance: &Instance, tenant: &str, forms: &[Vec<u8>]) -> Result<(usize, usize), Miss> {
    let (files, mut seen) = copy::search(&Disk::of(instance), forms.to_vec()).await?;
    let mut found = files.len();
    if instance.setup().database.is_some() {
        for (whose, schema) in [(Whose::House, "house"), (Whose::Tenant(tenant), "tenants")] {
            let named = format!("SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = '{schema}'");
            for table in all(instance, whose, &named).await? {
                let name = table.first().map_or("", Cell::text).to_owned();
                let rows = all(instance, whose, &format!("SELECT * FROM \"{name}\"")).await?;
                seen += rows.len();
                let holds = |row: &&Vec<Cell>| {
                    row.iter().any(|cell| forms.iter().any(|f| crate::wire::find(cell.bytes(), f).is_some()))
                };
                found += rows.iter().filter(holds).count();
            }
        }
    }
    Ok((found, seen))
}
