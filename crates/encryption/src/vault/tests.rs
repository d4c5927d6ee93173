use std::{net::Ipv4Addr, path::Path};

use kernel::{
    Actor, Caller, Credential, Event, Grant, Home, Id, Keys, Peer, Permit, Place, Principal, RequestId, Site, Status,
    Steered, Tenant, Time, Write,
};
use store::{Chain, Control, Engine, Options, Placed, Store, Tx};

use super::*;
use crate::OsRng;

struct Unlinked;
impl Chain for Unlinked {
    fn next(&self, head: &store::Head, _: &Event, now: Time, _: &dyn Rng) -> Placed {
        let head = store::Head { size: head.size + 1, hash: [0; 32], at: now };
        Placed { head, body: b"{}".to_vec(), values: Vec::new() }
    }
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
            tables: crate::tables(),
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
    let ring = || Arc::new(Ring { region: "eu".into(), keys: Vec::new(), live: 1 });
    let id = |n: usize| TenantId(Id::v7(Time(i64::try_from(n).unwrap()), [0; 10]));
    for n in 0..CACHED {
        cache.put(id(n), ring());
    }
    assert!(cache.get(id(0)).is_some());
    cache.put(id(CACHED), ring());
    assert_eq!(cache.rings.len(), CACHED);
    assert!(cache.get(id(0)).is_some() && cache.get(id(1)).is_none());
}
