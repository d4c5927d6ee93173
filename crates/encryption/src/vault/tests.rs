use std::{net::Ipv4Addr, path::Path};

use kernel::{
    Actor, Caller, Credential, Event, Grant, Home, Id, Keys, Peer, Permit, Place, Principal, RequestId, Site, Status,
    Steered, Tenant, Time, Write,
};
use store::{Chain, Control, Engine, Options, Own, Placed, Store, Tx, Value};

use std::sync::atomic::AtomicI64;

use super::*;
use crate::{
    OsRng, key_version,
    ring::{CACHED, Ring},
    sealed::{Column, Columns, Form, Part},
};

struct Unlinked;
impl Chain for Unlinked {
    fn next(&self, head: &store::Head, _: &Event, now: Time, _: &dyn Rng) -> Placed {
        let head = store::Head { size: head.size + 1, hash: [0; 32], at: now };
        Placed { head, body: b"{}".to_vec(), values: Vec::new() }
    }
}

static PUT: store::Change<Own, Vec<Value>> =
    store::Change::fixed("INSERT INTO members (id, iban, mail, draft, draft_key) VALUES ($1, $2, $3, $4, $5)");
type Kept = (Vec<u8>, Vec<u8>, String);
static GET: store::Query<Own, (String,), Kept> =
    store::Query::fixed("SELECT iban, mail, draft FROM members WHERE {every} AND id = $1");

fn members() -> store::Table {
    let table = store::Table::own("members", "no", "no").text("id").opt_blob("iban").sealed().opt_blob("mail").blind();
    table.opt_text("draft").opt_int("draft_key").index(["draft_key"])
}

fn columns() -> Columns {
    let column = |value: &'static str, form, field| Column {
        table: "members".into(),
        key: vec!["id".into()],
        value: value.into(),
        form,
        place: [Part::Fixed("members".into()), field, Part::Column("id".into())],
        purpose: "seal",
        renews: true,
    };
    let fixed = |name: &'static str| Part::Fixed(name.into());
    Columns::new(vec![
        column("iban", Form::Blob { blind: false }, fixed("iban")),
        column("mail", Form::Blob { blind: true }, fixed("mail")),
        column("draft", Form::Json { version: "draft_key".into() }, Part::Member),
    ])
}

struct House {
    folder: tempfile::TempDir,
    store: Store,
    keys: Keys,
}

fn roots() -> Vec<(&'static str, Secret)> {
    vec![("eu", Secret::new([1; 32])), ("us", Secret::new([2; 32]))]
}

#[expect(clippy::disallowed_methods, reason = "a test bench")]
fn keys() -> Keys {
    Keys::forge()
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options {
            folder: folder.path().to_owned(),
            engine: Engine::Sqlite,
            tables: [crate::tables(), vec![members()]].concat(),
            chain: Arc::new(Unlinked),
            clock: Arc::new(Steered::at(Time(1_777_887_000_000))),
            rng: Arc::new(OsRng),
        })
        .await
        .unwrap();
        Self { folder, store, keys: keys() }
    }
    fn keyfolder(&self) -> std::path::PathBuf {
        self.folder.path().join("keys")
    }
    fn vault_of(&self, roots: Vec<(&'static str, Secret)>, folder: &Path) -> Result<Vault, Failure> {
        let clock = Arc::new(Steered::at(Time(1_777_887_000_000)));
        Vault::new(Lookup::new(&self.keys.caller, &self.store), roots, folder.to_owned(), Arc::new(OsRng), clock)
    }
    fn vault(&self) -> Vault {
        self.vault_of(roots(), &self.keyfolder()).unwrap()
    }
    fn tx(&self) -> Tx<Write> {
        let keys = &self.keys;
        let home = Arc::new(Home {
            id: TenantId::HOUSE,
            slug: String::new(),
            name: "house".into(),
            region: "eu".into(),
            url: "http://localhost".into(),
            status: Status::Active,
            modules: Vec::new(),
        });
        let peer = Peer::seen(&keys.peer, Ipv4Addr::LOCALHOST.into(), RequestId::default(), true, Time(1));
        let caller = Caller::known(&keys.caller, Site::at(&keys.site, peer, Place::House), Credential::Job("test"));
        let tenant = Tenant::found(&keys.tenant, caller, home);
        let principal = Principal::known(&keys.principal, tenant, Actor::System("test"), false);
        Tx::open(&self.store, Permit::grant(&keys.permit, principal, "tenant.created", Grant::PLAIN))
    }
    /// A batch in a tenant's own database, as the vault's job.
    fn own(&self, n: u8) -> Tx<Write> {
        let keys = &self.keys;
        let home = Arc::new(Home {
            id: tenant(n),
            slug: "acme".into(),
            name: "acme".into(),
            region: "eu".into(),
            url: "http://localhost".into(),
            status: Status::Active,
            modules: Vec::new(),
        });
        let peer = Peer::seen(&keys.peer, Ipv4Addr::LOCALHOST.into(), RequestId::default(), true, Time(1));
        let caller = Caller::known(&keys.caller, Site::at(&keys.site, peer, Place::House), Credential::Job("test"));
        let principal =
            Principal::known(&keys.principal, Tenant::found(&keys.tenant, caller, home), Actor::System("test"), false);
        Tx::open(&self.store, Permit::grant(&keys.permit, principal, "keys.resealed", Grant::PLAIN))
    }
    async fn put(&self, id: &str, iban: Vec<u8>, mail: Vec<u8>, draft: &str) {
        let row = vec![id.into(), Value::Blob(iban), Value::Blob(mail), draft.into(), Value::Int(1)];
        self.own(1).batch::<Own>("members").rows(1, &PUT, row).commit().await.unwrap();
    }
    async fn row(&self, id: &str) -> (Vec<u8>, Vec<u8>, String) {
        Lookup::new(&self.keys.caller, &self.store).maybe(tenant(1), &GET, (id.to_owned(),)).await.unwrap().unwrap()
    }
    /// A newer key for tenant 1.
    async fn rotate(&self, vault: &Vault) -> u32 {
        let next = vault.next(&vault.newest(tenant(1)).await.unwrap()).await.unwrap();
        let version = next.version();
        next.put(self.tx().batch::<Control>("tenant")).commit().await.unwrap();
        vault.refresh(tenant(1)).await.unwrap();
        version
    }
    async fn make(&self, vault: &Vault, tenant: TenantId, region: &str) {
        let key = vault.new_tenant(tenant, region).await.unwrap();
        key.put(self.tx().batch::<Control>("tenant")).commit().await.unwrap();
    }
}

fn tenant(n: u8) -> TenantId {
    TenantId(Id::v7(Time(5), [n; 10]))
}

fn spot(n: u8) -> Spot<'static> {
    Spot { tenant: tenant(n), region: "eu", collection: "members", field: "iban", row: "r1" }
}

#[tokio::test]
async fn a_value_opens_in_its_place_and_nowhere_else() {
    let house = House::open().await;
    let vault = house.vault();
    house.make(&vault, tenant(1), "eu").await;
    house.make(&vault, tenant(2), "eu").await;
    house.make(&vault, tenant(3), "us").await;
    let here = spot(1);
    let blob = vault.seal(&here, b"NO93").await.unwrap();
    assert!(!blob.windows(4).any(|w| w == b"NO93"));
    assert_eq!(vault.open(&here, &blob).await.unwrap().expose(), b"NO93");
    let elsewhere = [
        Spot { tenant: tenant(2), ..here },
        Spot { tenant: tenant(3), region: "us", ..here },
        Spot { region: "us", ..here },
        Spot { collection: "orders", ..here },
        Spot { field: "bic", ..here },
        Spot { row: "r2", ..here },
    ];
    for place in elsewhere {
        assert!(vault.open(&place, &blob).await.is_err(), "{place:?}");
    }
    assert!(vault.open_as("totp", &here, &blob).await.is_err());
    let as_totp = vault.seal_as("totp", &here, b"seed").await.unwrap();
    assert!(vault.open(&here, &as_totp).await.is_err());
    assert_eq!(vault.open_as("totp", &here, &as_totp).await.unwrap().expose(), b"seed");
    for cut in [0, 5, 29, blob.len() - 1] {
        assert!(vault.open(&here, &blob[..cut]).await.is_err());
    }
}

#[tokio::test]
async fn keys_survive_a_restart_and_the_loss_of_their_rows() {
    let house = House::open().await;
    let vault = house.vault();
    house.make(&vault, tenant(1), "eu").await;
    let blob = vault.seal(&spot(1), b"x").await.unwrap();
    let again = house.vault();
    assert_eq!(again.open(&spot(1), &blob).await.unwrap().expose(), b"x");
    assert_eq!(again.check().await, Ok(()));

    // A key whose batch never committed lies in the folder alone: taken up again, not overwritten.
    let left = vault.new_tenant(tenant(2), "eu").await.unwrap();
    let from_file = vault.seal(&spot(2), b"y").await.unwrap();
    assert_eq!(house.vault().new_tenant(tenant(2), "eu").await.unwrap(), left);
    assert!(vault.new_tenant(tenant(2), "us").await.is_err());
    left.put(house.tx().batch::<Control>("tenant")).commit().await.unwrap();
    let without_folder = house.vault_of(roots(), &house.folder.path().join("none")).unwrap();
    assert_eq!(without_folder.open(&spot(2), &from_file).await.unwrap().expose(), b"y");
}

#[tokio::test]
async fn no_key_no_region_wrong_root() {
    let house = House::open().await;
    let vault = house.vault();
    assert!(vault.seal(&spot(1), b"x").await.is_err());
    assert!(vault.new_tenant(tenant(1), "mars").await.is_err());
    house.make(&vault, tenant(1), "eu").await;
    let blob = vault.seal(&spot(1), b"x").await.unwrap();
    let other = house.vault_of(vec![("eu", Secret::new([3; 32]))], &house.keyfolder()).unwrap();
    assert!(other.open(&spot(1), &blob).await.is_err());
    assert!(matches!(other.check().await, Err(Failure::Internal(words)) if words.contains("region eu")));
    let swapped = vec![("eu", Secret::new([2; 32])), ("us", Secret::new([1; 32]))];
    assert!(house.vault_of(swapped, &house.keyfolder()).unwrap().open(&spot(1), &blob).await.is_err());
}

#[tokio::test]
async fn roots_are_32_bytes_and_independent() {
    let house = House::open().await;
    let folder = house.keyfolder();
    let refused: [Vec<(&'static str, Secret)>; 4] = [
        vec![],
        vec![("eu", Secret::new([1; 31]))],
        vec![("eu", Secret::new([1; 32])), ("us", Secret::new([1; 32]))],
        vec![("eu", Secret::new([1; 32])), ("eu", Secret::new([2; 32]))],
    ];
    for roots in refused {
        assert!(house.vault_of(roots, &folder).is_err());
    }
}

#[tokio::test]
async fn house_payloads_open_for_their_purpose_only() {
    let house = House::open().await;
    let vault = house.vault();
    let blob = vault.seal_house("mail", b"{}").unwrap();
    assert_ne!(blob, vault.seal_house("mail", b"{}").unwrap());
    assert_eq!(vault.open_house("mail", &blob).unwrap().expose(), b"{}");
    assert!(vault.open_house("sms", &blob).is_err());
    let mut bad = blob.clone();
    bad[40] ^= 1;
    assert!(vault.open_house("mail", &bad).is_err());
    assert!(vault.open_house("mail", b"").is_err());
    let other = house.vault_of(vec![("eu", Secret::new([3; 32]))], &house.keyfolder()).unwrap();
    assert!(other.open_house("mail", &blob).is_err());
}

#[tokio::test]
async fn root_keys_differ_by_region_purpose_and_context() {
    let house = House::open().await;
    let vault = house.vault();
    let key = |region, purpose, context: &[&[u8]]| vault.root_key(region, purpose, context).unwrap();
    let one = key("eu", "session", &[b"1"]);
    assert_eq!(one.expose().len(), 32);
    assert_eq!(one, key("eu", "session", &[b"1"]));
    assert_ne!(one, key("us", "session", &[b"1"]));
    assert_ne!(one, key("eu", "refresh", &[b"1"]));
    assert_ne!(one, key("eu", "session", &[b"2"]));
    assert_ne!(one, key("eu", "session", &[]));
    assert!(vault.root_key("mars", "session", &[]).is_err());
    for own in OWN_PURPOSES {
        assert!(vault.root_key("eu", own, &[]).is_err());
    }
}

#[test]
fn the_cache_is_bounded_and_drops_the_least_used() {
    let mut cache = Cache::default();
    let ring = || {
        let checked = AtomicI64::new(0);
        Arc::new(Ring {
            region: "eu".into(),
            keys: Vec::new(),
            live: 1,
            unretired: 1,
            opened: None,
            asked: AtomicI64::new(0),
            checked,
            ready: Mutex::default(),
        })
    };
    let id = |n: usize| TenantId(Id::v7(Time(i64::try_from(n).unwrap()), [0; 10]));
    for n in 0..CACHED {
        cache.put(id(n), ring());
    }
    assert!(cache.get(id(0)).is_some());
    cache.put(id(CACHED), ring());
    assert_eq!(cache.rings.len(), CACHED);
    assert!(cache.get(id(0)).is_some() && cache.get(id(1)).is_none());
}

#[tokio::test]
async fn a_rotation_moves_everything_and_retires_at_zero() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let house = House::open().await;
    let vault = house.vault();
    house.make(&vault, tenant(1), "eu").await;
    house.store.create(tenant(1)).await.unwrap();
    let mail = Spot { field: "mail", ..spot(1) };
    for n in 0..250 {
        let row = format!("r{n}");
        let iban = vault.seal(&Spot { row: &row, ..spot(1) }, b"NO93").await.unwrap();
        let mail = vault.seal_indexed(&Spot { row: &row, ..mail }, "Ann@example.com").await.unwrap();
        let draft = format!(r#"{{"iban":{{"sealed":"{}"}},"n":7}}"#, STANDARD.encode(&iban));
        house.put(&row, iban, mail, &draft).await;
    }
    let columns = columns();
    assert_eq!(vault.left(tenant(1), &columns, 1).await, Ok(750));
    assert_eq!(vault.due(Time(0), None).await, Ok(vec![]));
    assert_eq!(vault.due(Time(1_777_887_000_000), None).await.unwrap().len(), 1);
    assert_eq!(vault.tags(&mail, "ann@example.com ").await.unwrap().len(), 1);

    assert_eq!(house.rotate(&vault).await, 2);
    let fresh = vault.seal(&spot(1), b"x").await.unwrap();
    assert_eq!(key_version(&fresh), Some(2), "writes move at once");
    assert_eq!(vault.tags(&mail, "ann@example.com").await.unwrap().len(), 2, "one for each key");
    let followed = vault.followed(None).await.unwrap();
    assert_eq!((followed.len(), followed[0].version), (1, 1));

    // Slice by slice; a stop after any of them loses nothing.
    let (mut slices, mut left) = (0, 750);
    while vault.renew(house.own(1), &columns).await.unwrap().0 > 0 {
        slices += 1;
        let now = vault.left(tenant(1), &columns, 1).await.unwrap();
        assert!(now < left);
        left = now;
    }
    assert_eq!((slices, left), (9, 0));
    let (iban, kept, draft) = house.row("r249").await;
    let here = Spot { row: "r249", ..spot(1) };
    assert_eq!(vault.open(&here, &iban).await.unwrap().expose(), b"NO93");
    assert_eq!(vault.open(&Spot { row: "r249", ..mail }, &kept).await.unwrap().expose(), b"Ann@example.com");
    let tag = vault.tags(&mail, "ANN@example.com").await.unwrap().pop().unwrap();
    assert!(kept.starts_with(&tag));
    assert_eq!(key_version(&kept), Some(2));
    let members: serde_json::Value = serde_json::from_str(&draft).unwrap();
    let blob = STANDARD.decode(members["iban"]["sealed"].as_str().unwrap()).unwrap();
    assert_eq!((key_version(&blob), members["n"].as_i64()), (Some(2), Some(7)));
    assert_eq!(vault.open(&here, &blob).await.unwrap().expose(), b"NO93");

    vault.retire(house.tx().batch::<Control>("tenant"), &followed[0]).commit().await.unwrap();
    assert_eq!(vault.followed(None).await, Ok(vec![]));
    let retired = vault.retired(Time(1_777_887_000_000)).await.unwrap();
    assert_eq!(retired.len(), 1);
    vault.destroy(house.tx(), &retired[0]).await.unwrap();
    assert_eq!(vault.retired(Time(i64::MAX)).await, Ok(vec![]));
    assert!(vault.open(&here, &iban).await.is_ok());
    assert_eq!(vault.risen().await, Ok(vec![]));
}

#[tokio::test]
async fn a_destroyed_key_that_a_restore_brings_back_goes_again() {
    let house = House::open().await;
    let vault = house.vault();
    let first = vault.new_tenant(tenant(1), "eu").await.unwrap();
    first.clone().put(house.tx().batch::<Control>("tenant")).commit().await.unwrap();
    house.rotate(&vault).await;
    let followed = vault.followed(None).await.unwrap();
    vault.retire(house.tx().batch::<Control>("tenant"), &followed[0]).commit().await.unwrap();
    vault.destroy(house.tx(), &followed[0]).await.unwrap();
    first.put(house.tx().batch::<Control>("tenant")).commit().await.unwrap();
    let again = house.vault();
    let risen = again.risen().await.unwrap();
    assert_eq!(risen, [(tenant(1), 1)]);
    again.bury(house.tx().batch::<Control>("tenant"), risen[0]).commit().await.unwrap();
    assert_eq!(again.risen().await, Ok(vec![]));
    assert!(again.seal(&spot(1), b"x").await.is_ok());
}

#[tokio::test]
async fn a_tag_cannot_be_exchanged() {
    let house = House::open().await;
    let vault = house.vault();
    house.make(&vault, tenant(1), "eu").await;
    let stored = vault.seal_indexed(&spot(1), "ann@example.com").await.unwrap();
    for bit in 0..stored.len() * 8 {
        let mut bad = stored.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(vault.open(&spot(1), &bad).await.is_err(), "bit {bit}");
    }
    assert!(vault.open(&spot(1), &stored[crate::TAG..]).await.is_err());
    let other = vault.tags(&Spot { field: "bic", ..spot(1) }, "ann@example.com").await.unwrap();
    assert!(!stored.starts_with(&other[0]), "each field has its own key");
    assert_eq!(vault.openings().get("seal"), None);
    vault.open(&spot(1), &stored).await.unwrap();
    assert_eq!(vault.openings().get("seal"), Some(&1));
}

#[tokio::test]
async fn a_root_is_changed_while_both_are_known() {
    let house = House::open().await;
    let vault = house.vault();
    house.make(&vault, tenant(1), "eu").await;
    for key in vault.unkept().await.unwrap() {
        key.put(house.tx().batch::<Control>("key/house")).commit().await.unwrap();
    }
    let blob = vault.seal(&spot(1), b"x").await.unwrap();
    let session = vault.root_key("eu", "session", &[]).unwrap();
    let with = async |eu: &[u8]| {
        let holders = |id, roots: &[u8]| {
            let one = |n: &u8| Arc::new(Local::new(id, Secret::new([*n; 32])).unwrap()) as Arc<dyn Kms>;
            Region { id, holders: roots.iter().map(one).collect() }
        };
        let clock = Arc::new(Steered::at(Time(1_777_887_000_000)));
        let lookup = Lookup::new(&house.keys.caller, &house.store);
        let regions = vec![holders("eu", eu), holders("us", &[2])];
        Vault::held(lookup, regions, house.keyfolder(), Arc::new(OsRng), clock).await.unwrap()
    };
    let both = with(&[1, 9]).await;
    assert_eq!(both.check().await, Ok(()));
    assert_eq!(both.ages().await.unwrap()[0].elsewhere, 2);
    assert_eq!(both.open(&spot(1), &blob).await.unwrap().expose(), b"x");
    assert_eq!(both.rewrap(house.tx(), "eu").await, Ok(2));
    assert_eq!(both.rewrap(house.tx(), "eu").await, Ok(0));
    let after = with(&[9]).await;
    assert_eq!(after.check().await, Ok(()));
    assert_eq!(after.open(&spot(1), &blob).await.unwrap().expose(), b"x");
    assert_eq!(after.root_key("eu", "session", &[]).unwrap(), session, "nobody is signed out");
    let before = with(&[1]).await;
    assert!(before.check().await.is_err());
    assert!(before.open(&spot(1), &blob).await.is_err());
}

/// A root that is kept elsewhere, turns, and can be away.
struct Far {
    versions: Mutex<Vec<Local>>,
    away: std::sync::atomic::AtomicBool,
}

impl Far {
    fn new() -> Arc<Self> {
        let first = Local::new("eu", Secret::new([1; 32])).unwrap();
        Arc::new(Self { versions: Mutex::new(vec![first]), away: false.into() })
    }
    fn there(&self) -> Result<(), Failure> {
        let away = self.away.load(std::sync::atomic::Ordering::SeqCst);
        if away { Err(Failure::internal("key service: cannot be reached")) } else { Ok(()) }
    }
}

impl Kms for Far {
    fn name(&self) -> &str {
        "transit/eu"
    }
    fn wrap<'a>(&'a self, key: &'a Secret, binding: Binding<'a>) -> crate::Answer<'a, Vec<u8>> {
        Box::pin(async move {
            self.there()?;
            let versions = self.versions.lock().unwrap();
            let mut out = vec![u8::try_from(versions.len()).unwrap()];
            out.extend(versions.last().unwrap().wrap_now(key, binding)?);
            Ok(out)
        })
    }
    fn unwrap<'a>(&'a self, wrapped: &'a [u8], binding: Binding<'a>) -> crate::Answer<'a, Option<Secret>> {
        Box::pin(async move {
            self.there()?;
            self.versions.lock().unwrap()[usize::from(wrapped[0]) - 1].unwrap_now(&wrapped[1..], binding)
        })
    }
    fn elsewhere(&self) -> bool {
        true
    }
    fn turn(&self) -> crate::Answer<'_, bool> {
        Box::pin(async move {
            self.there()?;
            let mut versions = self.versions.lock().unwrap();
            let next = u8::try_from(versions.len()).unwrap() + 1;
            versions.push(Local::new("eu", Secret::new([next; 32])).unwrap());
            Ok(true)
        })
    }
    fn version(&self, wrapped: &[u8]) -> u32 {
        wrapped.first().map_or(0, |v| u32::from(*v))
    }
}

impl House {
    async fn far(&self, far: &Arc<Far>) -> (Vault, Arc<Steered>) {
        let clock = Arc::new(Steered::at(Time(1_777_887_000_000)));
        let regions = vec![Region { id: "eu", holders: vec![Arc::clone(far) as Arc<dyn Kms>] }];
        let lookup = Lookup::new(&self.keys.caller, &self.store);
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        (Vault::held(lookup, regions, self.keyfolder(), Arc::new(OsRng), time).await.unwrap(), clock)
    }
}

#[tokio::test]
async fn what_a_key_service_opened_is_used_without_it_for_an_hour() {
    let (house, far) = (House::open().await, Far::new());
    let (vault, clock) = house.far(&far).await;
    house.make(&vault, tenant(1), "eu").await;
    let blob = vault.seal(&spot(1), b"x").await.unwrap();
    far.away.store(true, std::sync::atomic::Ordering::SeqCst);
    for minutes in [0, 10, 31, 59] {
        clock.advance(1_777_887_000_000 + minutes * 60_000 - clock.now().0);
        assert_eq!(vault.open(&spot(1), &blob).await.unwrap().expose(), b"x", "after {minutes} min");
    }
    assert!(vault.new_tenant(tenant(2), "eu").await.is_err(), "nothing new begins without it");
    clock.advance(1_777_887_000_000 + crate::KEPT - clock.now().0);
    assert!(vault.open(&spot(1), &blob).await.is_err());
    assert!(vault.seal(&spot(1), b"y").await.is_err());
    let regions = vec![Region { id: "eu", holders: vec![Arc::clone(&far) as Arc<dyn Kms>] }];
    let lookup = Lookup::new(&house.keys.caller, &house.store);
    assert!(Vault::held(lookup, regions, house.keyfolder(), Arc::new(OsRng), clock).await.is_err(), "no start");
    far.away.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(vault.open(&spot(1), &blob).await.unwrap().expose(), b"x");
}

#[tokio::test]
async fn a_root_that_turns_takes_every_key_along() {
    let (house, far) = (House::open().await, Far::new());
    let (vault, clock) = house.far(&far).await;
    for n in 1..=5 {
        house.make(&vault, tenant(n), "eu").await;
    }
    house.rotate(&vault).await;
    let blob = vault.seal(&spot(1), b"x").await.unwrap();
    let (roots, fresh) = vault.roots().await.unwrap();
    assert_eq!(roots, fresh);
    let [root] = roots.as_slice() else { panic!() };
    assert_eq!((root.version, root.turns, root.since), (1, true, clock.now()));
    vault.note(house.tx().batch::<Control>("root"), root).commit().await.unwrap();
    assert_eq!(vault.roots().await.unwrap().1, []);
    clock.advance(91 * 86_400_000);
    assert!(root.over(clock.now(), 90 * 86_400_000) && root.days(clock.now()) == 91);
    let turned = vault.turn(root).await.unwrap().unwrap();
    assert_eq!((turned.version, turned.since), (2, clock.now()));
    // Cut off before it was noted: the service is not turned a second time.
    assert_eq!(vault.turn(root).await.unwrap().unwrap().version, 2);
    let (mut after, mut done) = (String::new(), 0);
    while let Some((end, n)) = vault.follow_root(house.tx(), &turned, &after).await.unwrap() {
        (after, done) = (end, done + n);
    }
    // Five tenants, one of them with two keys.
    assert_eq!(done, 6);
    vault.note(house.tx().batch::<Control>("root"), &turned).commit().await.unwrap();
    assert_eq!(vault.roots().await.unwrap(), (vec![turned], Vec::new()));
    for n in 1..=5 {
        assert!(vault.rows(tenant(n)).await.unwrap().iter().all(|(key, _)| key.wrapped[0] == 2));
        let file = keyfile::read(&house.keyfolder(), tenant(n), 1).unwrap().unwrap();
        assert_eq!(file.wrapped[0], 2);
    }
    vault.refresh(tenant(1)).await.unwrap();
    assert_eq!(vault.open(&spot(1), &blob).await.unwrap().expose(), b"x");
}

#[tokio::test]
async fn the_age_of_keys_is_that_of_the_oldest_in_use() {
    let house = House::open().await;
    let vault = house.vault();
    assert_eq!(vault.oldest(), None);
    vault.ages().await.unwrap();
    assert_eq!(vault.oldest(), None, "no tenant");
    house.make(&vault, tenant(1), "eu").await;
    vault.ages().await.unwrap();
    assert_eq!(vault.oldest(), Some(vault.newest(tenant(1)).await.unwrap().at));
    let (roots, _) = vault.roots().await.unwrap();
    assert!(roots.len() == 2 && roots.iter().all(|root| !root.turns && root.version == 0));
    assert_eq!(vault.turn(&roots[0]).await.unwrap(), None, "a person brings the next one");
}
