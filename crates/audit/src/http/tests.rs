use std::{net::Ipv4Addr, sync::Arc};

use encryption::OsRng;
use futures_util::TryStreamExt;
use kernel::{
    Actor, Caller, Clock, Credential, Event, Grant, Home, Id, Keys, Mode, Outcome, Peer, Permit, Place, Principal,
    RequestId, Site, Source, Status, Steered, Tenant, TenantId, UserId, Write,
};
use serde_json::Value;
use store::{Change, Engine, Lookup, Options, Own, Store, statements};

use super::*;
use crate::{Chained, verify_export};

const START: Time = Time(1_777_887_000_000);

statements! {
    /// What somebody with the file could do.
    FORGE: Change<Own, (Vec<u8>, i64)> = "UPDATE _leaf SET body = $1 WHERE seq = $2";
    FORGE_BOTH: Change<Own, (Vec<u8>, Vec<u8>, i64)> = "UPDATE _leaf SET body = $1, hash = $2 WHERE seq = $3";
    REMOVE: Change<Own, (i64,)> = "DELETE FROM _leaf WHERE seq = $1";
    MOVE: Change<Own, (i64, i64)> = "UPDATE _leaf SET seq = $1 WHERE seq = $2";
    INSERT: Change<Own, (i64, i64)> =
        "INSERT INTO _leaf (seq, body, hash, at) SELECT $1, body, hash, at FROM _leaf WHERE seq = $2";
    ERASE: Change<Own, (i64,)> = "DELETE FROM _leaf_value WHERE leaf = $1";
}

struct House {
    _folder: tempfile::TempDir,
    store: Store,
    keys: Keys,
    clock: Arc<Steered>,
}

#[expect(clippy::disallowed_methods, reason = "a test bench")]
fn keys() -> Keys {
    Keys::forge()
}

fn tenant(n: u8) -> TenantId {
    TenantId(Id::v7(Time(5), [n; 10]))
}

fn person(n: u8) -> UserId {
    UserId(Id::v7(Time(6), [n; 10]))
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Steered::at(START));
        let store = Store::open(Options {
            folder: folder.path().to_owned(),
            engine: Engine::Sqlite,
            tables: Vec::new(),
            chain: Arc::new(Chained::new([7; 32])),
            clock: clock.clone(),
            rng: Arc::new(OsRng),
        })
        .await
        .unwrap();
        Self { _folder: folder, store, keys: keys(), clock }
    }
    /// `count` leaves a second apart, by two people, of two actions.
    async fn with(count: u8) -> Self {
        let house = Self::open().await;
        for n in 0..count {
            house.note(tenant(1), n).await;
        }
        house
    }
    async fn note(&self, tenant: TenantId, n: u8) {
        let event = Event {
            name: if n % 3 == 0 { "member.invited" } else { "record.created" },
            actor: Actor::Account { user: person(n % 2) },
            target: format!("notes/{n}"),
            outcome: Outcome::Done,
            source: Source::Api,
            request: RequestId(Id::v7(Time(7), [n; 10])),
            fields: if n % 3 == 0 { vec![("email", format!("p{n}@example.com"))] } else { Vec::new() },
        };
        Lookup::new(&self.keys.caller, &self.store).note(tenant, event).await.unwrap();
        self.clock.advance(1000);
    }
    fn tx<M: Mode>(&self, tenant: TenantId) -> Tx<M> {
        let keys = &self.keys;
        let home = Arc::new(Home {
            id: tenant,
            slug: "acme".into(),
            name: "Acme".into(),
            region: "eu".into(),
            url: "http://acme.localhost".into(),
            status: Status::Active,
            modules: Vec::new(),
        });
        let place = Place::Tenant(home.clone());
        let peer = Peer::seen(&keys.peer, Ipv4Addr::LOCALHOST.into(), RequestId::default(), true, self.clock.now());
        let caller = Caller::known(&keys.caller, Site::at(&keys.site, peer, place), Credential::None);
        let found = Tenant::found(&keys.tenant, caller, home);
        let principal = Principal::known(&keys.principal, found, Actor::Member { user: person(0), role: 0 }, false);
        Tx::open(&self.store, Permit::grant(&keys.permit, principal, "audit.exported", Grant::PLAIN))
    }
    async fn page(&self, query: &str) -> Result<Value, Failure> {
        let members: serde_json::Map<String, Value> =
            route::form(query.as_bytes()).unwrap().into_iter().map(|(n, v)| (n, Value::String(v))).collect();
        let input = serde_json::from_value(Value::Object(members)).map_err(|_| Failure::bad("shape"))?;
        let page = list(Asking { tx: self.tx(tenant(1)), input }).await?;
        Ok(serde_json::to_value(page).unwrap())
    }
    async fn places(&self, query: &str) -> (Vec<u64>, Value) {
        let page = self.page(query).await.unwrap();
        let seqs = page["items"].as_array().unwrap().iter().map(|i| i["leaf"]["seq"].as_u64().unwrap()).collect();
        (seqs, page["next"].clone())
    }
    async fn checked(&self) -> Checked {
        check(Asking { tx: self.tx(tenant(1)), input: () }).await.unwrap()
    }
    async fn exported(&self) -> Vec<u8> {
        let Run::Write(run) = get_audited("audit.exported", export).run else { panic!() };
        let raw = route::Raw {
            params: Vec::new(),
            query: Vec::new(),
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            stream: None,
        };
        let keys = &self.keys;
        let _ = keys;
        let permit = self.permit();
        let reply = run(&self.store, permit, raw, None).await.unwrap();
        assert_eq!(reply.headers["content-type"], "application/jsonl");
        let Body::Stream(stream) = reply.body else { panic!() };
        stream.try_fold(Vec::new(), |mut all, piece| async move {
            all.extend(piece);
            Ok(all)
        })
        .await
        .unwrap()
    }
}
