//! The end of a day for every log: each tenant's, then the instance's list of them, then the house's own. Nothing here
//! waits for midnight: what is not done is done as soon as it is seen, so a crash or a long pause loses no day's end.

use std::{collections::HashMap, sync::Arc, time::Duration};

use audit::{Sealed, date, day_of};
use futures_util::{StreamExt as _, stream};
use kernel::{Action, Failure, Permit, TenantId, Time, Write, may};
use store::{Control, Tx};

use crate::Server;

/// Name and duty of the job.
pub(crate) const CLOSER: (&str, Action) = ("audit.close", may("audit", "close"));
/// How often it looks whether a day is over.
const LOOK: Duration = Duration::from_secs(1);
/// How long a log that would not close is left alone.
const PAUSE: Duration = Duration::from_secs(60);
/// Logs at work at once: each waits for the disk most of the time.
const ABREAST: usize = 16;
/// Checkpoints that one batch publishes.
const TOGETHER: usize = 128;

/// Closes days until the runtime ends.
pub(crate) fn start(server: &Arc<Server>) {
    crate::jobs::forever(server, |server| async move {
        let mut done = i64::MIN;
        loop {
            let day = day_of(server.clock.now()) - 1;
            if day == done {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            match round(&server, day).await {
                Ok(true) => done = day,
                Ok(false) => pause(&server, day).await,
                Err(failure) => {
                    server.monitor.failure(&failure, None, Some(TenantId::HOUSE));
                    pause(&server, day).await;
                }
            }
        }
    });
}

/// Until the next try, or the next day.
async fn pause(server: &Server, day: i64) {
    let began = tokio::time::Instant::now();
    while began.elapsed() < PAUSE && day_of(server.clock.now()) - 1 == day {
        tokio::time::sleep(LOOK).await;
    }
}

/// One day's end; whether nothing is left of it.
pub(crate) async fn round(server: &Server, day: i64) -> Result<bool, Failure> {
    let published: HashMap<TenantId, i64> =
        audit::days(&tx(server, TenantId::HOUSE, "log.published").await?).await?.into_iter().collect();
    let open = |id: &TenantId| published.get(id).map_or_else(|| born(*id) <= day, |last| *last < day);
    let tenants: Vec<TenantId> = server.tenancy.every().await?.into_iter().filter(|id| open(id)).collect();
    let mut whole = true;
    for some in tenants.chunks(TOGETHER) {
        let each = some.iter().copied().map(|tenant| async move { (tenant, close(server, tenant, day).await) });
        let mut work = stream::iter(each).buffer_unordered(ABREAST);
        let mut sealed = Vec::with_capacity(some.len());
        while let Some((tenant, outcome)) = work.next().await {
            match outcome {
                Ok(one) => sealed.push(one),
                // Deleted since.
                Err(Failure::NotFound) => {}
                Err(failure) => {
                    whole = false;
                    server.monitor.failure(&failure, None, Some(tenant));
                }
            }
        }
        publish(server, sealed, day).await?;
    }
    if open(&TenantId::HOUSE) && house_is_older(server, day).await? {
        let seal = tx(server, TenantId::HOUSE, "log.instance_sealed").await?;
        server.audit.seal_instance(seal, day).await?;
        let sealed = close(server, TenantId::HOUSE, day).await?;
        publish(server, vec![sealed], day).await?;
    }
    Ok(whole)
}

async fn close(server: &Server, tenant: TenantId, day: i64) -> Result<Sealed, Failure> {
    let sealed = server.audit.close_day(tx(server, tenant, "log.day_closed").await?, day).await?;
    if born(tenant) <= day_of(server.audit.expiry(server.clock.now()))
        && let Err(failure) = prune(server, tenant).await
    {
        // Another day: a root is worth more than room.
        server.monitor.failure(&failure, None, Some(tenant));
    }
    Ok(sealed)
}

async fn prune(server: &Server, tenant: TenantId) -> Result<(), Failure> {
    server.audit.prune(tx(server, tenant, "log.pruned").await?).await.map(drop)
}

async fn publish(server: &Server, sealed: Vec<Sealed>, day: i64) -> Result<(), Failure> {
    if sealed.is_empty() {
        return Ok(());
    }
    let batch = tx(server, TenantId::HOUSE, "log.published").await?.batch::<Control>(format!("day/{}", date(day)));
    audit::publish(batch, &sealed).commit().await?;
    audit::tidy(sealed).await;
    Ok(())
}

pub(crate) async fn tx(server: &Server, tenant: TenantId, event: &'static str) -> Result<Tx<Write>, Failure> {
    let caller = server.authentication.job(server.inside(server.clock.now()), CLOSER.0);
    let who = server.authentication.principal(server.tenancy.enter(caller, tenant).await?).await?;
    let permit: Permit<Write> = server.access.permit(who, CLOSER.1, event, true).await?;
    Ok(Tx::open(&server.store, permit))
}

/// The day a tenant was made: its id tells (RFC 9562, version 7). The house was always there.
fn born(tenant: TenantId) -> i64 {
    let millis = tenant.0.bytes().iter().take(6).fold(0, |all, byte| all << 8 | i64::from(*byte));
    day_of(Time(millis))
}

/// Whether the house's log began on that day or before.
async fn house_is_older(server: &Server, day: i64) -> Result<bool, Failure> {
    Ok(audit::began(&tx(server, TenantId::HOUSE, "log.published").await?).await?.is_some_and(|at| day_of(at) <= day))
}
