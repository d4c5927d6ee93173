//! Gates and routes on a real store, without a network.
#![allow(dead_code, reason = "each suite uses its part")]

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use authentication::{
    Authentication, DemoPeople, Means,
    people::{self, NewPerson},
};
use encryption::{OsRng, Vault};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use kernel::{
    Actor, Clock, Failure, Grant, Id, Keys, Mint, Peer, Permit, Permits, Principal, RequestId, Rng, Secret, Steered,
    TenantId, Time, UserId, Write,
};
use limits::Strikes;
use manifest::App;
use route::{Body, Raw, Reply, Route, Run};
use serde_json::Value;
use store::{Control, Engine, Lookup, Options, Own, Store, Tx, statements};
use tenancy::{Hosts, Plan, Tenancy, roster};

statements! {
    MAILS: Query<Control, (), (Vec<u8>,)> = "SELECT payload FROM _outbox WHERE kind = 'mail' ORDER BY id";
    LEAVES: Query<Own, (), (Vec<u8>,)> = "SELECT body FROM _leaf ORDER BY seq";
    HOUSE_LEAVES: Query<Control, (), (Vec<u8>,)> = "SELECT body FROM _leaf ORDER BY seq";
    PHCS: Query<Control, (), (String,)> = "SELECT phc FROM credential";
    TOKENS: Query<Control, (), (Vec<u8>, Option<String>)> = "SELECT hash, data FROM mail_token";
    WEAKEN: Change<Control, (String,)> = "UPDATE credential SET phc = $1";
}

pub const START: Time = Time(1_750_000_000_000);
pub const PASSWORD: &str = "tide-pool-lantern";
pub const MINUTE: i64 = 60_000;

/// Subdomains, passwords.
pub const FIRM: &str = r#"
[app]
name = "Firm"
[tenant]
noun = "firm"
[auth]
methods = ["password"]
password = "argon2id"
[roles.owner]
floor = "all"
[roles.clerk]
default = true
floor = { tenant = { members = "read" } }
"#;

/// A shared host, mailed links.
pub const STUDIO: &str = r#"
[app]
name = "Studio"
[tenant]
noun = "workspace"
resolve = ["membership_slug"]
host = "studio"
slug = "not_unique"
public = { path = "/d/{workspace_id}", serves = "published" }
[auth]
methods = ["magic_link"]
[roles.owner]
floor = "all"
[roles.member]
default = true
floor = { tenant = { members = "read" } }
"#;

/// An outside issuer.
pub const PORTAL: &str = r#"
[app]
name = "Portal"
[tenant]
noun = "client"
sign_up = "invite"
[auth]
issuer = { url = "https://id.portal.example", audience = "portal", tenant_claim = "org" }
[roles.owner]
floor = "all"
"#;

pub struct Bench {
    pub authentication: Arc<Authentication>,
    pub tenancy: Arc<Tenancy>,
    pub store: Store,
    pub clock: Arc<Steered>,
    pub lookup: Lookup,
    pub vault: Vault,
    pub app: Arc<App>,
    pub routes: Vec<Route>,
    peer: Mint<Peer>,
    permit: Mint<Permits>,
    requests: AtomicU64,
    /// Sealed mails in the order of the calls that sent them: ids of one millisecond have none.
    sent: Mutex<Vec<Vec<u8>>>,
    _folder: tempfile::TempDir,
}

/// An answer, read.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_else(|| panic!("no {name} in {self:?}")).to_owned()
    }
    pub fn cookies(&self) -> Vec<String> {
        self.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap().to_owned()).collect()
    }
}

impl Bench {
    pub async fn new(manifest: &str) -> Self {
        let app = manifest::read(manifest, "app.toml").unwrap_or_else(|faults| panic!("{faults:?}"));
        Self::with(app, None).await
    }

    pub async fn with(app: App, demo: Option<DemoPeople>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let app = Arc::new(app);
        #[expect(clippy::disallowed_methods, reason = "a test bench")]
        let keys = Keys::forge();
        let clock = Arc::new(Steered::at(START));
        let rng: Arc<dyn Rng> = Arc::new(OsRng);
        let tables = [encryption::tables(), tenancy::tables(), authentication::tables()].concat();
        let store = Store::open(Options {
            folder: folder.path().to_owned(),
            engine: Engine::Sqlite,
            tables,
            chain: Arc::new(audit::Chained::new([0; 32])),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::clone(&rng),
        })
        .await
        .unwrap();
        let lookup = Lookup::new(&keys.permit, &store);
        let roots = app.regions.iter().map(|r| (r.id, Secret::new([3; 32]))).collect();
        let own = Arc::clone(&clock) as Arc<dyn Clock>;
        let vault = Vault::new(lookup.clone(), roots, folder.path().join("keys"), Arc::clone(&rng), own).unwrap();
        let hosts = Hosts { scheme: "http", apex: "localhost".into(), port: Some(8080), development: true };
        let tenancy = Arc::new(Tenancy::new(keys.site, keys.tenant, lookup.clone(), Arc::clone(&app), hosts));
        let lockout = app.auth.lockout;
        let strikes = Arc::new(Strikes::new(lockout.failures, lockout.lasts, Arc::clone(&clock) as Arc<dyn Clock>));
        let authentication = Authentication::new(Means {
            caller: keys.caller,
            principal: keys.principal,
            lookup: lookup.clone(),
            app: Arc::clone(&app),
            vault: vault.clone(),
            tenancy: Arc::clone(&tenancy),
            strikes,
            rng,
            session_keys: Vec::new(),
            fetch: None,
            demo,
            frame: Arc::new(route::page::Frame::new(Arc::clone(&app), &manifest::Page::default(), true)),
        })
        .unwrap();
        let authentication = Arc::new(authentication);
        let (one, two) = (Arc::clone(&tenancy), Arc::clone(&authentication));
        store.on_revoke(move |what| {
            one.forget(what);
            two.forget(what);
        });
        let mut routes = tenancy::section().routes;
        routes.extend(authentication::section(&authentication).routes);
        Self {
            authentication,
            tenancy,
            store,
            clock,
            lookup,
            vault,
            app,
            routes,
            peer: keys.peer,
            permit: keys.permit,
            requests: AtomicU64::new(1),
            sent: Mutex::default(),
            _folder: folder,
        }
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    pub fn has(&self, path: &str) -> bool {
        self.routes.iter().any(|route| route.path == path)
    }

    fn peer(&self) -> Peer {
        let n = self.requests.fetch_add(1, Ordering::SeqCst);
        let request = RequestId(Id::v7(Time(i64::try_from(n).unwrap()), [1; 10]));
        Peer::seen(&self.peer, Ipv4Addr::LOCALHOST.into(), request, false, self.clock.now())
    }

    /// Site, caller, tenant, principal; and the path below the tenant's url.
    pub async fn enter(&self, host: &str, path: &str, headers: &HeaderMap) -> Result<(Principal, String), Failure> {
        let site = self.tenancy.site(self.peer(), host).await?;
        let caller = self.authentication.caller(site, headers).await?;
        let (tenant, rest) = self.tenancy.tenant(caller, path).await?;
        Ok((self.authentication.principal(tenant).await?, rest.to_owned()))
    }

    /// The whole way of a request, but for limits and rights: what is an account's needs one.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Answer, Failure> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let (host, path) = url.split_at(url.find('/').unwrap_or(url.len()));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let bytes = match body {
            Some(Value::String(form)) => form.into_bytes(),
            Some(json) => {
                map.insert("content-type", "application/json".parse().unwrap());
                json.to_string().into_bytes()
            }
            None => Vec::new(),
        };
        let (principal, rest) = self.enter(host, path, &map).await?;
        let route = self.routes.iter().find(|route| route.path == rest && route.serve.method == method);
        let route = route.ok_or(Failure::NotFound)?;
        match (route.action.resource, principal.actor()) {
            ("account", Actor::Visitor) => return Err(Failure::SignInNeeded),
            ("house", _) if principal.tenant() != TenantId::HOUSE => return Err(Failure::NotFound),
            _ => {}
        }
        let query = route::form(query.as_bytes()).unwrap();
        let raw = Raw { params: Vec::new(), query, headers: map, body: bytes.into(), stream: None };
        let event = route.serve.event;
        let reply = match &route.serve.run {
            Run::Read(run) => {
                run(&self.store, Permit::grant(&self.permit, principal, event, Grant::PLAIN), raw, None).await?
            }
            Run::Write(run) => {
                run(&self.store, Permit::grant(&self.permit, principal, event, Grant::PLAIN), raw, None).await?
            }
        };
        let rows = self.lookup.all(TenantId::HOUSE, &MAILS, ()).await.unwrap();
        let mut sent = self.sent.lock().unwrap();
        for (sealed,) in rows {
            if !sent.contains(&sealed) {
                sent.push(sealed);
            }
        }
        Ok(read(reply))
    }

    pub async fn post(&self, url: &str, body: Value) -> Result<Answer, Failure> {
        self.call(Method::POST, url, &[], Some(body)).await
    }
    pub async fn post_as(&self, token: &str, url: &str, body: Option<Value>) -> Result<Answer, Failure> {
        self.call(Method::POST, url, &[("authorization", &format!("Bearer {token}"))], body).await
    }
    pub async fn get(&self, url: &str) -> Result<Answer, Failure> {
        self.call(Method::GET, url, &[], None).await
    }
    pub async fn get_as(&self, token: &str, url: &str) -> Result<Answer, Failure> {
        self.call(Method::GET, url, &[("authorization", &format!("Bearer {token}"))], None).await
    }

    /// A transaction of the house, as the admin socket has it.
    pub async fn house(&self, event: &'static str) -> Tx<Write> {
        let caller = self.authentication.operator(self.tenancy.inside(self.peer()), "tests");
        let tenant = self.tenancy.enter(caller, TenantId::HOUSE).await.unwrap();
        let principal = self.authentication.principal(tenant).await.unwrap();
        Tx::open(&self.store, Permit::grant(&self.permit, principal, event, Grant::PLAIN))
    }

    /// A tenant with an owner, `owner@<slug>.example`.
    pub async fn tenant(&self, slug: &str) -> (TenantId, UserId) {
        let (id, user) = (TenantId(fresh(self)), UserId(fresh(self)));
        let plan = Plan::new(&self.app, id, slug, slug, None, self.clock.now()).unwrap();
        let key = tenancy::key(&self.vault, &plan).await.unwrap();
        let batch = self.house("tenant.created").await.batch::<Control>(format!("tenant/{id}"));
        let email = format!("owner@{slug}.example");
        let email = if self.by_email(&email).await.is_some() { format!("owner-{id}@{slug}.example") } else { email };
        let batch = people::enrol(batch, self.person(user, &email).await, self.clock.now());
        let batch = tenancy::found(batch, &self.app, &plan, key);
        let owner = roster::Newcomer { user, role: 0, email: Some(email), name: None, at: self.clock.now() };
        roster::open(batch, &self.app, id, owner).commit().await.unwrap();
        (id, user)
    }

    /// One more member.
    pub async fn member(&self, tenant: TenantId, email: &str, role: u8) -> UserId {
        let known = self.by_email(email).await;
        let user = known.unwrap_or_else(|| UserId(fresh(self)));
        let batch = self.house("member.joined").await.batch::<Control>(format!("member/{user}"));
        let batch = match known {
            Some(_) => batch,
            None => people::enrol(batch, self.person(user, email).await, self.clock.now()),
        };
        let who = roster::Newcomer { user, role, email: Some(email.into()), name: None, at: self.clock.now() };
        roster::add(batch, &self.app, tenant, who).commit().await.unwrap();
        user
    }

    async fn by_email(&self, email: &str) -> Option<UserId> {
        people::by_email(&self.house("x").await, email).await.unwrap().map(|account| account.id)
    }

    async fn person(&self, id: UserId, email: &str) -> NewPerson {
        let password = Secret::new(PASSWORD.as_bytes());
        let phc = match self.app.auth.methods.contains(&manifest::Method::Password) {
            true => Some(self.authentication.hash(&password).await.unwrap()),
            false => None,
        };
        NewPerson {
            id,
            email: Some(email.into()),
            name: "Person".into(),
            phc,
            verified_at: Some(self.clock.now()),
            external: None,
        }
    }

    pub async fn sign_in(&self, host: &str, email: &str) -> Answer {
        let body = serde_json::json!({ "email": email, "password": PASSWORD });
        self.post(&format!("{host}/api/v1/auth/sign-in"), body).await.unwrap()
    }

    /// Mails sent so far, oldest first.
    pub async fn mails(&self) -> Vec<Value> {
        let open =
            |sealed: &Vec<u8>| serde_json::from_slice(self.vault.open_house("mail", sealed).unwrap().expose()).unwrap();
        self.sent.lock().unwrap().iter().map(open).collect()
    }

    /// The secret in the last mail.
    pub async fn mailed_token(&self) -> String {
        let mails = self.mails().await;
        let text = mails.last().unwrap()["text"].as_str().unwrap();
        let at = text.find("token=").unwrap() + 6;
        text[at..at + 64].to_owned()
    }

    /// Names and outcomes of the leaves in a tenant's log, or the house's.
    pub async fn leaves(&self, tenant: TenantId) -> Vec<(String, String, String)> {
        let rows: Vec<(Vec<u8>,)> = if tenant == TenantId::HOUSE {
            self.lookup.all(tenant, &HOUSE_LEAVES, ()).await.unwrap()
        } else {
            self.lookup.all(tenant, &LEAVES, ()).await.unwrap()
        };
        let leaf = |(body,): (Vec<u8>,)| {
            let leaf: Value = serde_json::from_slice(&body).unwrap();
            let text = |name: &str| leaf[name].as_str().unwrap().to_owned();
            (text("action"), text("outcome"), text("target"))
        };
        rows.into_iter().map(leaf).collect()
    }

    pub async fn hashes(&self) -> Vec<String> {
        self.lookup.all(TenantId::HOUSE, &PHCS, ()).await.unwrap().into_iter().map(|(phc,)| phc).collect()
    }
    pub async fn tokens(&self) -> Vec<(Vec<u8>, Option<String>)> {
        self.lookup.all(TenantId::HOUSE, &TOKENS, ()).await.unwrap()
    }
    pub async fn weaken(&self, phc: &str) {
        let batch = self.house("x").await.batch::<Control>("x").any(&WEAKEN, (phc.to_owned(),));
        batch.commit().await.unwrap();
    }
}

fn fresh(bench: &Bench) -> Id {
    let rng: &dyn Rng = &OsRng;
    rng.id(bench.clock.now())
}

fn read(reply: Reply) -> Answer {
    let text = match reply.body {
        Body::Empty => String::new(),
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Body::Page(page) => page("nonce"),
        Body::Stream(_) => panic!("a stream"),
    };
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status: reply.status, headers: reply.headers, body, text }
}
