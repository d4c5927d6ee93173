use std::{sync::Arc, time::Duration};

use kernel::{Action, Failure, may};
use route::{Asking, Changing, Done, Job, get, post, with};
use store::Control;

use crate::{Means, invitation, sql};

const REFUSALS: (&str, Action) = ("refusals", may("house", "summarise_refusals"));
const INVITATIONS: (&str, Action) = ("invitations", may("house", "forget_invitations"));

/// What this section's jobs may do: the gate has to know before the section can be made.
#[must_use]
pub fn duties() -> Vec<(&'static str, Action)> {
    vec![REFUSALS, INVITATIONS]
}

pub(crate) fn jobs(desk: &Arc<Means>) -> Vec<Job> {
    vec![
        Job {
            name: REFUSALS.0,
            every: Duration::from_secs(60),
            action: REFUSALS.1,
            serve: get(with(desk, summarise)),
        },
        Job {
            name: INVITATIONS.0,
            every: Duration::from_hours(24),
            action: INVITATIONS.1,
            serve: post("invitations.forgotten", forget),
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
