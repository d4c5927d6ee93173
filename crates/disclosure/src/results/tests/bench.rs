//! A house without a server: store, keys, a page, and a clock that is told what time it is.

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, PoisonError},
};

use encryption::{OsRng, Vault};
use kernel::{
    Actor, Caller, Clock, Credential, Failure, Grant, Home, Keys, Mode, Peer, Permit, Place, Principal, RequestId,
    Secret, Site, Status, Steered, Tenant, TenantId, Time, Write,
};
use monitoring::{Level, Monitor, Sink};
use route::{Body, Raw, Reply, Run};
use serde_json::{Value, json};
use store::{Engine, Lookup, Options, Store, Tx};

use crate::{Disclosure, Means, Round, section, tables};

/// 2026-05-04T09:30:00Z.
pub(super) const START: Time = Time(1_777_887_000_000);
pub(super) const HOUR: i64 = 3_600_000;

#[expect(clippy::disallowed_methods, reason = "a test bench")]
fn keys() -> Keys {
    Keys::forge()
}

pub(super) struct Bench {
    _folder: tempfile::TempDir,
    pub store: Store,
    keys: Keys,
    vault: Vault,
    monitor: Monitor,
    pub clock: Arc<Steered>,
    pub d: Arc<Disclosure>,
    app: &'static str,
}

/// The files of one of the five apps.
pub(super) fn files(app: &str) -> (manifest::App, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../apps").join(app);
    let text = std::fs::read_to_string(folder.join("app.toml")).unwrap();
    let app = manifest::read(&text, "app.toml").unwrap_or_else(|_| panic!("app.toml"));
    (app, std::fs::read_to_string(folder.join("security.md")).unwrap())
}

impl Bench {
    pub(super) async fn open(app: &'static str) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Steered::at(START)));
        let clocked = || Arc::clone(&clock) as Arc<dyn Clock>;
        let store = Store::open(Options {
            folder: folder.path().join("data"),
            engine: Engine::Sqlite,
            tables: encryption::tables().into_iter().chain(tables()).collect(),
            chain: Arc::new(audit::Chained::new([7; 32])),
            clock: clocked(),
            rng: Arc::new(OsRng),
        })
        .await
        .unwrap();
        let keys = keys();
        let lookup = Lookup::new(&keys.caller, &store);
        let roots = vec![("main", Secret::new([1; 32]))];
        let vault = Vault::new(lookup, roots, folder.path().join("keys"), Arc::new(OsRng), clocked()).unwrap();
        let monitor = Monitor::start(Sink::File(folder.path().join("log")), Level::Info, clocked()).unwrap();
        let (_, text) = files(app);
        let d = made(app, &text, &vault, &clocked(), &monitor);
        let bench = Self { _folder: folder, store, keys, vault, monitor, clock, d, app };
        bench.compare().await;
        bench
    }
    /// Starts again with an edited page.
    pub(super) async fn edited(&mut self, edit: impl FnOnce(String) -> String) {
        let (_, text) = files(self.app);
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.d = made(self.app, &edit(text), &self.vault, &clock, &self.monitor);
        self.compare().await;
    }
    pub(super) async fn compare(&self) -> bool {
        self.d.compare(self.tx("page.published")).await.unwrap().is_some()
    }
    pub(super) fn permit<M: Mode>(&self, event: &'static str) -> Permit<M> {
        let keys = &self.keys;
        let home = Arc::new(Home {
            id: TenantId::HOUSE,
            slug: String::new(),
            name: "house".into(),
            region: "main".into(),
            url: "https://nordkestrel.example".into(),
            status: Status::Active,
            modules: Vec::new(),
        });
        let peer = Peer::seen(&keys.peer, Ipv4Addr::LOCALHOST.into(), RequestId::default(), true, self.clock.now());
        let caller = Caller::known(&keys.caller, Site::at(&keys.site, peer, Place::House), Credential::Job("verify"));
        let tenant = Tenant::found(&keys.tenant, caller, home);
        let principal = Principal::known(&keys.principal, tenant, Actor::System("verify"), false);
        Permit::grant(&keys.permit, principal, event, Grant::PLAIN)
    }
    pub(super) fn tx(&self, event: &'static str) -> Tx<Write> {
        Tx::open(&self.store, self.permit(event))
    }
    /// A round that saw these verdicts now.
    pub(super) fn round(&self, seen: &[(&str, &str)]) -> Round {
        let at = self.clock.now();
        let one = |(check, verdict): &(&str, &str)| {
            let finding = (*verdict == "failing")
                .then(|| json!({"did": "asking for a foreign order", "expected": "404", "saw": "200 with 3 rows"}));
            let note = if *verdict == "inconclusive" { "not done within 55 s" } else { "" };
            let (summary, evidence) = match *verdict {
                "proven" => {
                    ("96 ids, 12 collections, 0 answered, 4 roles, 1,070 tries", json!({"ids": 96, "answered": 0}))
                }
                _ => ("", json!({})),
            };
            json!({"check": check, "verdict": verdict, "evidence": evidence, "summary": summary, "finding": finding,
                "note": note, "place": "live", "steered": false, "took_ms": 12, "at": at})
        };
        let seen: Vec<Value> = seen.iter().map(one).collect();
        let round =
            json!({"build": "0.1.0", "app": self.d.app().id, "began": at.plus(-9000), "ended": at, "seen": seen});
        Round::read(round.to_string().as_bytes()).unwrap()
    }
    /// Publishes it; whether anything was.
    pub(super) async fn publish(&self, seen: &[(&str, &str)]) -> bool {
        self.d.publish(self.tx("verdicts.published"), self.round(seen)).await.unwrap().is_some()
    }
    /// Every check of the page, proven by a program or left to a person.
    pub(super) async fn publish_all(&self) -> bool {
        let person = |check: &str| manifest::check(check).is_some_and(|c| c.kind == manifest::CheckKind::Attested);
        let verdict = |check: &&'static str| (*check, if person(check) { "unsigned" } else { "proven" });
        let checks: Vec<(&str, &str)> =
            self.d.page().claims.iter().flat_map(|c| c.checks.iter().map(verdict)).collect();
        self.publish(&checks).await
    }
    /// The 89 days before today, of every promise that a program proves.
    pub(super) async fn days(&self, worst: impl Fn(i64) -> crate::Verdict) {
        let today = self.clock.now().0.div_euclid(24 * HOUR);
        let mut batch = self.tx("verdicts.published").batch::<store::Control>("days");
        for claim in self.d.page().claims.iter().filter(|c| c.kind != manifest::CheckKind::Attested) {
            for day in 1..90 {
                let row = (claim.id.clone(), today - day, worst(day).rank(), 24, 0);
                batch = batch.any(&crate::results::sql::PUT_DAY, row);
            }
        }
        batch.commit().await.unwrap();
    }
    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Reply, Failure> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let found = section(&self.d).routes.into_iter().find_map(|route| {
            let (mut mine, mut theirs) = (route.path.split('/'), path.split('/'));
            let mut params = Vec::new();
            loop {
                match (mine.next(), theirs.next()) {
                    (None, None) => break,
                    (Some("{claim}"), Some(claim)) => params.push(("claim", claim.to_owned())),
                    (Some(a), Some(b)) if a == b => {}
                    _ => return None,
                }
            }
            (route.serve.method.as_str() == method).then_some((route, params))
        });
        let (route, params) = found.unwrap_or_else(|| panic!("{method} {path}"));
        let mut map = ::http::HeaderMap::new();
        for (name, value) in headers {
            let name: ::http::HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let query = route::form(query.as_bytes()).unwrap();
        let raw = Raw { params, query, headers: map, body: Vec::new().into(), stream: None };
        let Run::Read(run) = &route.serve.run else { panic!("a read") };
        run(&self.store, self.permit(""), raw, None).await
    }
    pub(super) async fn text(&self, path: &str) -> String {
        text(self.ask("GET", path, &[("accept", "text/html")]).await.unwrap())
    }
    pub(super) async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&text(self.ask("GET", path, &[]).await.unwrap())).unwrap()
    }
    /// A promise in `/trust.json`.
    pub(super) async fn promise(&self, id: &str) -> Value {
        self.d.forget();
        let all = self.json("/trust.json").await;
        all["promises"].as_array().unwrap().iter().find(|p| p["id"] == id).unwrap_or(&Value::Null).clone()
    }
    pub(super) async fn verdict(&self, id: &str) -> String {
        self.promise(id).await["verdict"].as_str().unwrap_or("").to_owned()
    }
}

pub(super) fn text(reply: Reply) -> String {
    match reply.body {
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Body::Page(page) => page("n0nce"),
        Body::Empty => String::new(),
        Body::Stream(_) => panic!("a stream"),
    }
}

fn made(app: &str, page: &str, vault: &Vault, clock: &Arc<dyn Clock>, monitor: &Monitor) -> Arc<Disclosure> {
    let (app, _) = files(app);
    let page = manifest::page(page, "security.md", &app).unwrap_or_else(|f| panic!("{f:?}"));
    Arc::new(Disclosure::new(Means {
        app: Arc::new(app),
        page: Arc::new(page),
        vault: vault.clone(),
        clock: Arc::clone(clock),
        rng: Arc::new(OsRng),
        build: "0.1.0".into(),
        live: Arc::new(|name| (name == "nodes").then(|| "1".to_owned())),
        monitor: monitor.clone(),
    }))
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.d.shown.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
