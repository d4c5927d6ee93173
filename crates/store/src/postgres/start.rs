//! What is looked at before the first request: the owner's migration, and that the application's role can do no harm.

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use kernel::Failure;
use std::time::Duration;
use tokio_postgres::{Client, Config, NoTls, config::SslMode};

use super::{
    fault::{self, Keys},
    schema,
};
use crate::ddl::Schemas;

/// How long a request waits for a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

fn words(text: String) -> Failure {
    Failure::Internal(text.into())
}

/// Reads a URL without repeating it: it holds a password.
pub(super) fn config(url: &str, what: &str) -> Result<Config, Failure> {
    let config: Config = url.parse().map_err(|_| words(format!("the {what} is not a PostgreSQL URL")))?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(words(format!("the {what} asks for TLS, which connections to PostgreSQL do not have yet")));
    }
    Ok(config)
}

async fn connect(config: &Config, what: &str) -> Result<Client, Failure> {
    let connected = tokio::time::timeout(PATIENCE, config.connect(NoTls)).await;
    let (client, connection) = connected
        .map_err(|_| words(format!("PostgreSQL does not answer ({what})")))?
        .map_err(|e| words(format!("PostgreSQL refuses the {what}: {}", reason(&e))))?;
    // Ends with the client.
    tokio::spawn(connection);
    Ok(client)
}

fn reason(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned())
}

/// Brings the schema up to date as its owner, or finds it so.
pub(super) async fn prepare(app: &Config, owner: Option<&str>, schemas: &Schemas) -> Result<(), Failure> {
    if let Some(url) = owner {
        let mut client = connect(&config(url, "owner's URL")?, "owner").await?;
        version(&client).await?;
        let role = app.get_user().ok_or_else(|| words("the database URL names no user".to_owned()))?;
        schema::migrate(&mut client, schemas, role).await?;
    }
    let client = connect(app, "application's role").await?;
    version(&client).await?;
    if owner.is_none() && !schema::current(&client, schemas).await? {
        let text = "the database's schema is not this program's; start once with VOUCHSAFE_DATABASE_OWNER";
        return Err(words(text.to_owned()));
    }
    safe(&client, schemas).await
}

async fn version(client: &Client) -> Result<(), Failure> {
    let row = client.query_one("SELECT current_setting('server_version_num')::int", &[]).await;
    let row = row.map_err(|e| fault::failure(&e, &Keys::new()))?;
    if row.get::<_, i32>(0) < 150_000 {
        return Err(words("PostgreSQL 15 or later is needed".to_owned()));
    }
    Ok(())
}

/// Refuses a role that could pass the wall, and a server that forgets what it acknowledged.
async fn safe(client: &Client, schemas: &Schemas) -> Result<(), Failure> {
    let count = i64::try_from(schemas.own.tables.len()).unwrap_or(0);
    let sql = "SELECT
        EXISTS (SELECT FROM pg_roles r WHERE (r.rolsuper OR r.rolbypassrls)
            AND pg_has_role(current_user, r.oid, 'MEMBER')),
        EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('tenants', 'house')
            AND (pg_has_role(current_user, c.relowner, 'MEMBER')
                OR c.relkind = 'r' AND has_table_privilege(c.oid, 'TRUNCATE'))),
        (SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'tenants' AND c.relkind = 'r' AND c.relrowsecurity AND c.relforcerowsecurity
            AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)) < $1,
        EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'tenants' AND c.relkind = 'r' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)),
        current_setting('fsync') = 'off' OR current_setting('full_page_writes') = 'off',
        current_setting('synchronous_commit') = 'off'";
    let row = client.query_one(sql, &[&count]).await.map_err(|e| fault::failure(&e, &Keys::new()))?;
    let unwalled = (row.get(2) || row.get(3)) && !kernel::sabotage::off("tenant.hard_wall");
    let found: [(bool, &str); 5] = [
        (row.get(0), "the application's role of PostgreSQL is a superuser or bypasses row security"),
        (row.get(1), "the application's role of PostgreSQL owns tables or may truncate them"),
        (unwalled, "a tenants' table of PostgreSQL is without forced row security"),
        (row.get(4), "PostgreSQL runs with fsync or full_page_writes off: it would lose what it acknowledged"),
        (row.get(5), "synchronous_commit is off: PostgreSQL would lose what it acknowledged"),
    ];
    match found.iter().find(|(bad, _)| *bad) {
        Some((_, text)) => Err(words((*text).to_owned())),
        None => Ok(()),
    }
}

/// A bounded pool of one realm. What a name means depends on the realm, so no statement is prepared for both.
pub(super) fn pool(app: &Config, path: &str, size: usize) -> Result<Pool, Failure> {
    let mut config = app.clone();
    config.options(format!(
        "-c search_path={path} -c statement_timeout=5000 -c idle_in_transaction_session_timeout=10000"
    ));
    config.application_name("vouchsafe");
    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let size = if kernel::sabotage::off("ops.db_pool") { size * 20 } else { size };
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|_| Failure::internal("store: no pool"))
}
