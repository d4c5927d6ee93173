//! The section's routes on a store in a temporary folder, without a server: permits are made from the manifest's grants.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{BTreeSet, HashMap},
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use access::Access;
use bytes::Bytes;
use encryption::{OsRng, Vault};
use futures_util::StreamExt;
use http::HeaderMap;
use kernel::{
    Actor, Bind, Caller, Cell, Clock, Credential, Event, Failure, Grant, Home, Id, Keys, Peer, Permit, Place,
    Principal, Reason, RequestId, Rng, RowSet, Rows, Secret, SessionId, Site, Status, Steered, Tenant, TenantId, Time,
    UserId,
};
use manifest::{App, Equal, GrantRows, Literal};
use records::{Parts, Records};
use route::{Body, Intake, Kept, Mishap, Raw, Reply, Route, Run, page::Frame};
use serde_json::Value as Json;
use store::{Chain, Change, Control, Head, Lookup, Options, Own, Placed, Query, Store, Tx};

struct Counted;
impl Chain for Counted {
    fn next(&self, head: &Head, event: &Event, now: Time, _: &dyn Rng) -> Placed {
        let body = format!("{} {} {}", event.name, event.target, event.outcome.word()).into_bytes();
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&head.size.to_be_bytes());
        Placed { head: Head { size: head.size + 1, hash, at: now }, body, values: Vec::new() }
    }
}

pub mod place;

pub struct Bench {
    place: place::Place,
    pub store: Store,
    pub records: Arc<Records>,
    pub access: Arc<Access>,
    pub routes: Vec<Route>,
    pub keys: Keys,
    pub clock: Arc<Steered>,
    pub app: Arc<App>,
    pub home: Arc<Home>,
    sets: Mutex<HashMap<String, Rows>>,
}

/// Who calls.
#[derive(Clone, Copy)]
pub enum Who {
    Visitor,
    Role(&'static str, u8),
    /// Everything.
    System,
}

pub const OWNER: Who = Who::Role("owner", 1);

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}
impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.bytes)))
    }
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }
    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
    pub fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }
}

static LEAVES: Query<Own, (), (Vec<u8>,)> = Query::fixed("SELECT body FROM _leaf ORDER BY seq");
static MEMBER: Change<Own, (String, String)> =
    Change::fixed("INSERT INTO _member (id, role, suspended, name, joined_at) VALUES ($1, 'owner', 0, $2, 0)");

pub fn user(n: u8) -> UserId {
    UserId(Id::from_bytes([n; 16]))
}

pub fn read(text: &str) -> App {
    manifest::read(text, "app.toml").unwrap_or_else(|faults| panic!("{}", manifest::render(&faults, false)))
}

impl Bench {
    pub async fn open(app: App, place: place::Place) -> Self {
        let app = Arc::new(app);
        let folder = &place.folder;
        let clock = Arc::new(Steered::at(Time(1_777_887_000_000)));
        let mut tables = encryption::tables();
        tables.extend(records::tables(&app));
        tables.extend(tenancy::tables());
        let store = Store::open(Options {
            folder: folder.path().to_owned(),
            engine: place.engine.clone(),
            tables,
            chain: Arc::new(Counted),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::new(OsRng),
        })
        .await
        .unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test makes permits by hand")]
        let keys = Keys::forge();
        let region = app.regions[0].id;
        let roots = vec![(region, Secret::new([7; 32]))];
        let lookup = Lookup::new(&keys.caller, &store);
        let vault = Vault::new(
            lookup,
            roots,
            folder.path().join("keys"),
            Arc::new(OsRng),
            Arc::clone(&clock) as Arc<dyn Clock>,
        )
        .unwrap();
        let id = TenantId(Id::v7(clock.now(), [3; 10]));
        let home = Arc::new(Home {
            id,
            slug: "acme".into(),
            name: "Acme".into(),
            region: region.into(),
            url: "http://acme.localhost".into(),
            status: Status::Active,
            modules: Vec::new(),
        });
        let records = Records::new(Parts {
            app: Arc::clone(&app),
            vault: vault.clone(),
            rng: Arc::new(OsRng),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        });
        #[expect(clippy::disallowed_methods, reason = "a test's gate")]
        let mint = Keys::forge().permit;
        let gate = Lookup::new(&keys.caller, &store);
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let access = Arc::new(Access::new(mint, gate, Arc::clone(&app), false, time));
        let frame = Arc::new(Frame::new(Arc::clone(&app), &manifest::Page::default(), false));
        let judge = Arc::clone(&access);
        frame.judge(move |who, action| judge.weigh(who, action));
        let mut routes = records.section(&access).routes;
        routes.extend(records::console(&records, &access, &frame).routes);
        let bench = Self { place, store, records, access, routes, keys, clock, app, home, sets: Mutex::default() };
        bench.store.create(id).await.unwrap();
        let key = vault.new_tenant(id, region).await.unwrap();
        let house = Home { id: TenantId::HOUSE, ..bench.home.as_ref().clone() };
        let permit = Permit::grant(
            &bench.keys.permit,
            bench.principal(Who::System, Arc::new(house)),
            "tenant.created",
            Grant::PLAIN,
        );
        key.put(Tx::open(&bench.store, permit).batch::<Control>("tenant")).commit().await.unwrap();
        for n in 1..=9 {
            let batch = bench
                .tx("member.added")
                .batch::<Own>("member")
                .any(&MEMBER, (user(n).to_string(), format!("Person {n}")));
            batch.commit().await.unwrap();
        }
        bench
    }

    fn principal(&self, who: Who, home: Arc<Home>) -> Principal {
        let keys = &self.keys;
        let at = self.clock.now();
        let peer = Peer::seen(&keys.peer, Ipv4Addr::LOCALHOST.into(), RequestId::default(), true, at);
        let site = Site::at(&keys.site, peer, Place::Tenant(Arc::clone(&home)));
        let (credential, actor) = match who {
            Who::Visitor => (Credential::None, Actor::Visitor),
            Who::System => (Credential::Job("test"), Actor::System("test")),
            Who::Role(role, n) => {
                let role = self.app.roles.iter().position(|r| r.id == role).unwrap();
                let session = SessionId::default();
                let credential =
                    Credential::User { user: user(n), session, tenant: Some(home.id), proved: at, cookie: false };
                (credential, Actor::Member { user: user(n), role: u8::try_from(role).unwrap() })
            }
        };
        let tenant = Tenant::found(&keys.tenant, Caller::known(&keys.caller, site, credential), home);
        Principal::known(&keys.principal, tenant, actor, false)
    }

    pub fn tx(&self, event: &'static str) -> Tx<kernel::Write> {
        let principal = self.principal(Who::System, Arc::clone(&self.home));
        Tx::open(&self.store, Permit::grant(&self.keys.permit, principal, event, Grant::PLAIN))
    }

    fn set(&self, any: &[Vec<Equal>]) -> Rows {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let bind = |l: &Literal| match l {
            Literal::Int(n) => Bind::Int(*n),
            Literal::Text(t) => Bind::Text(t.as_str().into()),
            Literal::Me => Bind::Me,
        };
        let cell = |e: &Equal| Cell { column: e.column.as_str().into(), any: e.any.iter().map(bind).collect() };
        let mut sets = self.sets.lock().unwrap();
        let make = || {
            let any = any.iter().map(|cells| cells.iter().map(cell).collect()).collect();
            Rows::Set(Arc::new(RowSet { id: NEXT.fetch_add(1, Ordering::Relaxed), any }))
        };
        sets.entry(format!("{any:?}")).or_insert_with(make).clone()
    }

    fn grant(&self, who: Who, resource: &str, verb: &str) -> Result<Grant, Failure> {
        let grants = match who {
            Who::System => return Ok(Grant::PLAIN),
            _ if resource == "public" => return Ok(Grant::PLAIN),
            Who::Visitor => &self.app.visitor,
            Who::Role(role, _) => &self.app.roles.iter().find(|r| r.id == role).unwrap().floor,
        };
        let at = self.app.collections.iter().position(|c| c.id == resource).unwrap();
        let refused = Failure::Refused(Reason::NotGranted);
        let grant = grants.collections.get(&at).ok_or_else(|| refused.clone())?;
        let drafts = grant.verbs.contains_key("read_draft");
        let published = self.app.collections[at].drafts && !drafts;
        let reach = |rows: &GrantRows, published: bool| {
            let mark = Equal { column: "published".into(), any: vec![Literal::Int(1)] };
            match rows {
                GrantRows::All if published => self.set(&[vec![mark]]),
                GrantRows::All => Rows::All,
                GrantRows::Any(any) if published => {
                    let with = |cells: &Vec<Equal>| cells.iter().cloned().chain([mark.clone()]).collect();
                    self.set(&any.iter().map(with).collect::<Vec<_>>())
                }
                GrantRows::Any(any) => self.set(any),
            }
        };
        let rows = reach(grant.verbs.get(verb).ok_or(refused)?, verb == "read" && published);
        Ok(Grant {
            rows,
            visible: grant.verbs.get("read").map(|r| reach(r, published)),
            read: grant.read,
            write: if verb == "create" { grant.create } else { grant.write },
            drafts,
        })
    }

    /// `"POST /api/v1/..."` with a JSON body.
    pub async fn call(&self, who: Who, line: &str, body: Json) -> Result<Answer, Failure> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(who, line, &[("content-type", "application/json")], body).await
    }

    pub async fn get(&self, who: Who, path: &str) -> Result<Answer, Failure> {
        self.call(who, &format!("GET {path}"), Json::Null).await
    }

    pub async fn send(&self, who: Who, line: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer, Failure> {
        let (method, rest) = line.split_once(' ').unwrap();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (route, params) = self.find(method, path).ok_or(Failure::NotFound)?;
        let grant = self.grant(who, route.action.resource, route.action.verb)?;
        let principal = self.principal(who, Arc::clone(&self.home));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let query = route::form(query.as_bytes())?;
        let mut raw = Raw { params, query, headers: map, body: Bytes::new(), stream: None };
        match route.serve.intake {
            Intake::None => assert!(body.is_empty(), "no body is taken here"),
            Intake::Whole(_) => raw.body = body.into(),
            Intake::Stream(_) => {
                let chunks: Vec<_> = body.chunks(4000).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
                raw.stream = Some(Box::pin(futures_util::stream::iter(chunks)));
            }
        }
        let reply = match &route.serve.run {
            Run::Read(run) => {
                run(&self.store, Permit::grant(&self.keys.permit, principal, "", grant), raw, None).await?
            }
            Run::Write(run) => {
                run(&self.store, Permit::grant(&self.keys.permit, principal, route.serve.event, grant), raw, None)
                    .await?
            }
        };
        Self::answer(reply).await
    }

    /// A page of the console as a browser gets it: the gate's own permits, forms drawn again where they are refused.
    pub async fn browse(&self, who: Who, line: &str, kind: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        let (method, rest) = line.split_once(' ').unwrap();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (route, params) = self.find(method, path).ok_or(Failure::NotFound)?;
        let principal = self.principal(who, Arc::clone(&self.home));
        let mut headers = HeaderMap::new();
        headers.insert("accept", "text/html".parse().unwrap());
        headers.insert("content-type", kind.parse().unwrap());
        let query = route::form(query.as_bytes())?;
        let raw = |body: Bytes| Raw {
            params: params.clone(),
            query: query.clone(),
            headers: headers.clone(),
            body,
            stream: None,
        };
        if let Some(also) = route.serve.also {
            self.access.weigh(&principal, also)?;
        }
        let mut first = raw(Bytes::new());
        match route.serve.intake {
            Intake::None => assert!(body.is_empty(), "no body is taken here"),
            Intake::Whole(_) => first.body = body.clone().into(),
            Intake::Stream(_) => {
                let chunks: Vec<_> = body.chunks(1000).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
                first.stream = Some(Box::pin(futures_util::stream::iter(chunks)));
            }
        }
        let outcome = match &route.serve.run {
            Run::Read(run) => {
                let permit = self.access.permit(principal.clone(), route.action, "", false).await?;
                run(&self.store, permit, first, None).await
            }
            Run::Write(run) => {
                let permit = self.access.permit(principal.clone(), route.action, route.serve.event, false).await?;
                run(&self.store, permit, first, None).await
            }
        };
        let mends = |f: &Failure| {
            !matches!(f, Failure::NotFound | Failure::SignInNeeded | Failure::Refused(Reason::NotGranted))
        };
        let reply = match (outcome, &route.serve.redraw) {
            (Err(failure), Some(redraw)) if mends(&failure) => {
                let kept = Kept(route::form(&body).unwrap_or_default());
                let mishap = Mishap { problem: route::problem(failure), kept };
                let permit = self.access.permit(principal, route.action, "", false).await?;
                redraw(&self.store, permit, raw(Bytes::new()), mishap).await?
            }
            (outcome, _) => outcome?,
        };
        Self::answer(reply).await
    }

    pub async fn look(&self, who: Who, path: &str) -> Result<Answer, Failure> {
        self.browse(who, &format!("GET {path}"), "text/plain", Vec::new()).await
    }

    pub async fn submit(&self, who: Who, path: &str, form: &[(&str, &str)]) -> Result<Answer, Failure> {
        let encode = |t: &str| t.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let body: Vec<String> = form.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        let kind = "application/x-www-form-urlencoded";
        self.browse(who, &format!("POST {path}"), kind, body.join("&").into_bytes()).await
    }

    async fn answer(reply: Reply) -> Result<Answer, Failure> {
        let mut bytes = Vec::new();
        match reply.body {
            Body::Empty => {}
            Body::Bytes(b) => bytes.extend(b),
            Body::Stream(mut s) => {
                while let Some(chunk) = s.next().await {
                    bytes.extend(chunk?);
                }
            }
            Body::Page(page) => bytes.extend(page("nonce").bytes()),
        }
        Ok(Answer { status: reply.status.as_u16(), headers: reply.headers, bytes })
    }

    /// Static segments win over names.
    fn find(&self, method: &str, path: &str) -> Option<(&Route, Vec<(&'static str, String)>)> {
        let matching = |route: &Route| {
            let mut params = Vec::new();
            let (a, b): (Vec<_>, Vec<_>) = (route.path.split('/').collect(), path.split('/').collect());
            if a.len() != b.len() || route.serve.method.as_str() != method {
                return None;
            }
            for (template, given) in a.into_iter().zip(b) {
                match template.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
                    Some(name) => params.push((kernel::intern(name), given.to_owned())),
                    None if template == given => {}
                    None => return None,
                }
            }
            Some(params)
        };
        self.routes.iter().filter_map(|r| Some((r, matching(r)?))).min_by_key(|(_, params)| params.len())
    }

    pub async fn create(&self, who: Who, collection: &str, fields: Json) -> Result<Answer, Failure> {
        self.call(who, &format!("POST /api/v1/collections/{collection}/records"), fields).await
    }

    pub async fn made(&self, collection: &str, fields: Json) -> String {
        self.create(OWNER, collection, fields).await.unwrap_or_else(|f| panic!("{f:?}")).id()
    }

    pub async fn act(
        &self,
        who: Who,
        collection: &str,
        id: &str,
        action: &str,
        input: Json,
    ) -> Result<Answer, Failure> {
        self.call(who, &format!("POST /api/v1/collections/{collection}/records/{id}/actions/{action}"), input).await
    }

    pub async fn one(&self, who: Who, collection: &str, id: &str) -> Result<Json, Failure> {
        self.get(who, &format!("/api/v1/collections/{collection}/records/{id}")).await.map(|a| a.json())
    }

    pub async fn list(&self, who: Who, collection: &str, query: &[(&str, &str)]) -> Result<Json, Failure> {
        let encode = |t: &str| t.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let query: Vec<String> = query.iter().map(|(n, v)| format!("{n}={}", encode(v))).collect();
        self.get(who, &format!("/api/v1/collections/{collection}/records?{}", query.join("&"))).await.map(|a| a.json())
    }

    pub async fn leaves(&self) -> Vec<String> {
        let rows = self.tx("").all(&LEAVES, ()).await.unwrap();
        rows.into_iter().map(|(body,)| String::from_utf8(body).unwrap()).collect()
    }
}

/// The codes of an `Invalid`, by field.
pub fn codes(outcome: Result<Answer, Failure>) -> Vec<(String, &'static str)> {
    match outcome {
        Err(Failure::Invalid(errors)) => errors.into_iter().map(|e| (e.field, e.code)).collect(),
        Err(other) => panic!("{other:?}"),
        Ok(answer) => panic!("{} {}", answer.status, answer.text()),
    }
}

pub fn code(outcome: Result<Answer, Failure>) -> BTreeSet<&'static str> {
    codes(outcome).into_iter().map(|(_, code)| code).collect()
}
