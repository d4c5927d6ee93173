//! What tests stand on: a small app, and principals made by hand.

use std::{net::Ipv4Addr, sync::Arc};

use kernel::{
    Actor, Caller, Credential, Grant, Home, Id, Keys, Mode, Peer, Permit, Place, Principal, RequestId, SessionId, Site,
    Status, Steered, Tenant, TenantId, Time, UserId,
};
use manifest::App;
use store::{Engine, Own, Options, Query, Store, Tx, statements};

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
pages = "read"
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
}

/// A store in a folder of its own, and a clock to steer.
pub struct House {
    _folder: tempfile::TempDir,
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
        Self { _folder: folder, store, clock, keys: keys() }
    }
    /// Somebody here, now.
    pub fn who(&self, home: Home, actor: Actor) -> Principal {
        principal(&self.keys, home, actor, false, kernel::Clock::now(&*self.clock))
    }
    /// A transaction under a permit made by hand.
    pub fn tx<M: Mode>(&self, who: Principal, event: &'static str) -> Tx<M> {
        Tx::open(&self.store, Permit::grant(&self.keys.permit, who, event, Grant::PLAIN))
    }
    /// Leaves of a log: action, target, outcome.
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
    [encryption::tables(), tenancy::tables(), crate::tables()].concat()
}
