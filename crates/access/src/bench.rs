//! What tests stand on: a small app, and principals made by hand.

use std::{net::Ipv4Addr, sync::Arc};

use kernel::{
    Actor, Caller, Credential, Home, Id, Keys, Peer, Place, Principal, RequestId, SessionId, Site, Status, Tenant,
    TenantId, Time, UserId,
};
use manifest::App;

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
