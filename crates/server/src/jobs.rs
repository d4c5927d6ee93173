//! A job walks the same way as a request: peer, site, caller, tenant, principal, permit.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use kernel::{Action, DAY, Failure, Permit, Read, RequestId, Site, TenantId, Time, Write, may};
use monitoring::Level;
use route::{Job, Raw, Run};
use store::Tx;

use crate::Server;

/// Runs a task for as long as the server does. One that panics, which the log tells, begins anew after a pause: a bug met once
/// must not end the mail, or the closing of days, until somebody restarts.
pub(crate) fn forever<F: Future<Output = ()> + Send + 'static>(
    server: &Arc<Server>,
    task: impl Fn(Arc<Server>) -> F + Send + Sync + 'static,
) {
    let server = Arc::clone(server);
    tokio::spawn(async move {
        while tokio::spawn(task(Arc::clone(&server))).await.is_err_and(|ended| ended.is_panic()) {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
}

/// Starts every job on its own clock. They end with the runtime.
pub(crate) fn start(server: &Arc<Server>) {
    for at in 0..server.jobs.len() {
        forever(server, move |server| async move {
            let Some((job, wake)) = server.jobs.get(at) else { return };
            loop {
                // Woken early by a commit that left work of its kind in the outbox.
                let _either = tokio::time::timeout(job.every, wake.notified()).await;
                // Nothing to do is no failure.
                if let Err(failure) = run(&server, job).await
                    && failure != Failure::NotFound
                {
                    server.monitor.failure(&failure, None, Some(TenantId::HOUSE));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
    }
}

async fn run(server: &Server, job: &Job) -> Result<(), Failure> {
    let now = server.clock.now();
    let caller = server.authentication.job(server.inside(now), job.name);
    let tenant = server.tenancy.enter(caller, TenantId::HOUSE).await?;
    let principal = server.authentication.principal(tenant).await?;
    let raw = Raw {
        params: Vec::new(),
        query: Vec::new(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        stream: None,
    };
    match &job.serve.run {
        Run::Read(run) => {
            let permit = server.access.permit(principal, job.action, job.serve.event, true).await?;
            run(&server.store, permit, raw, None).await?;
        }
        Run::Write(run) => {
            let permit = server.access.permit(principal, job.action, job.serve.event, true).await?;
            run(&server.store, permit, raw, None).await?;
        }
    }
    Ok(())
}

/// Name and duty of the job that publishes what was scheduled.
pub(crate) const PUBLISHER: (&str, Action) = ("records.publish", may("house", "publish"));

/// Publishes scheduled records of every tenant, once a minute; only where a collection schedules at all.
pub(crate) fn publish(server: &Arc<Server>) {
    let schedules = |c: &manifest::Collection| c.actions.iter().any(|a| a.at.is_some());
    if !server.app.collections.iter().any(schedules) {
        return;
    }
    forever(server, |server| async move {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let tenants = server.tenancy.every().await.unwrap_or_default();
            for tenant in tenants {
                if let Err(failure) = publish_in(&server, tenant).await {
                    server.monitor.failure(&failure, None, Some(tenant));
                }
            }
        }
    });
}

async fn publish_in(server: &Server, tenant: TenantId) -> Result<(), Failure> {
    let caller = server.authentication.job(server.inside(server.clock.now()), PUBLISHER.0);
    let who = server.authentication.principal(server.tenancy.enter(caller, tenant).await?).await?;
    let permit: Permit<Read> = server.access.permit(who.clone(), PUBLISHER.1, "", false).await?;
    if server.records.due(&Tx::open(&server.store, permit)).await? == 0 {
        return Ok(());
    }
    let permit: Permit<Write> = server.access.permit(who, PUBLISHER.1, "records.published", true).await?;
    server.records.publish_due(Tx::open(&server.store, permit)).await.map(|_| ())
}

/// Name and duty of what notes, at a start, which secrets are new.
pub(crate) const NOTER: (&str, Action) = ("secrets.note", may("house", "note_secrets"));

/// Notes since when each metered secret is the same.
pub(crate) async fn note_secrets(server: &Server, found: &[disclosure::Setting]) -> Result<(), Failure> {
    let now = server.clock.now();
    let caller = server.authentication.job(server.inside(now), NOTER.0);
    let who = server.authentication.principal(server.tenancy.enter(caller, TenantId::HOUSE).await?).await?;
    let permit: Permit<Write> = server.access.permit(who, NOTER.1, "secrets.changed", true).await?;
    server.disclosure.note_secrets(Tx::open(&server.store, permit), found, now).await.map(drop)
}

/// Looks every few seconds whether a list of blocked addresses was written, and says once an hour when one is too old.
pub(crate) fn blocklist(server: &Arc<Server>) {
    if !server.blocklist.declared() {
        return;
    }
    forever(server, |server| async move {
        let mut told = Time(i64::MIN);
        loop {
            let now = server.clock.now();
            if server.blocklist.standing(now).stale && now.0.saturating_sub(told.0) > 3_600_000 {
                told = now;
                server.monitor.event(Level::Warn, None, None, "a blocklist is missing or too old", Vec::new());
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            if let Err(why) = server.blocklist.refresh() {
                server.monitor.event(Level::Warn, None, None, "a blocklist cannot be read", vec![("why", why.into())]);
            }
        }
    });
}

/// Looks every few seconds whether the list of known flaws was written, and says once a day when it cannot be read.
pub(crate) fn advisories(server: &Arc<Server>) {
    if server.disclosure.advisory_list().is_none() {
        return;
    }
    forever(server, |server| async move {
        let mut told = Time(i64::MIN);
        loop {
            let (looking, now) = (Arc::clone(&server), server.clock.now());
            let look = move || looking.disclosure.advisory_list().map_or(Ok(false), |list| list.refresh(now));
            let found =
                tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| Err("reading it panicked".to_owned()));
            if let Err(why) = found
                && now.since(told) > DAY
            {
                told = now;
                let fields = vec![("why", why.into())];
                server.monitor.event(Level::Warn, None, None, "the list of known flaws cannot be read", fields);
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
}

/// Name and duty of the job that stores what the page says.
pub(crate) const READER: (&str, Action) = ("page.read", may("house", "read_page"));

/// Compares the page with what it said at the last start, and keeps both. Once, before anything is served.
pub(crate) async fn read_page(server: &Server) -> Result<(), Failure> {
    let caller = server.authentication.job(server.inside(server.clock.now()), READER.0);
    let who = server.authentication.principal(server.tenancy.enter(caller, TenantId::HOUSE).await?).await?;
    let permit: Permit<Write> = server.access.permit(who, READER.1, "page.published", true).await?;
    server.disclosure.compare(Tx::open(&server.store, permit)).await.map(|_| ())
}

/// Wakes the jobs that drain outbox rows of this kind: those whose names begin with it.
pub(crate) fn wake(jobs: &[(Job, tokio::sync::Notify)], kind: &str) {
    let theirs = |name: &str| name.split('.').next() == Some(kind);
    jobs.iter().filter(|(job, _)| theirs(job.name)).for_each(|(_, wake)| wake.notify_one());
}

impl Server {
    /// The site of work that nobody sent: jobs and the admin socket.
    pub(crate) fn inside(&self, now: Time) -> Site {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        self.tenancy.inside(self.transport.stranger(loopback, RequestId(self.rng.id(now)), true, now))
    }
}
