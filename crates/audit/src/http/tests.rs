use std::{net::Ipv4Addr, sync::Arc};

use encryption::OsRng;
use futures_util::TryStreamExt;
use kernel::{
    Actor, Caller, Clock, Credential, Event, Grant, Home, Id, Keys, Mode, Outcome, Peer, Permit, Place, Principal,
    RequestId, Site, Source, Status, Steered, Tenant, TenantId, UserId, Write,
};
use route::Run;
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
        store.create(tenant(1)).await.unwrap();
        store.create(tenant(2)).await.unwrap();
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
            name: if n.is_multiple_of(3) { "member.invited" } else { "record.created" },
            actor: Actor::Account { user: person(n % 2) },
            target: format!("notes/{n}"),
            outcome: Outcome::Done,
            source: Source::Api,
            request: RequestId(Id::v7(Time(7), [n; 10])),
            fields: if n.is_multiple_of(3) { vec![("email", format!("p{n}@example.com"))] } else { Vec::new() },
        };
        Lookup::new(&self.keys.caller, &self.store).note(tenant, event).await.unwrap();
        self.clock.advance(1000);
    }
    fn permit<M: Mode>(&self, tenant: TenantId) -> Permit<M> {
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
        Permit::grant(&keys.permit, principal, "audit.exported", Grant::PLAIN)
    }
    fn tx<M: Mode>(&self, tenant: TenantId) -> Tx<M> {
        Tx::open(&self.store, self.permit(tenant))
    }
    async fn body(&self, seq: i64) -> Vec<u8> {
        let tx: Tx<Read> = self.tx(tenant(1));
        tx.one(&sql::FORWARD, (seq, seq + 1, 1)).await.unwrap().1
    }
    /// Changes the log behind the writer's back; the change itself leaves one more leaf at the end.
    async fn tamper<A: store::Args>(&self, change: &Change<Own, A>, args: A) {
        let tx: Tx<Write> = self.tx(tenant(1));
        tx.batch::<Own>("tamper").rows(1, change, args).commit().await.unwrap();
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
        let reply = run(&self.store, self.permit(tenant(1)), raw, None).await.unwrap();
        assert_eq!(reply.headers["content-type"], "application/jsonl");
        let Body::Stream(stream) = reply.body else { panic!() };
        stream
            .try_fold(Vec::new(), |mut all, piece| async move {
                all.extend(piece);
                Ok(all)
            })
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn the_log_is_read_in_pages_from_either_end() {
    let house = House::with(10).await;
    assert_eq!(house.places("limit=4").await, (vec![0, 1, 2, 3], 3.into()));
    assert_eq!(house.places("limit=4&after=3").await, (vec![4, 5, 6, 7], 7.into()));
    assert_eq!(house.places("limit=4&after=7").await, (vec![8, 9], Value::Null));
    assert_eq!(house.places("limit=4&order=newest").await, (vec![9, 8, 7, 6], 6.into()));
    assert_eq!(house.places("limit=4&order=newest&after=6").await, (vec![5, 4, 3, 2], 2.into()));
    assert_eq!(house.places("limit=4&order=newest&after=2").await, (vec![1, 0], Value::Null));
    assert_eq!(house.places("after=9").await, (vec![], Value::Null));
    assert_eq!(house.places("after=0&order=newest").await, (vec![], Value::Null));
    assert_eq!(house.places("").await.0.len(), 10);
}

#[tokio::test]
async fn filters_name_action_actor_target_and_time() {
    let house = House::with(10).await;
    assert_eq!(house.places("action=member.invited").await, (vec![0, 3, 6, 9], Value::Null));
    assert_eq!(house.places("action=member.invited&limit=2").await, (vec![0, 3], 3.into()));
    assert_eq!(house.places("action=member.invited&limit=2&after=3").await.0, [6, 9]);
    assert_eq!(house.places("action=member.invited&limit=2&order=newest").await, (vec![9, 6], 6.into()));
    assert_eq!(house.places(&format!("actor=user/{}", person(1))).await.0, [1, 3, 5, 7, 9]);
    assert_eq!(house.places("target=notes/4").await, (vec![4], Value::Null));
    assert_eq!(house.places("action=member").await, (vec![], Value::Null));
    let at = |seconds: i64| START.plus(seconds * 1000).to_string();
    assert_eq!(house.places(&format!("from={}&to={}", at(3), at(6))).await, (vec![3, 4, 5], Value::Null));
    assert_eq!(house.places(&format!("from={}", START.plus(2001))).await.0, [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(house.places(&format!("from={}", at(99))).await, (vec![], Value::Null));
    assert_eq!(house.places(&format!("to={}&order=newest&limit=2", at(5))).await, (vec![4, 3], 3.into()));
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let house = House::with(1).await;
    for query in
        ["limit=0", "limit=201", "limit=x", "order=up", "after=-1", "after=9223372036854775807", "from=now", "to="]
    {
        assert!(matches!(house.page(query).await, Err(Failure::Invalid(_))), "{query}");
    }
    assert!(house.page("who=me").await.is_err());
}

#[tokio::test]
async fn items_show_the_stored_bytes_and_what_was_not_erased() {
    let house = House::with(2).await;
    let page = serde_json::to_string(&list_of(&house).await).unwrap();
    assert!(page.contains(std::str::from_utf8(&house.body(0).await).unwrap()));
    let page = house.page("").await.unwrap();
    let item = &page["items"][0];
    assert_eq!(item["values"]["email"]["value"], "p0@example.com");
    let salt: [u8; 32] = hex::decode(item["values"]["email"]["salt"].as_str().unwrap()).unwrap().try_into().unwrap();
    let commitment = crate::commitment(item["leaf"]["id"].as_str().unwrap(), "email", &salt, "p0@example.com");
    assert_eq!(item["leaf"]["fields"]["email"], hex::encode(commitment));
    assert_eq!(item["hash"], page["items"][1]["leaf"]["prev"]);
    assert_eq!(page["items"][1]["values"], serde_json::json!({}));

    house.tamper(&ERASE, (0,)).await;
    assert_eq!(house.page("").await.unwrap()["items"][0]["values"], serde_json::json!({}));
    assert!(house.checked().await.intact, "erasure does not break the chain");
}

async fn list_of(house: &House) -> Page {
    list(Asking { tx: house.tx(tenant(1)), input: Asked::default() }).await.unwrap()
}

#[tokio::test]
async fn a_tenant_reads_its_own_log_only() {
    let house = House::with(3).await;
    house.note(tenant(2), 5).await;
    assert_eq!(house.places("").await.0.len(), 3);
    assert_eq!(house.places("target=notes/5").await.0, [0u64; 0]);
    let other = check(Asking { tx: house.tx(tenant(2)), input: () }).await.unwrap();
    assert_eq!((other.intact, other.size), (true, 1));
}

#[tokio::test]
async fn an_export_is_the_log_checks_out_and_leaves_a_leaf() {
    let house = House::with(7).await;
    let text = house.exported().await;
    let report = verify_export(text.as_slice()).unwrap();
    assert_eq!((report.leaves, report.broken), (7, None));
    let text = house.exported().await;
    let report = verify_export(text.as_slice()).unwrap();
    assert_eq!((report.leaves, report.broken), (8, None));
    let last = Leaf::parse(text.trim_ascii_end().rsplit(|b| *b == b'\n').next().unwrap()).unwrap();
    assert_eq!((last.action.as_ref(), last.target.as_ref()), ("audit.exported", "audit"));
    let checked = house.checked().await;
    assert_eq!((checked.intact, checked.size), (true, 9));
    assert_eq!(house.page("after=7").await.unwrap()["items"][0]["leaf"]["prev"], report.head);
}

#[tokio::test]
async fn an_export_longer_than_a_slice_is_whole() {
    let house = House::open().await;
    for n in 0..SLICE + 20 {
        house.note(tenant(1), u8::try_from(n % 250).unwrap()).await;
    }
    assert_eq!(verify_export(house.exported().await.as_slice()).unwrap().leaves, 520);
    let checked = house.checked().await;
    assert_eq!((checked.intact, checked.size), (true, 521));
    // A rare filter looks past several slices.
    assert_eq!(house.places("action=audit.exported").await, (vec![520], Value::Null));
}

#[tokio::test]
async fn the_check_of_an_empty_log_holds() {
    let house = House::open().await;
    let checked = house.checked().await;
    assert_eq!((checked.intact, checked.size, checked.broken_at), (true, 0, None));
}

fn verdict(checked: &Checked) -> (bool, Option<u64>, Option<&str>) {
    (checked.intact, checked.broken_at, checked.why)
}

#[tokio::test]
async fn the_check_names_an_edit_a_removal_an_insertion_and_a_swap() {
    let edited = House::with(6).await;
    let mut body = String::from_utf8(edited.body(2).await).unwrap();
    body = body.replace("notes/2", "notes/3");
    edited.tamper(&FORGE, (body.clone().into_bytes(), 2)).await;
    assert_eq!(verdict(&edited.checked().await), (false, Some(2), Some("changed")));

    let careful = House::with(6).await;
    let body = String::from_utf8(careful.body(2).await).unwrap().replace("notes/2", "notes/3").into_bytes();
    careful.tamper(&FORGE_BOTH, (body.clone(), leaf_hash(&body).to_vec(), 2)).await;
    assert_eq!(verdict(&careful.checked().await), (false, Some(3), Some("prev")));

    let removed = House::with(6).await;
    removed.tamper(&REMOVE, (4,)).await;
    assert_eq!(verdict(&removed.checked().await), (false, Some(4), Some("place")));

    let front = House::with(6).await;
    front.tamper(&REMOVE, (0,)).await;
    assert_eq!(verdict(&front.checked().await), (false, Some(0), Some("place")));

    let inserted = House::with(6).await;
    inserted.tamper(&INSERT, (99, 2)).await;
    assert_eq!(verdict(&inserted.checked().await), (false, Some(7), Some("long")));

    let swapped = House::with(6).await;
    for (to, from) in [(100, 1), (1, 3), (3, 100)] {
        swapped.tamper(&MOVE, (to, from)).await;
    }
    assert_eq!(verdict(&swapped.checked().await), (false, Some(1), Some("place")));
}

#[tokio::test]
async fn the_check_names_a_cut_end() {
    let house = House::with(6).await;
    house.tamper(&REMOVE, (5,)).await;
    // The leaf of the change itself took place 6.
    assert_eq!(verdict(&house.checked().await), (false, Some(5), Some("place")));
    house.tamper(&REMOVE, (6,)).await;
    house.tamper(&REMOVE, (7,)).await;
    assert_eq!(verdict(&house.checked().await), (false, Some(5), Some("place")));
}
