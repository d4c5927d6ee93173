use std::time::Duration;

use kernel::{Failure, may};
use route::{Changing, Done, Job, post};
use store::Control;

use crate::{lifecycle, sql};

pub(crate) fn jobs() -> Vec<Job> {
    vec![Job {
        name: "tenants.release",
        every: Duration::from_secs(3600),
        action: may("house", "release"),
        serve: post("tenant.released", release),
    }]
}

/// Names that were asked for and never claimed are free again.
async fn release(call: Changing<()>) -> Result<Done<()>, Failure> {
    let at = call.tx.permit().principal().at();
    let unclaimed = call.tx.all(&sql::UNCLAIMED, (at,)).await?;
    if unclaimed.is_empty() {
        return Err(Failure::NotFound); // nothing to do leaves no leaf
    }
    let batch = call.tx.batch::<Control>("tenant");
    let batch = unclaimed.into_iter().fold(batch, |batch, (tenant,)| lifecycle::release(batch, tenant, at));
    Ok(Done::ok(batch.commit().await?, ()))
}
