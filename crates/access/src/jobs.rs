use std::{sync::Arc, time::Duration};

use kernel::{Failure, may};
use route::{Asking, Changing, Done, Job, get, post, with};
use store::Control;

use crate::{Means, invitation, register, sql};

pub(crate) fn jobs(desk: &Arc<Means>) -> Vec<Job> {
    vec![
        Job {
            name: "refusals",
            every: Duration::from_secs(60),
            action: may("house", "summarise_refusals"),
            serve: get(with(desk, summarise)),
        },
        Job {
            name: "invitations",
            every: Duration::from_hours(24),
            action: may("house", "forget_invitations"),
            serve: post("invitations.forgotten", forget),
        },
        Job {
            name: "operators",
            every: Duration::from_hours(24),
            action: may("house", "forget_operators"),
            serve: post("operators.forgotten", forget_operators),
        },
    ]
}

/// Tells how many refusals of the last minutes were not told singly.
async fn summarise(desk: Arc<Means>, _: Asking<()>) -> Result<(), Failure> {
    desk.access.summarise(false).await
}

async fn forget(call: Changing<()>) -> Result<Done<()>, Failure> {
    let before = call.tx.permit().principal().at().plus(-invitation::MEMORY);
    let receipt = call.tx.batch::<Control>("invitations").any(&sql::FORGET, (before,)).commit().await?;
    Ok(Done::ok(receipt, ()))
}

/// Lines of the register that were closed long ago.
async fn forget_operators(call: Changing<()>) -> Result<Done<()>, Failure> {
    let before = call.tx.permit().principal().at().plus(-register::MEMORY);
    let receipt = call.tx.batch::<Control>("operators").any(&sql::OPERATORS_FORGET, (before,)).commit().await?;
    Ok(Done::ok(receipt, ()))
}
