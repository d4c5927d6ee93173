//! A job walks the same way as a request: peer, site, caller, tenant, principal, permit.

use std::{sync::Arc, time::Duration};

use kernel::{Failure, Home, RequestId, Status, TenantId};
use route::{Job, Raw, Run};

use crate::Server;

/// Starts every job on its own clock. They end with the runtime.
pub(crate) fn start(server: &Arc<Server>) {
    for at in 0..server.jobs.len() {
        let server = Arc::clone(server);
        tokio::spawn(async move {
            let Some(job) = server.jobs.get(at) else { return };
            loop {
                // Woken early by a commit that left work in the outbox.
                let _either = tokio::time::timeout(job.every, server.outbox.notified()).await;
                if let Err(failure) = run(&server, job).await {
                    let detail = format!("job {}: {failure:?}", job.name);
                    server.monitor.fault(RequestId::default(), Some(TenantId::HOUSE), &detail);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
    }
}

async fn run(server: &Server, job: &Job) -> Result<(), Failure> {
    let now = server.clock.now();
    let peer = server.transport.inside(RequestId(server.rng.id(now)), now);
    let site = server.tenancy.inside(peer);
    let caller = server.authentication.job(site, job.name);
    let tenant = server.tenancy.enter(caller, Arc::clone(&server.house));
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
            let permit = server.access.permit(principal, job.action, job.serve.event).await?;
            run(&server.store, permit, raw, None).await?;
        }
        Run::Write(run) => {
            let permit = server.access.permit(principal, job.action, job.serve.event).await?;
            run(&server.store, permit, raw, None).await?;
        }
    }
    Ok(())
}

/// The house as a tenant: what jobs and the apex host act in.
pub(crate) fn house(app: &manifest::App, url: String) -> Home {
    Home {
        id: TenantId::HOUSE,
        slug: String::new(),
        name: app.name.clone(),
        region: app.regions.first().map_or("main", |r| r.id).to_owned(),
        url,
        status: Status::Active,
        modules: Vec::new(),
    }
}
