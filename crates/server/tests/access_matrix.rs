//! Who may do what, asked from outside: every route of every app, as nobody, as each role, and from another tenant. What is
//! expected is read from the manifest; nothing here uses the crate that decides.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use std::{collections::BTreeMap, fs, path::Path};

use house::*;
use manifest::{App, GrantRows, Grants, Kind, Manage, Target};
use serde_json::{Value, json};

const APPS: [&str; 5] = ["kwestra", "nordkestrel", "kontraktr", "estokad", "connectwyze"];

/// An id that nothing has.
const NOTHING: &str = "01900000-0000-7000-8000-000000000000";

fn golden(app: &str) {
    let text = vouchsafe::describe(read(&manifest_of(app))).unwrap().matrix;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{app}.txt"));
    #[expect(clippy::disallowed_methods, reason = "how a person says that a change is meant")]
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let other = kept.lines().zip(text.lines()).find(|(kept, now)| kept != now);
    assert!(kept == text, "{app}: rights have changed, first in {other:?}; UPDATE_GOLDEN=1 keeps them");
}

#[test]
fn the_matrix_of_each_app_is_the_one_that_was_reviewed() {
    APPS.into_iter().for_each(golden);
}

/// One line of the route table, as OpenAPI tells it.
#[derive(Debug)]
struct Line {
    method: String,
    path: String,
    resource: String,
    verb: String,
    /// A tenant resource that must be managed besides.
    also: Option<String>,
}

impl Line {
    fn reads(&self) -> bool {
        self.method == "GET"
    }
    fn collection<'a>(&self, app: &'a App) -> Option<&'a manifest::Collection> {
        app.collections.iter().find(|c| c.id == self.resource)
    }
    /// The path with `ids` for its segments; `None`: there is nothing of that kind.
    fn filled(&self, ids: &BTreeMap<String, String>) -> Option<String> {
        let mut path = self.path.clone();
        while let Some(start) = path.find('{') {
            let end = path[start..].find('}').unwrap() + start;
            let name = path[start + 1..end].to_owned();
            let id = ids.get(&format!("{}.{name}", self.resource)).or_else(|| ids.get(&name))?;
            path.replace_range(start..=end, id);
        }
        Some(path)
    }
    fn nowhere(&self) -> String {
        let mut path = self.path.clone();
        while let Some(start) = path.find('{') {
            let end = path[start..].find('}').unwrap() + start;
            path.replace_range(start..=end, NOTHING);
        }
        path
    }
    fn told(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

async fn table(house: &House) -> Vec<Line> {
    let document = house.apex().get("/api/v1/openapi.json").await.is(200).json();
    let mut lines = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let (resource, verb) = operation["x-action"].as_str().unwrap().split_once('.').unwrap();
            let (resource, verb) = (resource.to_owned(), verb.to_owned());
            let also = operation["x-also"].as_str().map(|also| also.strip_suffix(".manage").unwrap().to_owned());
            lines.push(Line { method: method.to_uppercase(), path: path.clone(), resource, verb, also });
        }
    }
    assert!(lines.len() > 60, "{}", lines.len());
    for line in &lines {
        let named = |end: &str| line.path.starts_with("/api/v1/collections/") && line.path.ends_with(end);
        let wanted = if named("/records/export") { Some("exports") } else { None };
        let wanted = if named("/records/import") { Some("imports") } else { wanted };
        assert_eq!(line.also.as_deref(), wanted, "{}", line.path);
    }
    lines
}

/// What the manifest says of somebody and a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// Anybody may.
    Open,
    /// Whoever is signed in may, about themselves.
    Own,
    /// On the house's host only.
    House,
    /// Held for every row.
    All,
    /// Held for some rows.
    Some,
    /// Not held.
    No,
    /// Held, and its module is off.
    Off,
}

fn may(app: &App, grants: &Grants, line: &Line) -> May {
    match line.resource.as_str() {
        "public" => return May::Open,
        "account" => return May::Own,
        "house" => return May::House,
        _ => {}
    }
    let held = match app.collections.iter().position(|c| c.id == line.resource) {
        // What anybody may send in, a member may too.
        Some(at) if line.verb == "submit" => {
            match app.visitor.collections.get(&at).map(|g| g.verbs.contains_key("submit")) {
                Some(true) => May::All,
                _ => May::No,
            }
        }
        Some(at) => match grants.collections.get(&at).and_then(|g| g.verbs.get(line.verb.as_str())) {
            Some(GrantRows::All) => May::All,
            Some(GrantRows::Any(_)) => May::Some,
            None => May::No,
        },
        None => match (grants.tenant.get(line.resource.as_str()), line.verb.as_str()) {
            (Some(_), "read") | (Some(Manage::Manage), "manage") => May::All,
            _ => May::No,
        },
    };
    let besides = line.also.as_ref().is_none_or(|also| grants.tenant.get(also.as_str()) == Some(&Manage::Manage));
    let held = if besides { held } else { May::No };
    let parent = line.collection(app).and_then(|c| c.part_of).map(|(parent, _)| app.collections[parent].id);
    let gates = |gate: &String| {
        *gate == line.resource || parent == Some(gate.as_str()) || *gate == format!("{}.{}", line.resource, line.verb)
    };
    let off = app.modules.iter().any(|m| !m.on && m.gates.iter().any(gates));
    if held != May::No && off { May::Off } else { held }
}

/// What a row-limited grant may still refuse when it is met, and what asks for more than a grant.
fn later(answer: &Answer, held: May) -> bool {
    matches!((answer.code().as_str(), held), ("StepUp", _) | ("NotGranted", May::Some))
}

/// Lines that end what the test stands on; the journeys go through them. This list only shrinks.
const LAST: [&str; 5] = [
    "POST /api/v1/auth/sign-out",
    "POST /api/v1/auth/sign-out-everywhere",
    "POST /api/v1/tenant/deletion",
    "DELETE /api/v1/me/membership",
    "PATCH /api/v1/tenant",
];

struct Stage {
    house: House,
    lines: Vec<Line>,
    shared: bool,
    /// Real ids of the first tenant: `collection.id`, `user`, `members.id` (an invitation), `token`.
    ids: BTreeMap<String, String>,
    owner: Door,
    other: Door,
}

fn role(app: &App, at: usize) -> &'static str {
    app.roles[at].id
}

impl Stage {
    async fn set(app: &str) -> Self {
        let house = House::open(app).await;
        let lines = table(&house).await;
        let (first, last) = (role(&house.app, 0), house.app.roles.last().unwrap().id);
        let (owner, other) = (house.member(0, first).await, house.member(1, first).await);
        let mut ids = BTreeMap::new();
        for collection in &house.app.collections {
            let records = owner.list(collection.id).await;
            assert!(records.len() < 200);
            if let Some(record) = records.first() {
                ids.insert(format!("{}.id", collection.id), record["id"].as_str().unwrap().to_owned());
            }
        }
        let invited = owner.post("/api/v1/members/invitations", &json!({"email": "x@example.com", "role": last})).await;
        ids.insert("members.id".into(), invited.is(201).json()["id"].as_str().unwrap().to_owned());
        let members = owner.get("/api/v1/members").await.is(200).json();
        let of_last = members["members"].as_array().unwrap().iter().find(|m| m["role"] == last).unwrap();
        ids.insert("user".into(), of_last["user"].as_str().unwrap().to_owned());
        for share in &house.app.shares {
            let of = house.app.collections[share.shows[0].0].id;
            if let Some(record) = ids.get(&format!("{of}.id")) {
                let made =
                    owner.post(&format!("/api/v1/shares/{}", share.id), &json!({"record": record})).await.is(201);
                ids.insert("token".into(), made.json()["token"].as_str().unwrap().to_owned());
            }
        }
        let shared = house.app.tenant.membership_slug;
        Self { house, lines, shared, ids, owner, other }
    }

    fn real(&self, line: &Line) -> String {
        line.filled(&self.ids).unwrap_or_else(|| line.nowhere())
    }

    async fn tried(&self, door: &Door, line: &Line, path: &str) -> Answer {
        let body = if line.reads() { Value::Null } else { json!({}) };
        let answer = door.ask(&line.method, path, &body).await;
        assert!(answer.status < 500, "{}: {} {}", line.told(), answer.status, answer.text());
        answer
    }

    /// Nobody: 401 wherever the visitor's grants do not reach; on a shared host not even that there is something.
    async fn nobody(&self) {
        let app = &self.house.app;
        let door = self.house.tenant(0);
        for line in &self.lines {
            let answer = self.tried(&door, line, &self.real(line)).await;
            let (status, told) = (answer.status, line.told());
            if self.shared {
                assert_eq!(status, 404, "{told}");
                continue;
            }
            match may(app, &app.visitor, line) {
                May::Open => {}
                May::House => assert_eq!(status, 404, "{told}"),
                May::No | May::Own => {
                    answer.problem(401);
                }
                May::Off => assert_eq!(status, 402, "{told}"),
                May::All | May::Some => {
                    assert!(!matches!(status, 401 | 403) || later(&answer, May::Some), "{told}: {}", answer.text());
                }
            }
        }
        self.delivered().await;
    }

    /// Delivery by id without an account: the visitor's reading, and nothing else, whoever asks.
    async fn delivered(&self) {
        let app = &self.house.app;
        let Some(template) = &app.tenant.public_path else { return };
        let (before, _) = template.split_once('{').unwrap();
        let mut door = self.house.host(&format!("{}.localhost", app.tenant.host));
        door.prefix = format!("{before}{}", self.house.ready.tenants[0].id);
        for door in [door.clone(), self.owner.at(&door)] {
            for line in &self.lines {
                let answer = self.tried(&door, line, &self.real(line)).await;
                match may(app, &app.visitor, line) {
                    May::All | May::Some if line.reads() => assert!(answer.status != 401, "{}", line.told()),
                    May::Open => {}
                    _ => assert!(!answer.good(), "{}: {}", line.told(), answer.text()),
                }
            }
        }
    }

    /// A role: 403 with a code where its floor does not hold it; elsewhere no refusal that is not the rows' or a step up.
    async fn role(&self, at: usize) {
        let app = &self.house.app;
        let door = self.house.member(0, role(app, at)).await;
        let floor = &app.roles[at].floor;
        for line in self.lines.iter().filter(|l| !LAST.contains(&l.told().as_str())) {
            let held = may(app, floor, line);
            let path = if line.reads() || held == May::No { self.real(line) } else { line.nowhere() };
            let answer = self.tried(&door, line, &path).await;
            let (status, told) = (answer.status, format!("{}: {}", role(app, at), line.told()));
            match held {
                May::No => assert_eq!(answer.problem(403).code(), "NotGranted", "{told}"),
                May::House => assert_eq!(status, 404, "{told}"),
                May::Off => assert_eq!(status, 402, "{told}"),
                May::Open => {}
                May::Own => assert_ne!(status, 403, "{told}"),
                May::All | May::Some => {
                    assert_ne!(status, 401, "{told}");
                    assert!(status != 403 || later(&answer, held), "{told}: {}", answer.text());
                    let lists = line.reads() && !line.path.contains('{');
                    assert!(!lists || status == 200, "{told}: {status}");
                }
            }
        }
        self.hidden(&door, at).await;
    }

    /// A record beyond a role's rows answers as one that does not exist, for whatever the role may do with others.
    async fn hidden(&self, door: &Door, at: usize) {
        let app = &self.house.app;
        for (position, collection) in app.collections.iter().enumerate() {
            let Some(grant) = app.roles[at].floor.collections.get(&position) else { continue };
            if !grant.verbs.contains_key("read") {
                continue;
            }
            let seen: Vec<_> = door.list(collection.id).await.iter().map(|r| r["id"].clone()).collect();
            let beyond = self.owner.list(collection.id).await.into_iter().find(|r| !seen.contains(&r["id"]));
            let Some(beyond) = beyond else { continue };
            for line in self.lines.iter().filter(|l| l.resource == collection.id && l.path.contains("{id}")) {
                if line.verb != "read" {
                    continue;
                }
                let real = line.path.replace("{id}", beyond["id"].as_str().unwrap());
                self.same(door, line, &real, &line.nowhere(), &json!({})).await;
            }
        }
    }

    /// Both paths give the same answer, byte for byte.
    async fn same(&self, door: &Door, line: &Line, one: &str, two: &str, body: &Value) {
        let kind = (!line.reads()).then_some("application/json");
        let body = if line.reads() { String::new() } else { body.to_string() };
        let one = door.send(&line.method, one, kind, body.as_bytes()).await;
        let two = door.send(&line.method, two, kind, body.as_bytes()).await;
        assert_eq!((one.status, one.text()), (two.status, two.text()), "{}", line.told());
        assert!(!one.good(), "{}: {}", line.told(), one.text());
        let shown = |a: &Answer| {
            let differ =
                |n: &str| matches!(n, "x-request-id" | "date" | "ratelimit") || n.starts_with("content-security");
            a.headers.iter().filter(|(n, _)| !differ(n)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(shown(&one), shown(&two), "{}", line.told());
    }

    /// The owner of another tenant, with this one's ids: at home they are unknown ids, and away there is nothing.
    async fn foreigner(&self) {
        let app = &self.house.app;
        for line in self.lines.iter().filter(|l| l.path.contains('{')) {
            let Some(real) = line.filled(&self.ids) else { continue };
            self.same(&self.other, line, &real, &line.nowhere(), &json!({})).await;
        }
        let mut away = self.other.at(&self.house.tenant(0));
        if self.shared {
            // The slug may be one of their own too.
            away.prefix = format!("/w/{}", self.house.ready.tenants[0].id);
        }
        for line in self.lines.iter().filter(|l| !LAST.contains(&l.told().as_str())) {
            let answer = self.tried(&away, line, &self.real(line)).await;
            let (status, told) = (answer.status, line.told());
            match may(app, &app.visitor, line) {
                _ if self.shared => assert_eq!(status, 404, "{told}"),
                // The issuer's token names its tenant: anywhere else it is no credential.
                _ if app.auth.issuer.is_some() => assert_eq!(status, 401, "{told}"),
                May::No | May::House => assert_eq!(status, 404, "{told}"),
                May::Off => assert_eq!(status, 402, "{told}"),
                May::Open | May::Own => {}
                May::All | May::Some => assert!(!matches!(status, 401 | 403), "{told}: {status}"),
            }
        }
        for line in self.lines.iter().filter(|l| l.resource == "account" && l.reads()) {
            if self.shared || app.auth.issuer.is_some() {
                continue;
            }
            let answer = self.tried(&away, line, &line.path).await;
            assert!(answer.json()["membership"].is_null(), "{}: no member here", answer.text());
        }
    }

    /// A reference to another tenant's record is as wrong as one to nothing: in records, parts, batches and action inputs.
    async fn references(&self) {
        let app = &self.house.app;
        let foreign = |to: &Target| match to {
            Target::Collection(c) => self.ids.get(&format!("{}.id", app.collections[*c].id)),
            Target::Members => self.ids.get("user"),
        };
        let mut compared = 0;
        for collection in &app.collections {
            let mine = self.other.list(collection.id).await.into_iter().next();
            let fields = collection.fields.iter().filter(|f| !f.read_only && f.derived.is_none());
            for field in fields {
                let Kind::Reference { to, .. } = &field.kind else { continue };
                let Some(theirs) = foreign(to) else { continue };
                let value = |id: &str| if field.many { json!([id]) } else { json!(id) };
                for (method, path) in [
                    ("POST", records(collection.id)),
                    ("PATCH", mine.as_ref().map_or_else(String::new, |m| record(collection.id, &m["id"]))),
                ] {
                    if path.is_empty() || (method == "PATCH" && collection.append_only) {
                        continue;
                    }
                    let with = async |id: &str| self.other.ask(method, &path, &json!({field.id: value(id)})).await;
                    let (one, two) = (with(theirs).await, with(NOTHING).await);
                    assert!(!one.good(), "{method} {path} {}: {}", field.id, one.text());
                    assert_eq!((one.status, one.text()), (two.status, two.text()), "{method} {path} {}", field.id);
                    compared += 1;
                }
            }
            for action in &collection.actions {
                let Some(mine) = &mine else { continue };
                for input in &action.input {
                    let Kind::Reference { to, .. } = &input.kind else { continue };
                    let Some(theirs) = foreign(to) else { continue };
                    let path = format!("{}/actions/{}", record(collection.id, &mine["id"]), action.id);
                    let with = async |id: &str| self.other.post(&path, &json!({input.id: id})).await;
                    let (one, two) = (with(theirs).await, with(NOTHING).await);
                    assert!(!one.good(), "{path}: {}", one.text());
                    assert_eq!((one.status, one.text()), (two.status, two.text()), "{path}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 0);
    }

    /// What was there is there, as it was.
    async fn unchanged(&self, before: &BTreeMap<&'static str, Vec<Value>>) {
        for (collection, records) in before {
            let now = self.owner.list(collection).await;
            for record in records {
                assert!(now.contains(record), "{collection}: {record}");
            }
            let at = self.house.app.collections.iter().position(|c| c.id == *collection).unwrap();
            let open = self.house.app.submissions.iter().any(|s| s.creates == at);
            assert!(open || now.len() == records.len(), "{collection}: nobody may add to it");
        }
    }

    async fn everything(&self) -> BTreeMap<&'static str, Vec<Value>> {
        let mut all = BTreeMap::new();
        for collection in &self.house.app.collections {
            all.insert(collection.id, self.owner.list(collection.id).await);
        }
        all
    }
}

async fn every_route(app: &str) {
    let stage = Stage::set(app).await;
    let before = stage.everything().await;
    stage.foreigner().await;
    stage.references().await;
    stage.nobody().await;
    stage.unchanged(&before).await;
    for at in (0..stage.house.app.roles.len()).rev() {
        stage.role(at).await;
    }
    for tenant in [&stage.owner, &stage.other] {
        assert_eq!(tenant.get("/api/v1/audit/check").await.is(200).json()["intact"], true);
    }
    stage.house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_kwestra() {
    every_route("kwestra").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_nordkestrel() {
    every_route("nordkestrel").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_kontraktr() {
    every_route("kontraktr").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_estokad() {
    every_route("estokad").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_connectwyze() {
    every_route("connectwyze").await;
}
