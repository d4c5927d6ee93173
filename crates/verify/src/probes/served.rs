//! What a database server shows to the application's own role: the host's vantage where there are no files of ours to read.

use serde_json::Value;
use tokio_postgres::{Client, Error, NoTls};

use crate::{
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    run::Scene,
    stage::Tenant,
};

/// The id of the house's own log.
const HOUSE: &str = "00000000-0000-0000-0000-000000000000";

fn wrong(e: Error) -> Miss {
    Miss::Unclear(format!("postgres: {}", e.as_db_error().map_or("connection", |db| db.message())))
}

/// A connection as the application's role; none on the embedded engine.
pub(super) async fn connect(scene: &Scene) -> Result<Option<Client>, Miss> {
    let Some(url) = &scene.stage.instance.setup().database else { return Ok(None) };
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(wrong)?;
    tokio::spawn(connection);
    Ok(Some(client))
}

/// Begins a transaction in the scope of one tenant.
async fn enter(client: &Client, tenant: &str) -> Result<(), Error> {
    client.batch_execute("BEGIN").await?;
    client.query("SELECT set_config('app.tenant', $1, true)", &[&tenant]).await.map(|_| ())
}

/// The leaves of the house's own log.
pub(super) async fn house_leaves(client: &Client) -> Result<Vec<Value>, Miss> {
    let read = async {
        enter(client, HOUSE).await?;
        let rows = client.query("SELECT body FROM tenants._leaf ORDER BY seq", &[]).await?;
        client.batch_execute("COMMIT").await?;
        Ok::<_, Error>(rows)
    };
    let rows = read.await.map_err(wrong)?;
    Ok(rows.iter().map(|row| serde_json::from_slice(&row.get::<_, Vec<u8>>(0)).unwrap_or(Value::Null)).collect())
}

/// Names of the tenants' tables.
async fn tables(client: &Client) -> Result<Vec<String>, Error> {
    let sql = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c \
               JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'tenants' AND c.relkind = 'r'";
    Ok(client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// Rows that a scope shows in every table, those that hold a text among them.
async fn seen(client: &Client, tables: &[String], text: &str) -> Result<(i64, i64), Error> {
    let (mut all, mut with) = (0, 0);
    for table in tables {
        let sql = format!("SELECT count(*), count(*) FILTER (WHERE position($1 in t::text) > 0) FROM {table} t");
        let row = client.query_one(&sql, &[&text]).await?;
        all += row.get::<_, i64>(0);
        with += row.get::<_, i64>(1);
    }
    Ok((all, with))
}

/// Whatever the server shows of tenants, it can only have read in the scope of one: without a scope its role sees nothing, in
/// one's scope nothing of another's, and it can change neither wall.
pub(super) async fn walled(client: &Client, a: &Tenant, mine: &str, b: &Tenant, theirs: &str) -> Outcome {
    let role = "SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user";
    if client.query_one(role, &[]).await.map_err(wrong)?.get::<_, bool>(0) {
        return broken(
            "reading the rights of the application's role",
            "no superuser, no bypass of row security",
            "more",
        );
    }
    let tables = tables(client).await.map_err(wrong)?;
    if tables.is_empty() {
        return unclear("the database has no tables of tenants");
    }
    let (bare, _) = seen(client, &tables, mine).await.map_err(wrong)?;
    if bare > 0 {
        return broken("reading every table of tenants without a tenant's scope", "0 rows", format!("{bare}"));
    }
    let mut kept = 0;
    for (tenant, own, foreign) in [(a, mine, theirs), (b, theirs, mine)] {
        enter(client, &tenant.id).await.map_err(wrong)?;
        let (rows, found) = seen(client, &tables, own).await.map_err(wrong)?;
        let (_, others) = seen(client, &tables, foreign).await.map_err(wrong)?;
        client.batch_execute("ROLLBACK").await.map_err(wrong)?;
        if found == 0 {
            return unclear("a tenant's scope does not show its own row: no positive control");
        }
        if others > 0 {
            return broken(
                "reading every table in one tenant's scope",
                "nothing of the other's",
                format!("{others} rows"),
            );
        }
        kept += usize::try_from(rows).unwrap_or(0);
    }
    let mut refused = 0;
    for table in &tables {
        for statement in [format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"), format!("TRUNCATE {table}")] {
            if client.batch_execute(&statement).await.is_ok() {
                return broken("the application's role tearing down a wall", "refused", "done");
            }
            refused += 1;
        }
    }
    Ok(Evidence::new()
        .count("tables of tenants", tables.len())
        .count("rows without a tenant's scope", 0)
        .count("rows of two tenants, each in its own scope", kept)
        .count("tries to take a wall down, refused", refused))
}

/// What the application's role can do to a log: nothing to a leaf that is there; a leaf forged at the end is named.
pub(super) async fn forged(client: &Client, tenant: &Tenant) -> Result<usize, Miss> {
    let mut refused = 0;
    for statement in ["UPDATE tenants._leaf SET body = body", "DELETE FROM tenants._leaf", "TRUNCATE tenants._leaf"] {
        enter(client, &tenant.id).await.map_err(wrong)?;
        let done = client.batch_execute(statement).await;
        client.batch_execute("ROLLBACK").await.map_err(wrong)?;
        if done.is_ok() {
            return broken("changing leaves as the application's role", "refused by the database", "done");
        }
        refused += 1;
    }
    let forge = async {
        enter(client, &tenant.id).await?;
        let columns: Vec<String> = client
            .query("SELECT quote_ident(column_name) FROM information_schema.columns WHERE table_schema = 'tenants' AND table_name = '_leaf' AND column_name <> 'seq'", &[])
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect();
        let list = columns.join(", ");
        let copy = format!(
            "INSERT INTO tenants._leaf (seq, {list}) SELECT seq + 1, {list} FROM tenants._leaf ORDER BY seq DESC LIMIT 1"
        );
        client.batch_execute(&copy).await?;
        client.batch_execute("UPDATE tenants._head SET size = size + 1; COMMIT").await
    };
    forge.await.map_err(wrong)?;
    Ok(refused)
}
