use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use encryption::{OsRng, Vault};
use futures_util::TryStreamExt;
use kernel::{
    Actor, Caller, Clock, Credential, DAY, Event, Grant, Home, Id, Keys, Mode, Outcome, Peer, Permit, Place, Principal,
    RequestId, Secret, Site, Source, Status, Steered, Tenant, TenantId, UserId, Write,
};
use route::{Body, Run, with};
use serde_json::{Value, json};
use store::{Change, Control, Engine, Lookup, Options, Own, Store, statements};

use super::{export, *};
use crate::{Chained, Means, Report, Trust, Vkey, verify_export, verify_with};

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

pub(crate) struct House {
    folder: tempfile::TempDir,
    store: Store,
    pub(crate) audit: Arc<Audit>,
    keys: Keys,
    pub(crate) clock: Arc<Steered>,
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
    pub(crate) async fn open() -> Self {
        let house = Self::at(tempfile::tempdir().unwrap(), Arc::new(Steered::at(START))).await;
        house.store.create(tenant(1)).await.unwrap();
        house.store.create(tenant(2)).await.unwrap();
        house
    }
    async fn at(folder: tempfile::TempDir, clock: Arc<Steered>) -> Self {
        let store = Store::open(Options {
            folder: folder.path().to_owned(),
            engine: Engine::Sqlite,
            tables: crate::tables().into_iter().chain(encryption::tables()).collect(),
            chain: Arc::new(Chained::new([7; 32])),
            clock: clock.clone(),
            rng: Arc::new(OsRng),
        })
        .await
        .unwrap();
        let keys = keys();
        let audit = Self::service(&store, &keys, folder.path(), &clock);
        Self { folder, store, audit, keys, clock }
    }
    fn service(store: &Store, keys: &Keys, folder: &std::path::Path, clock: &Arc<Steered>) -> Arc<Audit> {
        let roots = vec![("eu", Secret::new([3; 32]))];
        let lookup = Lookup::new(&keys.permit, store);
        let vault = Vault::new(lookup, roots, folder.join("keys"), Arc::new(OsRng), clock.clone()).unwrap();
        Arc::new(Audit::new(Means {
            vault,
            clock: clock.clone(),
            rng: Arc::new(OsRng),
            domain: "app.example".into(),
            name: "App".into(),
            retention: 366 * DAY,
        }))
    }
    /// `count` leaves a second apart, by two people, of two actions.
    async fn with(count: u8) -> Self {
        let house = Self::open().await;
        for n in 0..count {
            house.note(tenant(1), n).await;
        }
        house
    }
    pub(crate) async fn note(&self, tenant: TenantId, n: u8) {
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
        self.permit_for(tenant, "audit.exported")
    }
    fn permit_for<M: Mode>(&self, tenant: TenantId, event: &'static str) -> Permit<M> {
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
        Permit::grant(&keys.permit, principal, event, Grant::PLAIN)
    }
    pub(crate) fn tx<M: Mode>(&self, tenant: TenantId) -> Tx<M> {
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
    async fn exported(&self, query: &str) -> Vec<u8> {
        let serve = get_audited("audit.exported", with(&self.audit, export::export));
        let Run::Write(run) = serve.run else { panic!() };
        let raw = route::Raw {
            params: Vec::new(),
            query: route::form(query.as_bytes()).unwrap(),
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
    let text = house.exported("format=jsonl").await;
    let report = verify_export(text.as_slice()).unwrap();
    assert_eq!((report.leaves, report.broken), (7, None));
    let text = house.exported("format=jsonl").await;
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
    assert_eq!(verify_export(house.exported("format=jsonl").await.as_slice()).unwrap().leaves, 520);
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

/// The same folder after a restart, with `tenant(1)`'s database put where `place` says in between.
async fn restarted(house: House, place: impl FnOnce(&std::path::Path)) -> House {
    house.store.close().await;
    let House { folder, clock, .. } = house;
    let id = tenant(1).to_string();
    place(&folder.path().join("t").join(&id[34..]).join(format!("{id}.db")));
    House::at(folder, clock).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_in_the_databases_place_is_no_whole_log() {
    let aside = tempfile::tempdir().unwrap();
    let old = aside.path().join("old.db");
    let house = restarted(House::with(6).await, |live| std::fs::copy(live, &old).map(drop).unwrap()).await;
    for n in 6..9 {
        house.note(tenant(1), n).await;
    }
    house.close(tenant(1), TODAY, false).await.unwrap();
    assert!(house.checked().await.intact);
    let house = restarted(house, |live| {
        std::fs::copy(&old, live).unwrap();
        for rest in ["db-wal", "db-shm"] {
            let _there_or_not = std::fs::remove_file(live.with_extension(rest));
        }
    })
    .await;
    assert_eq!(verdict(&house.checked().await), (false, Some(6), Some("short")));
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

impl House {
    /// Closes a day of a log as the job does; `crash`: after the leaf, before the checkpoint is published.
    pub(crate) async fn close(&self, tenant: TenantId, day: i64, crash: bool) -> Result<(), Failure> {
        let sealed = self.audit.close_day(self.named(tenant, "log.day_closed"), day).await?;
        if !crash {
            let batch = self.named(TenantId::HOUSE, "log.published").batch::<Control>("day");
            crate::publish(batch, std::slice::from_ref(&sealed)).commit().await?;
            crate::tidy(vec![sealed]).await;
        }
        Ok(())
    }
    pub(crate) fn named(&self, tenant: TenantId, event: &'static str) -> Tx<Write> {
        Tx::open(&self.store, self.permit_for(tenant, event))
    }
    async fn get<In: serde::de::DeserializeOwned>(&self, members: Value) -> Asking<In> {
        Asking { tx: self.tx(tenant(1)), input: serde_json::from_value(members).unwrap() }
    }
    async fn days(&self) -> Vec<Value> {
        let days = published::days(Arc::clone(&self.audit), self.get(Value::Null).await).await.unwrap();
        serde_json::to_value(days).unwrap()["days"].as_array().unwrap().clone()
    }
    fn vkey(&self) -> Vkey {
        let permit: Permit<Read> = self.permit(tenant(1));
        self.audit.key(permit.principal().home()).unwrap().1
    }
    async fn verified(&self, query: &str, since: Option<&str>) -> Report {
        let text = self.exported(query).await;
        verify_with(text.as_slice(), &Trust { since: since.map(str::to_owned), key: Some(self.vkey()) }).unwrap()
    }
    async fn tile(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let reply = published::tile(self.get(json!({"path": path})).await).await?;
        let Body::Bytes(bytes) = reply.body else { panic!() };
        Ok(bytes.to_vec())
    }
}

fn text(reply: route::Reply) -> String {
    let Body::Bytes(bytes) = reply.body else { panic!() };
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) const TODAY: i64 = START.0 / DAY;

#[tokio::test]
async fn a_day_is_closed_once_whatever_happens_between() {
    let house = House::with(5).await;
    house.close(tenant(1), TODAY, true).await.unwrap();
    house.note(tenant(1), 9).await;
    house.close(tenant(1), TODAY, true).await.unwrap();
    assert!(house.days().await.is_empty(), "nothing is shown before it is published");
    house.close(tenant(1), TODAY, false).await.unwrap();
    let first = house.days().await;
    house.close(tenant(1), TODAY, false).await.unwrap();
    assert_eq!(house.days().await, first);
    assert_eq!((first.len(), first[0]["size"].as_i64()), (1, Some(6)));
    assert_eq!(house.places("action=log.day_closed").await.0, [5]);

    // A quiet day, one that the clock skipped, and a clock that went back.
    house.clock.advance(DAY);
    house.close(tenant(1), TODAY + 1, false).await.unwrap();
    house.clock.advance(3 * DAY);
    house.close(tenant(1), TODAY + 4, false).await.unwrap();
    house.clock.advance(-2 * DAY);
    house.note(tenant(1), 3).await;
    house.close(tenant(1), TODAY + 2, false).await.unwrap();
    let sizes: Vec<i64> = house.days().await.iter().map(|day| day["size"].as_i64().unwrap()).collect();
    assert_eq!(sizes, [11, 9, 8, 6]);
    assert!(house.checked().await.intact);
    for day in house.days().await {
        let note = day["checkpoint"].as_str().unwrap();
        let report = house.verified("", Some(note)).await;
        assert_eq!((report.fault, report.since), (None, day["size"].as_u64()));
    }
}

#[tokio::test]
async fn two_closings_at_once_make_one_leaf() {
    let house = House::with(5).await;
    let closings = (0..6).map(|_| house.close(tenant(1), TODAY, false));
    for outcome in futures_util::future::join_all(closings).await {
        outcome.unwrap();
    }
    assert_eq!(house.places("action=log.day_closed").await.0, [5]);
    assert_eq!(house.days().await.len(), 1);
}

#[tokio::test]
async fn a_rewritten_log_is_not_signed() {
    for careful in [false, true] {
        let house = House::with(5).await;
        house.close(tenant(1), TODAY, false).await.unwrap();
        let mut bodies = Vec::new();
        for seq in 0..6 {
            bodies.push(house.body(seq).await);
        }
        // Leaf 2 changed and, by the careful, every link behind it made to fit.
        let (mut prev, last) = (String::new(), if careful { 6 } else { 3 });
        for seq in 2..last {
            let mut leaf = String::from_utf8(bodies[seq].clone()).unwrap();
            if seq == 2 {
                leaf = leaf.replace("notes/2", "notes/3");
            } else {
                let old = hex::encode(leaf_hash(&bodies[seq - 1]));
                leaf = leaf.replace(&old, &prev);
            }
            prev = hex::encode(leaf_hash(leaf.as_bytes()));
            let hash = leaf_hash(leaf.as_bytes()).to_vec();
            house.tamper(&FORGE_BOTH, (leaf.into_bytes(), hash, i64::try_from(seq).unwrap())).await;
        }
        let checked = house.checked().await;
        assert_eq!((checked.intact, checked.broken_at), (false, if careful { Some(5) } else { Some(3) }));
        let refused = house.close(tenant(1), TODAY + 1, false).await;
        assert!(matches!(&refused, Err(Failure::Internal(why)) if why.contains("not signed")), "{refused:?}");
        assert_eq!(house.days().await.len(), 1);
    }
}

#[tokio::test]
async fn an_export_binds_its_leaves_from_any_place_to_any_size() {
    let house = House::with(20).await;
    assert_eq!(house.verified("", None).await.checkpoint.unwrap().size, 20, "before any day is closed");
    house.close(tenant(1), TODAY, false).await.unwrap();
    house.note(tenant(1), 1).await;
    let note = house.days().await[0]["checkpoint"].as_str().unwrap().to_owned();
    for (query, first, size) in [
        ("", 0, 0),
        ("first=7", 7, 0),
        ("size=9", 0, 9),
        ("first=3&size=4", 3, 4),
        ("first=22&since=22", 22, 0),
        ("first=9&size=23&since=22", 9, 23),
    ] {
        let report = house.verified(query, None).await;
        assert_eq!(report.fault, None, "{query}");
        let signed = report.checkpoint.unwrap().size;
        assert!(size == 0 || signed == size, "{query}");
        assert_eq!(report.leaves, signed - first, "{query}");
        if query.contains("since") || first == 0 && signed >= 22 {
            assert_eq!(house.verified(query, Some(&note)).await.since, Some(22), "{query}");
        }
    }
    let at = |seconds: i64| START.plus(seconds * 1000).to_string();
    let report = house.verified(&format!("from={}&to={}", at(3), at(6)), None).await;
    assert_eq!((report.leaves, report.checkpoint.unwrap().size), (3, 6));
    // Bare lines, for other programs.
    assert_eq!(verify_export(house.exported("format=jsonl").await.as_slice()).unwrap().checkpoint, None);
}

#[tokio::test]
async fn tiles_and_proofs_are_of_the_published_tree() {
    use crate::{merkle::inclusion_root, note::read_proof};
    let house = House::open().await;
    for n in 0..600_u32 {
        house.note(tenant(1), u8::try_from(n % 250).unwrap()).await;
        if n == 299 {
            house.close(tenant(1), TODAY, false).await.unwrap();
        }
    }
    house.close(tenant(1), TODAY + 1, false).await.unwrap();
    house.note(tenant(1), 1).await;
    let days = house.days().await;
    assert_eq!((days[0]["size"].as_u64(), days[1]["size"].as_u64()), (Some(602), Some(301)));
    let newest = crate::Checkpoint::open(days[0]["checkpoint"].as_str().unwrap(), &house.vkey()).unwrap();

    for (path, length) in [
        ("0/000", 8192),
        ("0/001", 8192),
        ("0/002.p/90", 2880),
        ("0/002.p/7", 224),
        ("1/000.p/2", 64),
        ("0/001.p/5", 160),
    ] {
        assert_eq!(house.tile(path).await.unwrap().len(), length, "{path}");
    }
    for path in
        ["0/002", "0/002.p/91", "1/000", "2/000.p/1", "entries/002", "entries/002.p/91", "entries/003.p/1", "0/003.p/1"]
    {
        assert_eq!(house.tile(path).await, Err(Failure::NotFound), "{path}");
    }
    for (path, index, width) in [("entries/000", 0, 256), ("entries/002.p/90", 2, 90), ("entries/002.p/3", 2, 3)] {
        let bundle = house.tile(path).await.unwrap();
        let leaves = crate::tile::split(&bundle, width).unwrap();
        assert_eq!(leaves.iter().map(|leaf| leaf.len() + 2).sum::<usize>(), bundle.len());
        assert_eq!(leaves[width - 1], house.body((index * 256 + width - 1) as i64).await);
    }
    for seq in [0, 1, 255, 256, 300, 511, 512, 600, 601_u64] {
        let file = text(proofs::inclusion(house.get(json!({"leaf": seq.to_string()})).await).await.unwrap());
        let (index, path, note) = read_proof(&file).unwrap();
        let leaf = leaf_hash(&house.body(seq as i64).await);
        assert_eq!((index, note), (seq, days[0]["checkpoint"].as_str().unwrap()));
        assert_eq!(inclusion_root(&leaf, seq, 602, &path), Some(newest.root), "{seq}");
    }
    let found: Value = serde_json::from_str(&text(
        proofs::inclusion(house.get(json!({"leaf": "3", "format": "json"})).await).await.unwrap(),
    ))
    .unwrap();
    assert_eq!(found["values"]["email"]["value"], "p3@example.com");
    let by_id = house.get(json!({"leaf": found["leaf"]["id"]})).await;
    assert_eq!(text(proofs::inclusion(by_id).await.unwrap()), found["proof"]);
    assert!(matches!(proofs::inclusion(house.get(json!({"leaf": "602"})).await).await, Err(Failure::Conflict(_))));
    for unknown in ["603", "x", "01890000-0000-7000-8000-000000000000"] {
        assert!(matches!(proofs::inclusion(house.get(json!({"leaf": unknown})).await).await, Err(Failure::NotFound)));
    }
    let proof = proofs::consistency(house.get(json!({"from": "301"})).await).await.unwrap();
    let proof = serde_json::to_value(proof).unwrap();
    let hash = |v: &Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(v.as_str().unwrap()).unwrap().try_into().unwrap()
    };
    let path: Vec<[u8; 32]> = proof["proof"].as_array().unwrap().iter().map(hash).collect();
    let older = crate::Checkpoint::open(days[1]["checkpoint"].as_str().unwrap(), &house.vkey()).unwrap();
    assert!(crate::merkle::consistent((301, &older.root), (602, &newest.root), &path));
    for query in [json!({"from": "0"}), json!({"from": "603"}), json!({"from": "5", "to": "603"})] {
        assert!(proofs::consistency(house.get(query).await).await.is_err());
    }
}

#[tokio::test]
async fn the_key_set_shows_the_key_and_the_days() {
    let house = House::with(3).await;
    let keys = async || -> Value {
        let reply = published::keys(Arc::clone(&house.audit), house.get(Value::Null).await).await.unwrap();
        serde_json::from_str(&text(reply)).unwrap()
    };
    assert_eq!(keys().await["checkpoints"], json!([]));
    for day in 0..50 {
        house.close(tenant(1), TODAY + day, false).await.unwrap();
        house.clock.advance(DAY);
    }
    let set = keys().await;
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);
    assert_eq!(set["keys"][0]["vkey"], house.vkey().to_string());
    let shown = set["checkpoints"].as_array().unwrap();
    assert_eq!(shown.len(), 40);
    assert_eq!(shown[0]["day"], crate::date(TODAY + 49));
    assert!(crate::Checkpoint::open(shown[39]["checkpoint"].as_str().unwrap(), &house.vkey()).is_some());
    assert!(!set.to_string().contains("salt"));
}

#[tokio::test]
async fn what_has_served_its_time_goes_and_every_proof_stays() {
    let house = House::open().await;
    for n in 0..300_u32 {
        house.note(tenant(1), u8::try_from(n % 250).unwrap()).await;
    }
    house.close(tenant(1), TODAY, false).await.unwrap();
    let old = house.days().await[0]["checkpoint"].as_str().unwrap().to_owned();
    let proof = async |seq: u64| proofs::inclusion(house.get(json!({"leaf": seq.to_string()})).await).await.map(text);
    let before = proof(7).await.unwrap();
    house.clock.advance(366 * DAY - 3000 * 1000);
    assert_eq!(house.audit.prune(house.named(tenant(1), "log.pruned")).await.unwrap(), 0, "not before its time");
    house.clock.advance(4000 * 1000);
    house.note(tenant(1), 1).await;
    assert_eq!(house.audit.prune(house.named(tenant(1), "log.pruned")).await.unwrap(), 256);
    assert_eq!(house.audit.prune(house.named(tenant(1), "log.pruned")).await.unwrap(), 0);
    assert_eq!(house.places("action=log.pruned").await.0.len(), 1);
    assert_eq!(house.places("limit=1").await.0, [256]);
    let checked = house.checked().await;
    assert_eq!((checked.intact, checked.first), (true, 256));
    house.close(tenant(1), TODAY + 366, false).await.unwrap();
    // The bytes are gone, the hashes are not.
    assert!(house.tile("entries/000").await.is_err());
    assert_eq!(house.tile("0/000").await.unwrap().len(), 8192);
    let (index, path, _) = crate::read_proof(&before).unwrap();
    let now = proof(7).await.unwrap();
    let (_, longer, _) = crate::read_proof(&now).unwrap();
    assert!(index == 7 && longer.starts_with(&path[..8]));
    let report = house.verified("", None).await;
    assert_eq!((report.fault.clone(), report.leaves), (None, report.checkpoint.unwrap().size - 256));
    assert_eq!(house.verified("since=301", Some(&old)).await.since, Some(301));
    // Whoever cuts more off, or brings the floor along, is found.
    house.tamper(&REMOVE, (256,)).await;
    assert_eq!(house.checked().await.broken_at, Some(256));
}

#[tokio::test]
async fn an_export_takes_nothing_from_what_is_published() {
    let house = House::with(200).await;
    house.close(tenant(1), TODAY, false).await.unwrap();
    let published = house.tile("entries/000.p/201").await.unwrap();
    for n in 0..100 {
        house.note(tenant(1), n).await;
    }
    assert!(!house.exported("").await.is_empty());
    assert_eq!(house.tile("entries/000.p/201").await.unwrap(), published);
}

#[tokio::test]
async fn a_subject_is_erased_and_every_proof_holds() {
    let house = House::with(10).await;
    house.close(tenant(1), TODAY, false).await.unwrap();
    let before = house.exported("size=11").await;
    let erased =
        crate::erase(house.named(tenant(1), "audit.erased"), &person(1).to_string(), &["p0@example.com".to_owned()])
            .await
            .unwrap();
    assert_eq!((erased.leaves, erased.absent), (6, 0), "five leaves of hers, and one that held the address");
    let page = house.page("").await.unwrap();
    let values: Vec<usize> =
        page["items"].as_array().unwrap().iter().map(|item| item["values"].as_object().unwrap().len()).collect();
    assert_eq!(values[..10], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    assert!(house.checked().await.intact);
    let leaves = |text: &[u8]| text.split(|b| *b == b'\n').skip(1).take(11).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(leaves(&before), leaves(&house.exported("size=11").await));
    // What an act names stays: an address would.
    for subject in ["", "p0@example.com"] {
        assert!(crate::erase(house.named(tenant(1), "audit.erased"), subject, &[]).await.is_err());
    }
    let nobody = person(9).to_string();
    let values = ["P0@Example.com".to_owned(), "nobody@example.com".to_owned()];
    let erased = crate::erase(house.named(tenant(1), "audit.erased"), &nobody, &values).await.unwrap();
    assert_eq!((erased.leaves, erased.absent), (0, 2), "it is gone already");
}

#[tokio::test]
async fn the_instances_day_lists_every_log_once() {
    let house = House::with(3).await;
    house.note(tenant(2), 1).await;
    for one in [tenant(1), tenant(2)] {
        house.close(one, TODAY, false).await.unwrap();
    }
    for _ in 0..2 {
        house.audit.seal_instance(house.named(TenantId::HOUSE, "log.instance_sealed"), TODAY).await.unwrap();
    }
    house.close(TenantId::HOUSE, TODAY, false).await.unwrap();
    let ask = || Asking {
        tx: house.tx(TenantId::HOUSE),
        input: serde_json::from_value(json!({"day": crate::date(TODAY)})).unwrap(),
    };
    let day: Value =
        serde_json::from_str(&text(published::instance_day(Arc::clone(&house.audit), ask()).await.unwrap())).unwrap();
    assert_eq!(day["logs"], 2);
    let label = hex::encode(crate::label(&house.vkey()));
    let mine = &house.days().await[0];
    let salt = hex::decode(mine["salt"].as_str().unwrap()).unwrap();
    let value = crate::instance_value(&crate::label(&house.vkey()), &salt, mine["checkpoint"].as_str().unwrap());
    let entries = day["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["label"] == label).unwrap();
    assert_eq!(entry["value"], hex::encode(value));
    let list: Vec<u8> = entries
        .iter()
        .flat_map(|e| hex::decode(format!("{}{}", e["label"].as_str().unwrap(), e["value"].as_str().unwrap())).unwrap())
        .collect();
    assert_eq!(hex::encode(crate::instance_root(&list).unwrap()), day["root"].as_str().unwrap());
    // The leaf names the root, and is in the tree that the house signs.
    let leaf = day["leaf"].as_str().unwrap();
    assert!(leaf.contains(day["root"].as_str().unwrap()));
    let (index, path, note) = crate::read_proof(day["proof"].as_str().unwrap()).unwrap();
    let permit: Permit<Read> = house.permit(TenantId::HOUSE);
    let key = house.audit.key(permit.principal().home()).unwrap().1;
    let signed = crate::Checkpoint::open(note, &key).unwrap();
    assert_eq!(
        crate::merkle::inclusion_root(&leaf_hash(leaf.as_bytes()), index, signed.size, &path),
        Some(signed.root)
    );
    assert!(house.folder.path().join("blobs").exists());
}

/// Puts the tree of `size` made-up leaves into the store, published; the leaves themselves only as far as the edge.
async fn planted(house: &House, size: u64) -> crate::tile::Edge {
    use futures_util::StreamExt as _;
    let blobs = house.named(tenant(1), "log.published").reader().blobs();
    let (mut edge, mut full) = (crate::tile::Edge::default(), Vec::new());
    for at in 0..size {
        edge.push(leaf_hash(&at.to_be_bytes()), &mut full);
        if full.len() >= 2048 || at + 1 == size {
            let puts = full.drain(..).map(|(tile, bytes)| crate::tree::put(&blobs, tile.object(), bytes));
            futures_util::stream::iter(puts).buffer_unordered(64).for_each(|done| async move { done.unwrap() }).await;
        }
    }
    edge
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; run with --ignored --nocapture, optimised"]
#[expect(clippy::print_stdout, reason = "a measurement")]
async fn cost_of_a_proof_in_ten_million() {
    let house = House::open().await;
    let size = 10_000_000 - 10_000_000 % 256;
    let edge = planted(&house, size).await;
    let grown = State { head: Head { size, hash: [0; 32], at: START }, root: edge.root(), upper: edge.upper() };
    let (mut worst, mut all) = (std::time::Duration::ZERO, std::time::Duration::ZERO);
    let (mut dearest, cpu) = (0, spent());
    for n in 0..200_u64 {
        let seq = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size;
        let (began, before) = (std::time::Instant::now(), spent());
        let reader = house.named(tenant(1), "log.published").reader();
        let mut nodes = Nodes::published(&reader, &grown).await.unwrap().unwrap();
        let path = nodes.inclusion(seq, size).await.unwrap();
        let took = began.elapsed();
        dearest = dearest.max(spent() - before);
        assert_eq!(crate::merkle::inclusion_root(&leaf_hash(&seq.to_be_bytes()), seq, size, &path), Some(grown.root));
        worst = worst.max(took);
        all += took;
    }
    let mean = (spent() - cpu) / 200;
    println!("proof of a leaf of {size}: {mean} us CPU on average, {dearest} us at most");
    println!("from asking to having it: {:?} on average, {worst:?} at worst", all / 200);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; run with --ignored --nocapture, optimised"]
#[expect(clippy::print_stdout, reason = "a measurement")]
async fn cost_of_closing_ten_thousand_logs() {
    use futures_util::StreamExt as _;
    let house = House::open().await;
    let tenants: Vec<TenantId> = (0..10_000_u32)
        .map(|n| {
            let [a, b, c, d] = n.to_be_bytes();
            TenantId(Id::v7(Time(5), [a, b, c, d, 1, 1, 1, 1, 1, 1]))
        })
        .collect();
    let made = tenants.iter().map(|id| async {
        // A loaded machine takes its time to make a file.
        while let Err(failure) = house.store.create(*id).await {
            assert!(matches!(failure, Failure::Busy(_)), "{failure:?}");
        }
    });
    futures_util::stream::iter(made).buffer_unordered(32).for_each(|()| async {}).await;
    for day in 0..2 {
        let began = std::time::Instant::now();
        for some in tenants.chunks(128) {
            let each = some.iter().map(|id| house.audit.close_day(house.named(*id, "log.day_closed"), TODAY + day));
            let sealed: Vec<crate::Sealed> =
                futures_util::stream::iter(each).buffer_unordered(16).map(Result::unwrap).collect().await;
            let batch = house.named(TenantId::HOUSE, "log.published").batch::<Control>("day");
            crate::publish(batch, &sealed).commit().await.unwrap();
            crate::tidy(sealed).await;
        }
        println!("10,000 logs closed in {:?}", began.elapsed());
    }
}

/// CPU time of this process so far, in microseconds.
fn spent() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let own: u64 = stat.split(' ').next().unwrap().parse().unwrap();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    tasks.sum::<u64>().max(own) / 1000
}

/// A leaf alone, written as every write is, 64 under way: an upper bound of what audit adds to a write, since the queue,
/// the transaction and its fsync are the write's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement; run with --ignored --nocapture, optimised"]
#[expect(clippy::print_stdout, reason = "a measurement")]
async fn cost_of_a_leaf_in_a_write() {
    use futures_util::StreamExt as _;
    const MANY: u64 = 40_000;
    let house = House::open().await;
    let lookup = Lookup::new(&house.keys.caller, &house.store);
    let event = |n: u64| Event {
        name: "record.created",
        actor: Actor::Account { user: person(1) },
        target: format!("notes/{n}"),
        outcome: Outcome::Done,
        source: Source::Api,
        request: RequestId(Id::v7(Time(7), [1; 10])),
        fields: Vec::new(),
    };
    let write = async |from: u64, many: u64| {
        let each = (from..from + many).map(|n| lookup.note(tenant(1), event(n)));
        futures_util::stream::iter(each).buffer_unordered(64).for_each(|done| async move { done.unwrap() }).await;
    };
    write(0, 2_000).await;
    let before = spent();
    write(2_000, MANY).await;
    let whole = (spent() - before) as f64 / MANY as f64;
    let (chained, mut head) = (Chained::new([7; 32]), store::Head::default());
    let before = spent();
    for n in 0..MANY {
        head = store::Chain::next(&chained, &head, &event(n), START, &OsRng).head;
    }
    let alone = (spent() - before) as f64 / MANY as f64;
    println!("a leaf written by itself: {whole:.1} us CPU; of it made and hashed: {alone:.1} us");
}
