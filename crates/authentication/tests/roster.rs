//! Members come, change and go; the last owner stays.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;

use std::sync::Arc;

use bench::{Bench, FIRM};
use kernel::{Failure, Reason, Standing, TenantId, UserId};
use store::{Batch, Control};
use tenancy::roster;

const OWNER: Standing = Standing { role: 0, suspended: false };
const CLERK: Standing = Standing { role: 1, suspended: false };

async fn batch(b: &Bench) -> Batch<Control> {
    b.house("member.changed").await.batch::<Control>("member")
}
async fn standing(b: &Bench, tenant: TenantId, user: UserId) -> Option<Standing> {
    roster::standing(&b.lookup, &b.app, tenant, user).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_owner_stays() {
    let b = Bench::new(FIRM).await;
    let (acme, owner) = b.tenant("acme").await;
    let last = Failure::Refused(Reason::LastOwner);
    let demote = roster::change_role(batch(&b).await, &b.app, acme, owner, OWNER, 1);
    assert_eq!(demote.commit().await.err(), Some(last.clone()));
    let suspend = roster::suspend(batch(&b).await, &b.app, acme, owner, OWNER, true);
    assert_eq!(suspend.commit().await.err(), Some(last.clone()));
    let remove = roster::remove(batch(&b).await, &b.app, acme, owner, OWNER);
    assert_eq!(remove.commit().await.err(), Some(last));
    assert_eq!(standing(&b, acme, owner).await, Some(OWNER));

    let clerk = b.member(acme, "clerk@acme.example", 1).await;
    roster::change_role(batch(&b).await, &b.app, acme, clerk, CLERK, 0).commit().await.unwrap();
    roster::remove(batch(&b).await, &b.app, acme, owner, OWNER).commit().await.unwrap();
    assert_eq!((standing(&b, acme, owner).await, standing(&b, acme, clerk).await), (None, Some(OWNER)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_owners_who_leave_at_once_one_stays() {
    let b = Arc::new(Bench::new(FIRM).await);
    let (acme, first) = b.tenant("acme").await;
    let mut owners = vec![first];
    for n in 0..5 {
        owners.push(b.member(acme, &format!("owner{n}@acme.example"), 0).await);
    }
    let leaving: Vec<_> = owners
        .into_iter()
        .map(|user| {
            let b = Arc::clone(&b);
            tokio::spawn(async move {
                roster::remove(batch(&b).await, &b.app, acme, user, OWNER).commit().await.map(|_| ())
            })
        })
        .collect();
    let mut stayed = 0;
    for each in leaving {
        stayed += usize::from(each.await.unwrap() == Err(Failure::Refused(Reason::LastOwner)));
    }
    assert_eq!(stayed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_an_old_standing_does_not_commit() {
    let b = Bench::new(FIRM).await;
    let (acme, _) = b.tenant("acme").await;
    let clerk = b.member(acme, "clerk@acme.example", 1).await;
    let old = Standing { role: 1, suspended: true };
    let batch = roster::remove(batch(&b).await, &b.app, acme, clerk, old);
    assert!(matches!(batch.commit().await.err(), Some(Failure::Conflict(_))));
    let again = roster::Newcomer { user: clerk, role: 1, email: None, name: None, at: b.now() };
    let batch = roster::add(self::batch(&b).await, &b.app, acme, again);
    assert!(matches!(batch.commit().await.err(), Some(Failure::Conflict(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_members_principal_says_so_on_the_next_request() {
    let b = Bench::new(FIRM).await;
    let (acme, _) = b.tenant("acme").await;
    let clerk = b.member(acme, "clerk@acme.example", 1).await;
    let token = b.sign_in("acme.localhost:8080", "clerk@acme.example").await.text("access_token");
    let me = "acme.localhost:8080/api/v1/me";
    let suspended = async || b.get_as(&token, me).await.unwrap().body["membership"]["suspended"].as_bool().unwrap();
    assert!(!suspended().await);
    roster::suspend(batch(&b).await, &b.app, acme, clerk, CLERK, true).commit().await.unwrap();
    assert!(suspended().await);
    let now = Standing { role: 1, suspended: true };
    roster::suspend(batch(&b).await, &b.app, acme, clerk, now, false).commit().await.unwrap();
    assert!(!suspended().await);
    assert_eq!(b.leaves(acme).await.iter().filter(|(action, ..)| action == "member.changed").count(), 2);
}
