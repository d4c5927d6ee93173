use std::{sync::Arc, time::Duration};

use kernel::{DAY, Failure, may};
use route::{Changing, Done, Job, post, with};
use store::Control;

use crate::{Authentication, sql};

pub(crate) fn jobs(a: &Arc<Authentication>) -> Vec<Job> {
    vec![Job {
        name: "sessions.purge",
        every: Duration::from_secs(3600),
        action: may("house", "purge"),
        serve: post("session.purged", with(a, purge)),
    }]
}

/// Sessions a month after their end, mailed tokens a week after theirs, operators' links and sessions a day after.
async fn purge(a: Arc<Authentication>, call: Changing<()>) -> Result<Done<()>, Failure> {
    let now = call.tx.permit().principal().at();
    let idle = a.app.sessions.idle.0.saturating_add(30 * DAY);
    let batch = call
        .tx
        .batch::<Control>("session")
        .any(&sql::SESSIONS_PURGE, (now.plus(-30 * DAY), now.plus(-idle)))
        .any(&sql::TOKENS_PURGE, (now.plus(-7 * DAY),))
        .any(&sql::LINKS_PURGE, (now.plus(-DAY),))
        .any(&sql::DESKS_PURGE, (now.plus(-DAY),));
    Ok(Done::ok(batch.commit().await?, ()))
}
