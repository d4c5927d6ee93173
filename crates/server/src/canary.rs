//! Canaries: tenants for whoever tests us. A visitor may borrow two, so that `vouchsafe verify https://host` on their own
//! machine can try the walls between tenants: random hosts, fifteen minutes, few at once, and no mail leaves them.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};

use http::StatusCode;
use integrations::SINK;
use kernel::{Failure, TenantId, Time, may};
use route::{Asking, Changing, Done, Reply, Route, Section, get, post, with};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Control;

use crate::{
    Server,
    people::{self, Person},
};

/// How long any canary lives that nobody waits for, in milliseconds: no round of verification takes longer.
const LIFE: i64 = 15 * 60 * 1000;
/// Between two looks for canaries that are over, in milliseconds.
const SWEEP: i64 = 60_000;
/// Tenants lent to visitors at once.
const AT_ONCE: usize = 8;
/// Tenants lent together: walls have two sides.
const PAIR: usize = 2;

/// Two tenants that a visitor has.
struct Lent {
    /// SHA-256 of what the visitor shows to read their mail.
    key: [u8; 32],
    until: Time,
    addresses: Vec<String>,
}

/// What is lent at present. Forgotten at a restart; the tenants are swept all the same.
#[derive(Default)]
pub(crate) struct Canaries {
    server: OnceLock<Weak<Server>>,
    lent: Mutex<Vec<Lent>>,
}

/// The visitor's key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Key {
    key: String,
}

pub(crate) fn section(canaries: &Arc<Canaries>) -> Section {
    let house =
        |path: &str, verb, tier, serve| Route { path: path.to_owned(), action: may("house", verb), tier, serve };
    Section {
        routes: vec![
            house("/api/v1/canary", "lend", "trust", post("canary.lent", with(canaries, lend))),
            house("/api/v1/canary/{key}/mail", "read", "delivery", get(with(canaries, mail))),
        ],
        ..Section::default()
    }
}

impl Canaries {
    /// Once, when there is a server.
    pub(crate) fn serve(&self, server: &Arc<Server>) {
        let _first = self.server.set(Arc::downgrade(server));
    }
    fn server(&self) -> Result<Arc<Server>, Failure> {
        self.server.get().and_then(Weak::upgrade).ok_or(Failure::Busy(1))
    }
    /// Takes a place, if there is one: before the work, so that many at once do not all find the last.
    fn reserve(&self, key: [u8; 32], now: Time) -> Result<(), Failure> {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        lent.retain(|l| l.until > now);
        if (lent.len() + 1) * PAIR > AT_ONCE {
            let soonest = lent.iter().map(|l| l.until.since(now)).min().unwrap_or(1000);
            return Err(Failure::Busy(u32::try_from(soonest / 1000).unwrap_or(60).max(1)));
        }
        lent.push(Lent { key, until: now.plus(LIFE), addresses: Vec::new() });
        Ok(())
    }
    fn change<T>(&self, key: &[u8; 32], with: impl FnOnce(&mut Lent) -> T) -> Option<T> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().find(|l| l.key == *key).map(with)
    }
    fn release(&self, key: &[u8; 32]) {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner).retain(|l| l.key != *key);
    }
}

/// Two tenants with an owner and a member of the least role each.
async fn lend(canaries: Arc<Canaries>, call: Changing<()>) -> Result<Done<Reply>, Failure> {
    let server = canaries.server()?;
    let now = call.tx.permit().principal().at();
    let key = hex::encode(server.rng.array::<24>());
    let hash = encryption::hash::sha256(key.as_bytes());
    canaries.reserve(hash, now)?;
    let made = async {
        let receipt = call.tx.batch::<Control>("canary").commit().await?;
        let pair = vec![found(&server).await?, found(&server).await?];
        Ok::<_, Failure>((receipt, pair))
    };
    let (receipt, pair) = made.await.inspect_err(|_| canaries.release(&hash))?;
    let addresses = pair.iter().flat_map(|(_, people)| people.iter().map(|p| p.email.clone())).collect();
    canaries.change(&hash, |lent| lent.addresses = addresses);
    let tenants: Vec<Value> = pair.iter().map(|(tenant, _)| tenant.clone()).collect();
    let body = json!({"tenants": tenants, "key": key, "mail": format!("/api/v1/canary/{key}/mail"), "until": now.plus(LIFE).to_string()});
    Ok(Done::ok(receipt, Reply::json(StatusCode::CREATED, body.to_string())))
}

async fn found(server: &Server) -> Result<(Value, Vec<Person>), Failure> {
    let random = || hex::encode(server.rng.array::<8>());
    let roles = [server.app.roles.first(), server.app.roles.last()];
    let password = server.app.auth.methods.contains(&manifest::Method::Password);
    let people: Vec<Person> = roles
        .into_iter()
        .flatten()
        .map(|role| Person {
            email: format!("{}@{SINK}", random()),
            name: "Canary".to_owned(),
            role: Some(role.id.to_owned()),
            password: password.then(|| format!("Rowan-{}-{}", random(), random())),
            subject: None,
        })
        .collect();
    let slug = format!("c{}", random());
    let wish = people::Wish { slug: &slug, name: &slug, region: None, canary: true, people: &people };
    let made = people::found(server, "visitor", &wish).await?;
    server.mailer.lend(made.id);
    // Longer than the tenant itself: it is swept a minute late at most.
    server.limits.lend(made.id, server.clock.now().plus(LIFE + 2 * SWEEP));
    let told: Vec<Value> = people
        .iter()
        .zip(&made.people)
        .map(|(p, m)| json!({"email": p.email, "password": p.password, "role": m.role, "user": m.user}))
        .collect();
    Ok((json!({"id": made.id, "slug": slug, "url": made.url, "people": told}), people))
}

/// What was written to the people of a visitor's canaries.
async fn mail(canaries: Arc<Canaries>, call: Asking<Key>) -> Result<Reply, Failure> {
    let now = call.tx.permit().principal().at();
    let hash = encryption::hash::sha256(call.input.key.as_bytes());
    let addresses = canaries.change(&hash, |lent| (lent.until > now).then(|| lent.addresses.clone())).flatten();
    let addresses = addresses.ok_or(Failure::NotFound)?;
    let mails = canaries.server()?.mailer.sunk(&|to| addresses.iter().any(|a| a == to));
    let list: Vec<Value> = mails.iter().map(|m| json!({"to": m.to, "subject": m.subject, "text": m.text})).collect();
    Ok(Reply::json(StatusCode::OK, json!({ "mails": list }).to_string()))
}

/// Removes canaries that nobody needs any more, as long as the server runs.
pub(crate) fn tidy(server: &Arc<Server>, kept: impl Fn() -> Vec<TenantId> + Send + 'static) {
    // What bounded those of the time before, loans and sinks, went with that process: none of them goes on.
    let mut before = server.clock.now();
    let server = Arc::downgrade(server);
    tokio::spawn(async move {
        while let Some(server) = server.upgrade() {
            sweep(&server, &kept(), before).await;
            before = server.clock.now().plus(-LIFE);
            drop(server);
            tokio::time::sleep(Duration::from_millis(SWEEP.unsigned_abs())).await;
        }
    });
}

/// Deletes canaries that outlived their use: a prober may have been killed, a server restarted, a visitor gone home.
async fn sweep(server: &Server, kept: &[TenantId], before: Time) {
    let old = server.tenancy.canaries(before).await.unwrap_or_default();
    for tenant in old.into_iter().filter(|id| !kept.contains(id)) {
        let gone = async {
            let tx = server.house_tx("verify", "tenant.deleted").await?;
            let batch = tx.batch::<Control>(format!("tenant/{tenant}"));
            tenancy::delete(batch, tenant, server.clock.now()).commit().await
        };
        if let Err(failure) = gone.await {
            server.monitor.failure(&failure, None, Some(tenant));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_few_and_come_back() {
        let canaries = Canaries::default();
        for n in 0..4 {
            assert!(canaries.reserve([n; 32], Time(0)).is_ok());
        }
        assert_eq!(canaries.reserve([9; 32], Time(1000)), Err(Failure::Busy(899)));
        canaries.release(&[2; 32]);
        assert!(canaries.reserve([9; 32], Time(1000)).is_ok());
        assert!(canaries.reserve([10; 32], Time(2000)).is_err());
        assert!(canaries.reserve([10; 32], Time(LIFE + 1)).is_ok());
    }
}
