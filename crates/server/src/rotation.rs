//! Keys on their way: made when they are old enough, values sealed anew under them, the old ones retired and, when no copy
//! can need them any more, destroyed. Everything is read from what is stored, so a crash anywhere loses no step.

use std::{sync::Arc, time::Duration};

use encryption::{Aged, GRACE};
use kernel::{Action, DAY, Failure, Permit, TenantId, Time, Write, may};
use monitoring::Level;
use serde_json::{Value, json};
use store::{Apply, Control, Tx};

use crate::Server;

/// Name and duty of the job.
pub(crate) const KEEPER: (&str, Action) = ("keys.keep", may("house", "keys"));
/// How often it looks.
const LOOK: Duration = Duration::from_secs(2);
/// How often it looks at roots, and at the ages of keys; in milliseconds.
const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;
/// Between two slices of one tenant: its writers are served in between.
const BREATH: Duration = Duration::from_millis(10);

/// Keeps keys until the runtime ends.
pub(crate) fn start(server: &Arc<Server>) {
    crate::jobs::forever(server, |server| async move {
        let told = |failure: &Failure, tenant| server.monitor.failure(failure, None, Some(tenant));
        if let Err(failure) = settle(&server).await {
            told(&failure, TenantId::HOUSE);
        }
        let mut looked = Looked::default();
        loop {
            for step in [
                rotate_due(&server).await,
                sweep(&server).await,
                destroy(&server).await,
                roots(&server, &mut looked).await,
                measure(&server, &mut looked).await,
            ] {
                if let Err(failure) = step {
                    told(&failure, TenantId::HOUSE);
                }
            }
            let _either = tokio::time::timeout(LOOK, server.rotate.notified()).await;
        }
    });
}

/// When it looked at what changes slowly.
#[derive(Default)]
struct Looked {
    roots: Option<Time>,
    ages: Option<Time>,
}

fn due(last: &mut Option<Time>, now: Time, every: i64) -> bool {
    let due = last.is_none_or(|at| !(0..every).contains(&(now.0 - at.0)));
    if due {
        *last = Some(now);
    }
    due
}

/// The figure for the trust page: soon after a rotation, and every minute.
async fn measure(server: &Server, looked: &mut Looked) -> Result<(), Failure> {
    let now = server.clock.now();
    let rotated = server.vault.oldest().is_none_or(|at| now.0 - at.0 >= server.app.encryption.rotate.0);
    if due(&mut looked.ages, now, MINUTE) || rotated {
        server.vault.ages().await?;
    }
    Ok(())
}

/// Every root's age: noted at its first start; one that a key service holds is turned there in time, any other that is too
/// old is told of once an hour.
async fn roots(server: &Server, looked: &mut Looked) -> Result<(), Failure> {
    let (now, age) = (server.clock.now(), server.app.encryption.rotate.0);
    if !due(&mut looked.roots, now, HOUR) {
        return Ok(());
    }
    let (roots, fresh) = server.vault.roots().await?;
    for root in fresh {
        note(server, "keys.root_seen", &root).await?;
    }
    if kernel::sabotage::off("vault.rotation") {
        return Ok(());
    }
    for root in roots.iter().filter(|root| root.over(now, age)) {
        match turn(server, root).await {
            Ok(true) => {}
            // One region's key service in trouble keeps no other from its turn; it is asked again in an hour, since one
            // that turns and does not say so would be turned each time.
            Err(failure) => server.monitor.failure(&failure, None, Some(TenantId::HOUSE)),
            Ok(false) => server.monitor.event(
                Level::Warn,
                None,
                None,
                "a root key is older than keys may be",
                vec![("region", root.region.clone().into()), ("days", root.days(now).into())],
            ),
        }
    }
    server.vault.roots().await.map(drop)
}

/// Turns a root where it is kept, wraps every key anew, and notes it. False: it cannot be turned there.
async fn turn(server: &Server, root: &encryption::Root) -> Result<bool, Failure> {
    let turned = if root.turns { server.vault.turn(root).await? } else { None };
    let Some(turned) = turned else { return Ok(false) };
    follow_root(server, &turned).await?;
    note(server, "keys.root_turned", &turned).await?;
    Ok(true)
}

async fn note(server: &Server, event: &'static str, root: &encryption::Root) -> Result<(), Failure> {
    let batch = tx(server, TenantId::HOUSE, event).await?.batch::<Control>(format!("region/{}", root.region));
    let batch = batch.fact("root", root.name.clone()).fact("version", root.version.to_string());
    server.vault.note(batch, root).commit().await.map(drop)
}

/// What an older version of the root wrapped is wrapped by the newest. It is noted afterwards: what was cut off is done
/// again.
async fn follow_root(server: &Server, root: &encryption::Root) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let tx = tx(server, TenantId::HOUSE, "keys.rewrapped").await?;
        let Some((end, _)) = server.vault.follow_root(tx, root, &after).await? else { return Ok(()) };
        after = end;
        tokio::time::sleep(BREATH).await;
    }
}

async fn tx(server: &Server, tenant: TenantId, event: &'static str) -> Result<Tx<Write>, Failure> {
    let caller = server.authentication.job(server.inside(server.clock.now()), KEEPER.0);
    let who = server.authentication.principal(server.tenancy.enter(caller, tenant).await?).await?;
    let permit: Permit<Write> = server.access.permit(who, KEEPER.1, event, true).await?;
    Ok(Tx::open(&server.store, permit))
}

/// What a start finds: house keys that are in the folder only, destroyed keys that a restore brought back.
async fn settle(server: &Server) -> Result<(), Failure> {
    for key in server.vault.unkept().await? {
        let batch = tx(server, TenantId::HOUSE, "keys.kept").await?.batch::<Control>("key/house");
        key.put(batch).commit().await?;
    }
    for risen in server.vault.risen().await? {
        let batch =
            tx(server, TenantId::HOUSE, "keys.destroyed").await?.batch::<Control>(format!("tenant/{}", risen.0));
        server.vault.bury(batch, risen).commit().await?;
    }
    Ok(())
}

/// Every key that has reached the manifest's age is followed by a new one.
async fn rotate_due(server: &Server) -> Result<(), Failure> {
    if kernel::sabotage::off("vault.rotation") {
        return Ok(());
    }
    let before = server.clock.now().plus(-server.app.encryption.rotate.0);
    let mut after = None;
    loop {
        let due = server.vault.due(before, after).await?;
        let Some(last) = due.last() else { return Ok(()) };
        after = Some(last.tenant);
        for key in due {
            if server.tenancy.home(key.tenant).await?.is_none() {
                continue; // deleted: nothing is written any more
            }
            let tx = tx(server, TenantId::HOUSE, "keys.rotated").await?;
            if let Err(failure) = follow(server, tx, &key).await {
                server.monitor.failure(&failure, None, Some(key.tenant));
            }
        }
    }
}

/// One tenant's next key, for a job or an operator. When this returns, this node's writes use it.
async fn follow(server: &Server, tx: Tx<Write>, key: &Aged) -> Result<u32, Failure> {
    let next = server.vault.next(key).await?;
    let version = next.version();
    let batch = tx.batch::<Control>(format!("tenant/{}", key.tenant)).fact("version", version.to_string());
    let told = Apply::new(format!("key/{version}")).fact("version", version.to_string());
    let committed = next.put(batch).then(key.tenant, told).commit().await;
    // Another node may have been first; then its key is the next one.
    server.vault.refresh(key.tenant).await?;
    committed.map(|_| version)
}

/// Seals anew what is left under older keys, tenant by tenant, and retires keys that nothing is left under.
async fn sweep(server: &Server) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let followed = server.vault.followed(after).await?;
        let Some(last) = followed.last() else { return Ok(()) };
        after = Some(last.tenant);
        let mut swept = None;
        for key in followed {
            if swept != Some(key.tenant) {
                swept = Some(key.tenant);
                match renew(server, key.tenant).await {
                    Ok(()) | Err(Failure::NotFound) => {}
                    Err(failure) => server.monitor.failure(&failure, None, Some(key.tenant)),
                }
            }
            if let Err(failure) = retire(server, &key).await
                && failure != Failure::NotFound
            {
                server.monitor.failure(&failure, None, Some(key.tenant));
            }
        }
    }
}

async fn renew(server: &Server, tenant: TenantId) -> Result<(), Failure> {
    loop {
        let (done, damaged) = server.vault.renew(tx(server, tenant, "keys.resealed").await?, &server.sealed).await?;
        if damaged > 0 {
            let words = format!("encryption: {damaged} sealed values do not open and keep their old key");
            server.monitor.failure(&Failure::Internal(words.into()), None, Some(tenant));
        }
        if done == 0 {
            return Ok(());
        }
        tokio::time::sleep(BREATH).await;
    }
}

async fn retire(server: &Server, key: &Aged) -> Result<(), Failure> {
    if server.clock.now() < key.at.plus(GRACE) {
        return Ok(());
    }
    let there = server.tenancy.home(key.tenant).await?.is_some();
    if !there || server.vault.left(key.tenant, &server.sealed, key.version).await? > 0 {
        return Ok(());
    }
    // Database file and stored objects: their data keys are wrapped anew, they themselves stay as they are.
    let bulk = server.store.rewrap(key.tenant).await?;
    if bulk.versions.range(..=key.version).any(|(_, count)| *count > 0) {
        return Ok(());
    }
    let batch = tx(server, TenantId::HOUSE, "keys.retired").await?.batch::<Control>(format!("tenant/{}", key.tenant));
    let batch = batch.fact("version", key.version.to_string());
    server.vault.retire(batch, key).commit().await?;
    server.vault.refresh(key.tenant).await
}

/// How long any copy may still need a retired key: every backup that is kept, and what may be restored from before it.
fn needed(server: &Server) -> i64 {
    let backups = &server.app.backups;
    let kept = backups.every.0.saturating_mul(i64::from(backups.keep));
    kept.max(backups.window.0).saturating_add(backups.lag.0).max(server.app.data.purge.0)
}

async fn destroy(server: &Server) -> Result<(), Failure> {
    for key in server.vault.retired(server.clock.now().plus(-needed(server))).await? {
        let there = server.tenancy.home(key.tenant).await?.is_some();
        if !there || server.vault.left(key.tenant, &server.sealed, key.version).await? > 0 {
            continue;
        }
        // An upload that began before the key was retired may have ended later.
        if server.store.rewrap(key.tenant).await?.versions.contains_key(&key.version) {
            continue;
        }
        server.vault.destroy(tx(server, TenantId::HOUSE, "keys.destroyed").await?, &key).await?;
    }
    Ok(())
}

/// `keys rotate`: one tenant's key or every tenant's, now.
pub(crate) async fn now(server: &Server, who: &str, tenant: Option<TenantId>) -> Result<Value, Failure> {
    let tenants = match tenant {
        Some(tenant) => vec![tenant],
        None => server.tenancy.every().await?,
    };
    let mut made = 0;
    for tenant in tenants {
        let newest = server.vault.newest(tenant).await?;
        follow(server, server.house_tx(who, "keys.rotated").await?, &newest).await?;
        made += 1;
    }
    server.rotate.notify_one();
    Ok(json!({"keys made": made}))
}

/// `keys rotate --root`: everything that another root wraps is wrapped by the one in force.
pub(crate) async fn root(server: &Server, who: &str) -> Result<Value, Failure> {
    let mut wrapped = 0;
    for region in &server.app.regions {
        loop {
            let done = server.vault.rewrap(server.house_tx(who, "keys.rewrapped").await?, region.id).await?;
            if done == 0 {
                break;
            }
            wrapped += done;
        }
    }
    Ok(json!({"keys wrapped anew": wrapped}))
}

/// `keys status`.
pub(crate) async fn status(server: &Server) -> Result<Value, Failure> {
    let (now, rotate) = (server.clock.now(), server.app.encryption.rotate.0);
    let days = |since: Time| (now.0 - since.0).div_euclid(DAY);
    let mut regions = Vec::new();
    let (roots, _) = server.vault.roots().await?;
    for age in server.vault.ages().await? {
        let root = roots.iter().find(|root| root.region == age.region);
        regions.push(json!({
            "region": age.region, "root": age.root, "versions": age.versions, "retired": age.retired,
            "following": age.following, "elsewhere": age.elsewhere, "age_days": age.made.map(days),
            "root_days": root.map(|root| root.days(now)), "root_turns": root.is_some_and(|root| root.turns),
            "root_over": root.is_some_and(|root| root.over(now, rotate)),
        }));
    }
    let mut left = Vec::new();
    let mut after = None;
    loop {
        let followed = server.vault.followed(after).await?;
        let Some(last) = followed.last() else { break };
        after = Some(last.tenant);
        for key in followed {
            let home = server.tenancy.home(key.tenant).await?;
            let values = match &home {
                Some(_) => server.vault.left(key.tenant, &server.sealed, key.version).await?,
                None => 0,
            };
            let slug = home.map_or_else(String::new, |home| home.slug.clone());
            left.push(json!({"tenant": key.tenant, "slug": slug, "version": key.version, "values": values}));
        }
    }
    Ok(json!({
        "rotate_days": rotate / DAY, "regions": regions, "left": left,
        "openings": server.vault.openings(),
    }))
}
