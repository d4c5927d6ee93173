//! What tests stand on: a small app, and principals made by hand.

use std::{net::Ipv4Addr, sync::Arc};

use authentication::people::{self, NewPerson};
use kernel::{
    Actor, Caller, Credential, Grant, Home, Id, Keys, Mode, Peer, Permit, Place, Principal, RequestId, SessionId, Site,
    Status, Steered, Tenant, TenantId, Time, UserId,
};
use manifest::App;
use store::{Batch, Control, Engine, Lookup, Options, Own, Store, Tx, statements};
use tenancy::roster::{self, Newcomer};

use crate::{Access, Means};

const APP: &str = r#"
[app]
name = "Notes"
[tenant]
noun = "team"
[roles.owner]
floor = "all"
[roles.lead]
floor = { "*" = "all", tenant = { members = "manage", audit = "read" } }
[roles.writer]
default = true
floor = { notes = ["read create", "write delete pay where own"], pages = "read write", lines = "read" }
ceiling = { notes = "all", pages = "all", lines = "read" }
[roles.reader]
floor = { notes = { all = "read where own", price = "" }, pages = "read" }
[visitor]
pages = "read submit"
[submissions.wish]
creates = "pages"
accepts = { fields = ["title"] }
[modules.extra]
label = "Extra"
gates = ["lines", "notes.pay"]
[collections.notes.fields]
title = "!text"
price = "integer"
[collections.notes.actions]
pay = { set = { price = "@input.price" }, input = { price = "!integer" } }
[collections.pages]
drafts = true
[collections.pages.fields]
title = "!text"
[collections.lines]
part_of = { notes = "note" }
[collections.lines.fields]
note = { type = "reference", to = "notes", required = true }
text = "text"
[collections.blocks]
part_of = { pages = "page" }
[collections.blocks.fields]
page = { type = "reference", to = "pages", required = true }
"#;

pub fn app() -> App {
    manifest::read(APP, "app.toml").unwrap_or_else(|faults| panic!("{faults:?}"))
}

pub const OWNER: u8 = 0;
pub const LEAD: u8 = 1;
pub const WRITER: u8 = 2;
pub const READER: u8 = 3;

pub fn id(n: u8) -> Id {
    Id::from_bytes([n; 16])
}
pub fn user(n: u8) -> UserId {
    UserId(id(n))
}
pub fn tenant() -> TenantId {
    TenantId(id(200))
}

#[expect(clippy::disallowed_methods, reason = "a test bench")]
pub fn keys() -> Keys {
    Keys::forge()
}

pub fn home() -> Home {
    Home {
        id: tenant(),
        slug: "acme".into(),
        name: "Acme".into(),
        region: "main".into(),
        url: "http://acme.localhost".into(),
        status: Status::Active,
        modules: vec!["extra".into()],
    }
}

/// Somebody at `home`, at the moment `at`.
pub fn principal(keys: &Keys, home: Home, actor: Actor, suspended: bool, at: Time) -> Principal {
    let peer = Peer::seen(&keys.peer, Ipv4Addr::LOCALHOST.into(), RequestId(id(9)), false, at);
    let home = Arc::new(home);
    let place = if home.id == TenantId::HOUSE { Place::House } else { Place::Tenant(Arc::clone(&home)) };
    let site = Site::at(&keys.site, peer, place);
    let credential = match &actor {
        Actor::Member { user, .. } | Actor::Account { user } => Credential::User {
            user: *user,
            session: SessionId(id(8)),
            tenant: Some(home.id),
            proved: at,
            cookie: false,
        },
        Actor::Operator(name) => Credential::Operator(Arc::clone(name)),
        Actor::System(job) => Credential::Job(job),
        Actor::Visitor => Credential::None,
    };
    let caller = Caller::known(&keys.caller, site, credential);
    Principal::known(&keys.principal, Tenant::found(&keys.tenant, caller, home), actor, suspended)
}

/// When tests begin.
pub const START: Time = Time(1_700_000_000_000);

statements! {
    LEAVES: Query<Own, (), (Vec<u8>,)> = "SELECT body FROM _leaf ORDER BY seq";
    MAILS: Query<Control, (), (Vec<u8>,)> = "SELECT payload FROM _outbox WHERE kind = 'mail' ORDER BY at, id";
}

/// A store in a folder of its own, and a clock to steer.
pub struct House {
    folder: tempfile::TempDir,
    pub store: Store,
    pub clock: Arc<Steered>,
    pub keys: Keys,
}

impl House {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Steered::at(START));
        let options = Options {
            folder: folder.path().to_owned(),
            engine: Engine::Sqlite,
            tables: tables(),
            chain: Arc::new(audit::Chained::new([7; 32])),
            clock: clock.clone(),
            rng: Arc::new(encryption::OsRng),
        };
        let store = Store::open(options).await.unwrap();
        Self { folder, store, clock, keys: keys() }
    }
    /// Somebody here, now.
    pub fn who(&self, home: Home, actor: Actor) -> Principal {
        principal(&self.keys, home, actor, false, kernel::Clock::now(&*self.clock))
    }
    /// A transaction under a permit made by hand.
    pub fn tx<M: Mode>(&self, who: Principal, event: &'static str) -> Tx<M> {
        Tx::open(&self.store, Permit::grant(&self.keys.permit, who, event, Grant::PLAIN))
    }
    /// Makes the database of `tenant()`.
    pub async fn settle(&self) {
        let tx = self.tx::<kernel::Write>(self.who(apex(), Actor::Operator("ann".into())), "tenant.created");
        tx.batch::<Control>("tenant").then(tenant(), store::Apply::new("tenant").founding()).commit().await.unwrap();
    }
    /// Leaves of a log, in order: action, target, outcome.
    pub async fn leaves(&self, home: Home) -> Vec<(String, String, String)> {
        let tx = self.tx::<kernel::Read>(self.who(home, Actor::Visitor), "");
        let bodies: Vec<(Vec<u8>,)> = tx.all(&LEAVES, ()).await.unwrap();
        let text = |v: &serde_json::Value, name: &str| v[name].as_str().unwrap_or_default().to_owned();
        let leaf = |(body,): (Vec<u8>,)| {
            let leaf: serde_json::Value = serde_json::from_slice(&body).unwrap();
            (text(&leaf, "action"), text(&leaf, "target"), text(&leaf, "outcome"))
        };
        bodies.into_iter().map(leaf).collect()
    }
}

fn tables() -> Vec<store::Table> {
    [encryption::tables(), tenancy::tables(), authentication::tables(), crate::tables()].concat()
}

/// The whole section, and a tenant `home()` whose owner is user 1.
pub struct Office {
    pub house: House,
    pub desk: Arc<Means>,
    pub app: Arc<App>,
}

impl Office {
    pub async fn open() -> Self {
        let house = House::open().await;
        let app = Arc::new(app());
        let rng: Arc<dyn kernel::Rng> = Arc::new(encryption::OsRng);
        let (gates, lookup) = (keys(), || Lookup::new(&house.keys.caller, &house.store));
        let roots = vec![("main", kernel::Secret::new([1; 32]))];
        let folder = house.folder.path().join("keys");
        let vault = encryption::Vault::new(lookup(), roots, folder, rng.clone(), house.clock.clone()).unwrap();
        let hosts = tenancy::Hosts { scheme: "http", apex: "localhost".into(), port: None, development: true };
        let tenancy = Arc::new(tenancy::Tenancy::new(gates.site, gates.tenant, lookup(), app.clone(), hosts));
        let strikes = limits::Strikes::new(5, manifest::Millis(60_000), house.clock.clone());
        let authentication = Arc::new(
            authentication::Authentication::new(authentication::Means {
                caller: gates.caller,
                principal: gates.principal,
                lookup: lookup(),
                app: app.clone(),
                vault: vault.clone(),
                tenancy: tenancy.clone(),
                strikes: Arc::new(strikes),
                rng: rng.clone(),
                session_keys: Vec::new(),
                fetch: None,
                demo: None,
                frame: Arc::new(route::page::Frame::new(app.clone(), &manifest::Page::default(), false)),
            })
            .unwrap(),
        );
        let access = Arc::new(Access::new(gates.permit, lookup(), app.clone(), false, house.clock.clone()));
        let desk = Arc::new(Means { access, authentication, tenancy, vault, rng });
        let office = Self { house, desk, app };
        office.found().await;
        office
    }

    async fn found(&self) {
        let plan = tenancy::Plan::new(&self.app, tenant(), "acme", "Acme", None, START).unwrap();
        let key = tenancy::key(&self.desk.vault, &plan).await.unwrap();
        let batch = tenancy::found(self.batch("tenant.created"), &self.app, &plan, key);
        roster::open(batch, &self.app, tenant(), newcomer(1, OWNER)).commit().await.unwrap();
        self.account(1, "u1@example.com").await;
    }
    fn batch(&self, event: &'static str) -> Batch<Control> {
        self.house.tx(self.house.who(apex(), Actor::Operator("ann".into())), event).batch("x")
    }
    /// An account with a confirmed address.
    pub async fn account(&self, n: u8, email: &str) {
        let (email, name) = (Some(email.to_owned()), format!("User {n}"));
        let person = NewPerson { id: user(n), email, name, phc: None, verified_at: Some(START), external: None };
        people::enrol(self.batch("account.created"), person, START).commit().await.unwrap();
    }
    /// A member with an account.
    pub async fn member(&self, n: u8, role: u8) {
        self.account(n, &format!("u{n}@example.com")).await;
        roster::add(self.batch("member.joined"), &self.app, tenant(), newcomer(n, role)).commit().await.unwrap();
    }
    /// What the roster says.
    pub async fn standing(&self, n: u8) -> Option<kernel::Standing> {
        let tx = self.house.tx::<kernel::Read>(self.house.who(home(), Actor::Visitor), "");
        roster::current(&tx, &self.app, tenant(), user(n)).await.unwrap()
    }
    /// Mail on its way: to, text.
    pub async fn mails(&self) -> Vec<(String, String)> {
        let tx = self.house.tx::<kernel::Read>(self.house.who(apex(), Actor::Visitor), "");
        let sealed: Vec<(Vec<u8>,)> = tx.all(&MAILS, ()).await.unwrap();
        let letter = |(blob,): (Vec<u8>,)| {
            let text = self.desk.vault.open_house("mail", &blob).unwrap();
            let letter: serde_json::Value = serde_json::from_slice(text.expose()).unwrap();
            (letter["to"].as_str().unwrap().to_owned(), letter["text"].as_str().unwrap().to_owned())
        };
        sealed.into_iter().map(letter).collect()
    }
    /// The token of the last mail's link.
    pub async fn token(&self) -> String {
        let text = self.mails().await.pop().unwrap().1;
        text.split("token=").nth(1).unwrap().chars().take_while(char::is_ascii_hexdigit).collect()
    }
}

pub fn apex() -> Home {
    Home { id: TenantId::HOUSE, ..home() }
}

fn newcomer(n: u8, role: u8) -> Newcomer {
    Newcomer { user: user(n), role, email: Some(format!("u{n}@example.com")), name: None, at: START }
}
