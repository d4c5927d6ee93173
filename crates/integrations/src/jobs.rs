use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use kernel::{Failure, may};
use route::{Changing, Done, Job, post, with};
use store::Control;

use crate::{Mailer, retry, smtp::Attempt, sql};

/// Mails of one round.
const ROUND: i64 = 64;
/// Of them, under way at once.
const AT_ONCE: usize = 8;

pub(crate) fn jobs(mailer: &Arc<Mailer>) -> Vec<Job> {
    vec![Job {
        name: "mail.drain",
        every: Duration::from_secs(2),
        action: may("house", "mail"),
        serve: post("mail.drained", with(mailer, drain)),
    }]
}

/// Delivers what is due and notes the outcome in one batch, which leaves the house one leaf with numbers only.
///
/// `NotFound`: nothing was due, so there is nothing to note.
async fn drain(mailer: Arc<Mailer>, call: Changing<()>) -> Result<Done<()>, Failure> {
    let peer = call.tx.permit().principal().peer();
    let (at, request) = (peer.at(), peer.request());
    let due = call.tx.all(&sql::DUE, (at, ROUND)).await?;
    if due.is_empty() {
        return Err(Failure::NotFound);
    }
    let attempts: Vec<_> = due.iter().map(|(id, payload, _)| mailer.deliver(id, payload, at)).collect();
    let outcomes: Vec<_> = stream::iter(attempts).buffered(AT_ONCE).collect().await;
    let (mut batch, mut sent, mut given_up) = (call.tx.batch::<Control>("mail"), 0, 0);
    for ((id, _, attempts), outcome) in due.into_iter().zip(outcomes) {
        let failed = attempts.saturating_add(1);
        let (again, why) = match outcome {
            Ok(()) => {
                sent += 1;
                batch = batch.any(&sql::DONE, (id,));
                continue;
            }
            Err(Attempt::Later(why)) => (retry::next(failed, at), why),
            Err(Attempt::Never(why)) => (None, why),
        };
        mailer.log(request, &id, failed, again.is_none(), why);
        batch = match again {
            Some(due) => batch.any(&sql::LATER, (id, failed, due)),
            None => {
                given_up += 1;
                batch.any(&sql::DONE, (id,))
            }
        };
    }
    let batch = batch.fact("sent", sent.to_string()).fact("given_up", given_up.to_string());
    Ok(Done::ok(batch.commit().await?, ()))
}
