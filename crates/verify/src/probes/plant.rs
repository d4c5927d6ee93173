//! A value put where it is stored, past every check of the server: as somebody with the database in their hands could.

use crate::{
    copy,
    disk::Disk,
    evidence::{Miss, unclear},
    run::Scene,
    stage::Tenant,
};

fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Puts `text` into a field of a tenant's record.
pub(super) async fn put(
    scene: &Scene,
    tenant: &Tenant,
    collection: &str,
    field: &str,
    id: &str,
    text: &str,
) -> Result<(), Miss> {
    let (id, text) = (id.to_owned(), text.to_owned());
    let changed = match &scene.stage.instance.setup().database {
        None => {
            let file = copy::of_tenant(scene.stage.instance.data(), &tenant.id)?;
            let file = file.ok_or_else(|| Miss::Unclear("the canary has no file".to_owned()))?;
            let disk = Disk::of(&scene.stage.instance);
            let sql = format!("UPDATE {} SET {} = ?1 WHERE id = ?2", name(collection), name(field));
            let write = move || -> rusqlite::Result<u64> {
                let db = disk.connect(&file).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
                db.busy_timeout(std::time::Duration::from_secs(5))?;
                db.execute(&sql, [text, id]).map(|n| u64::try_from(n).unwrap_or(0))
            };
            copy::aside(write).await?.map_err(|e| Miss::Unclear(format!("sqlite: {e}")))?
        }
        Some(url) => {
            let sql = format!("UPDATE tenants.{} SET {} = $1 WHERE id = $2", name(collection), name(field));
            let work = async {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
                let running = tokio::spawn(connection);
                client.batch_execute("BEGIN").await?;
                client.query("SELECT set_config('app.tenant', $1, true)", &[&tenant.id]).await?;
                let changed = client.execute(&sql, &[&text, &id]).await?;
                client.batch_execute("COMMIT").await?;
                drop(client);
                let _ended = running.await;
                Ok::<_, tokio_postgres::Error>(changed)
            };
            work.await.map_err(|e| {
                Miss::Unclear(format!("postgres: {}", e.as_db_error().map_or("connection", |db| db.message())))
            })?
        }
    };
    if changed == 1 { Ok(()) } else { unclear("the value could not be planted") }
}
