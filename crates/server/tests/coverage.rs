//! Every route that changes something leaves exactly one leaf, named as the route table says; what fails leaves none.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use std::collections::{BTreeMap, BTreeSet};

use house::*;
use manifest::{Collection, Field, Kind, Target};
use serde_json::{Map, Value, json};

const PASSWORD: &str = "correct horse battery 9";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n";

/// Routes that cannot be reached: where every record needs a file, an import has none. This list only shrinks.
fn unreached(app: &str) -> &'static [&'static str] {
    match app {
        "estokad" => &["POST /api/v1/collections/assets/records/import"],
        "kontraktr" => &["POST /api/v1/collections/documents/records/import"],
        _ => &[],
    }
}

/// The table's changing lines: "METHOD path" to the leaf's name.
async fn table(house: &House) -> BTreeMap<String, String> {
    let document = house.apex().get("/api/v1/openapi.json").await.is(200).json();
    let mut lines = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if let Some(event) = operation["x-audit"].as_str() {
                lines.insert(format!("{} {path}", method.to_uppercase()), event.to_owned());
            }
        }
    }
    lines
}

struct Log {
    house: House,
    owner: Door,
    lines: BTreeMap<String, String>,
    seen: BTreeSet<String>,
    count: u32,
    /// Leaves of the tenant that were looked at, and of the house.
    size: [usize; 2],
}

impl Log {
    async fn open(app: &str) -> Self {
        let house = House::open(app).await;
        let first = house.app.roles[0].id;
        let owner = house.member(0, first).await;
        let lines = table(&house).await;
        let mut log = Self { house, owner, lines, seen: BTreeSet::new(), count: 0, size: [0; 2] };
        log.fresh().await;
        log
    }

    /// Leaves since the last look, of the tenant's log and of the house's.
    async fn fresh(&mut self) -> [Vec<Value>; 2] {
        let own = self.house.log_of(&self.house.ready.tenants[0].id).await;
        let mut house = self.house.log_of("00000000-0000-0000-0000-000000000000").await;
        house.retain(|leaf| !leaf["actor"].as_str().unwrap().starts_with("system")); // jobs work meanwhile
        let fresh = [own[self.size[0]..].to_vec(), house[self.size[1]..].to_vec()];
        self.size = [own.len(), house.len()];
        fresh
    }

    /// Calls a line of the table as `door`, and compares the log. `at` is where the leaf belongs: the tenant, or the house.
    async fn call(
        &mut self,
        door: &Door,
        line: &str,
        path: &str,
        kind: Option<&str>,
        body: &[u8],
        at: usize,
    ) -> Answer {
        let event = self.lines.get(line).unwrap_or_else(|| panic!("no such line: {line}")).clone();
        let method = line.split(' ').next().unwrap();
        let answer = door.send(method, path, kind, body).await;
        let fresh = self.fresh().await;
        let told: Vec<_> =
            fresh[at].iter().map(|l| (l["action"].as_str().unwrap(), l["outcome"].as_str().unwrap())).collect();
        if answer.good() {
            assert_eq!(told, [(event.as_str(), "done")], "{line}");
            self.seen.insert(line.to_owned());
        } else {
            assert!(told.is_empty(), "{line}: {} {} left {told:?}", answer.status, answer.text());
        }
        answer
    }
    async fn json(&mut self, line: &str, path: &str, body: &Value) -> Answer {
        let owner = self.owner.clone();
        let (kind, text) =
            if body.is_null() { (None, String::new()) } else { (Some("application/json"), body.to_string()) };
        self.call(&owner, line, path, kind, text.as_bytes(), 0).await
    }

    /// A record like one that is there, in the fields that are taken.
    async fn like(&mut self, collection: &Collection, record: &Value) -> Value {
        self.count += 1;
        let mut body = Map::new();
        for field in collection.fields.iter().filter(|f| f.derived.is_none() && !f.read_only) {
            let value = match (&field.kind, &record[field.id]) {
                (Kind::File { accept }, _) if field.required => {
                    let (kind, bytes) = file(accept);
                    let path = format!("/api/v1/collections/{}/files/{}", collection.id, field.id);
                    let owner = self.owner.clone();
                    self.call(&owner, &format!("POST {path}"), &path, Some(kind), bytes, 0).await.is(201).json()["id"]
                        .clone()
                }
                (Kind::File { .. }, _) => continue,
                (Kind::Secret, _) => json!("s3cret"),
                (_, Value::Null) if field.required && !field.unique => self.made(field).await,
                (_, Value::Null) if !field.required => continue,
                (kind, value) if field.unique => unique(field, kind, value, self.count),
                (_, value) => value.clone(),
            };
            body.insert(field.id.to_owned(), value);
        }
        for key in &collection.unique {
            // One member of each key is made another: a text, or all of them together.
            let fields = || key.iter().map(|at| &collection.fields[*at]);
            if let Some(text) = fields().find(|f| f.kind == Kind::Text) {
                body.insert(text.id.to_owned(), json!(format!("like {}", self.count)));
                continue;
            }
            let mut pairs = vec![Map::new()];
            for field in fields() {
                let values: Vec<Value> = match (&field.kind, target(field)) {
                    (_, Some(to)) => {
                        let there = self.owner.list(self.house.app.collections[to].id).await;
                        there.iter().map(|r| r["id"].clone()).collect()
                    }
                    (Kind::Enum(of), _) => of.iter().map(|v| json!(v)).collect(),
                    _ => vec![self.made(field).await],
                };
                let with = |pair: &Map<_, _>, v: &Value| {
                    pair.clone().into_iter().chain([(field.id.to_owned(), v.clone())]).collect()
                };
                pairs = pairs.iter().flat_map(|pair| values.iter().map(move |v| with(pair, v))).collect();
            }
            let there = self.owner.list(collection.id).await;
            pairs.retain(|pair| !there.iter().any(|r| pair.iter().all(|(name, value)| r[name] == *value)));
            body.extend(pairs[self.count as usize % pairs.len()].clone());
        }
        Value::Object(body)
    }

    async fn collection(&mut self, collection: &Collection) {
        let (base, owner) = (records(collection.id), self.owner.clone());
        let one = format!("{base}/{{id}}");
        let given = |f: &&Field| f.required && !matches!(f.kind, Kind::Secret | Kind::File { .. });
        let whole = |r: &&Value| collection.fields.iter().filter(given).all(|f| !r[f.id].is_null());
        let model = owner.list(collection.id).await.iter().find(whole).cloned().unwrap_or_else(|| json!({}));
        // One that is refused leaves nothing.
        self.json(&format!("POST {base}"), &base, &json!({"no such field": 1})).await.is(422);
        self.records(collection, &model).await;
        let model = match owner.list(collection.id).await.into_iter().next() {
            Some(model) => model,
            None => {
                let body = self.like(collection, &model).await;
                self.json(&format!("POST {base}"), &base, &body).await.is(201).json()
            }
        };
        for field in &collection.fields {
            let Kind::File { accept } = &field.kind else { continue };
            let ((kind, bytes), line) = (file(accept), format!("{one}/files/{}", field.id));
            let path = format!("/api/v1/collections/{}/files/{}", collection.id, field.id);
            self.call(&owner, &format!("POST {path}"), &path, Some(kind), bytes, 0).await.is(201);
            let path = format!("{}/files/{}", record(collection.id, &model["id"]), field.id);
            self.call(&owner, &format!("PUT {line}"), &path, Some(kind), bytes, 0).await.is(200);
        }
        let export = format!("{base}/export");
        if self.lines.contains_key(&format!("GET {export}")) {
            self.json(&format!("GET {export}"), &export, &Value::Null).await.is(200);
        }
        let found = owner.list(collection.id).await;
        self.actions(collection, &found).await;
    }

    /// One by one, in batches, from a file.
    async fn records(&mut self, collection: &Collection, model: &Value) {
        let (base, owner) = (records(collection.id), self.owner.clone());
        let (one, batch) = (format!("{base}/{{id}}"), format!("{base}/batch"));
        let body = self.like(collection, model).await;
        let made = self.json(&format!("POST {base}"), &base, &body).await.is(201).json();
        let pair =
            [self.like(collection, model).await, self.like(collection, model).await].map(|b| json!({"fields": b}));
        let pair = self.json(&format!("POST {batch}"), &batch, &json!(pair)).await.is(200).json();
        let ids: Vec<_> = pair["items"].as_array().unwrap().iter().map(|i| i["id"].clone()).collect();
        if self.lines.contains_key(&format!("PATCH {one}")) {
            let key =
                |f: &Field| f.unique || collection.unique.iter().flatten().any(|at| collection.fields[*at].id == f.id);
            let stays = |f: &Field| key(f) || matches!(f.kind, Kind::Secret | Kind::File { .. });
            let part = collection.part_of.map(|(_, at)| collection.fields[at].id);
            let mut same = body.as_object().unwrap().clone();
            same.retain(|name, _| part != Some(name) && collection.fields.iter().any(|f| f.id == name && !stays(f)));
            self.json(&format!("PATCH {one}"), &record(collection.id, &made["id"]), &json!(same)).await.is(200);
            let changes: Vec<_> = ids.iter().map(|id| json!({"id": id, "fields": same})).collect();
            self.json(&format!("PATCH {batch}"), &batch, &json!(changes)).await.is(200);
            let gone: Vec<_> = ids.iter().map(|id| json!({"id": id})).collect();
            self.json(&format!("DELETE {batch}"), &batch, &json!(gone)).await.is(200);
            self.json(&format!("DELETE {one}"), &record(collection.id, &made["id"]), &Value::Null).await.is(204);
            self.json(&format!("DELETE {one}"), &record(collection.id, &made["id"]), &Value::Null).await.is(404);
        }
        if collection.fields.iter().any(|f| f.required && matches!(f.kind, Kind::File { .. })) {
            return; // files are not imported
        }
        let path = format!("{base}/import");
        let lines = format!("{}\n", self.like(collection, model).await);
        self.call(&owner, &format!("POST {path}"), &path, Some("application/x-ndjson"), lines.as_bytes(), 0)
            .await
            .is(200);
    }

    /// Every declared action, on whichever record its guard lets it, before or after the others.
    async fn actions(&mut self, collection: &Collection, found: &[Value]) {
        let base = records(collection.id);
        let mut names: Vec<_> = collection.actions.iter().map(|a| a.id).collect();
        if collection.drafts && !names.contains(&"unpublish") {
            names.push("unpublish");
        }
        names.sort_by_key(|name| *name != "publish");
        for _ in 0..3 {
            for name in &names {
                let line = format!("POST {base}/{{id}}/actions/{name}");
                if self.seen.contains(&line) {
                    continue;
                }
                let input = match collection.actions.iter().find(|a| a.id == *name) {
                    Some(action) => self.inputs(&action.input).await,
                    None => json!({}),
                };
                for model in found {
                    let path = format!("{}/actions/{name}", record(collection.id, &model["id"]));
                    let answer = self.json(&line, &path, &input).await;
                    assert!(answer.good() || answer.status == 409, "{line}: {}", answer.text());
                    if answer.good() && *name != "publish" {
                        break;
                    }
                }
            }
        }
    }

    async fn inputs(&self, declared: &[Field]) -> Value {
        let mut body = Map::new();
        for field in declared {
            body.insert(field.id.to_owned(), self.made(field).await);
        }
        Value::Object(body)
    }

    /// Some value that a field takes.
    async fn made(&self, field: &Field) -> Value {
        match &field.kind {
            Kind::Reference { to: Target::Collection(c), .. } => {
                self.owner.list(self.house.app.collections[*c].id).await[0]["id"].clone()
            }
            Kind::Money => json!(format!("0.01 {}", self.house.app.currency)),
            Kind::Date => json!("2027-01-01"),
            Kind::DateTime => json!("2027-01-01T00:00:00Z"),
            Kind::Integer | Kind::Decimal => json!(1),
            Kind::Boolean => json!(true),
            Kind::Enum(of) => json!(of[0]),
            Kind::Email => json!("a@b.example"),
            _ => json!("words"),
        }
    }

    /// Public forms, links, members, the tenant: what every app has.
    async fn rest(&mut self) {
        let app = self.house.app.clone();
        let nobody = self.owner.nobody();
        for form in &app.submissions {
            let collection = &app.collections[form.creates];
            let found = self.owner.list(collection.id).await;
            let like = match found.first() {
                Some(model) => self.like(collection, model).await,
                None => json!({}),
            };
            let mut body: Map<_, _> = like.as_object().unwrap().clone();
            body.retain(|name, _| form.fields.iter().any(|at| collection.fields[*at].id == name));
            for field in form.fields.iter().map(|at| &collection.fields[*at]).filter(|f| f.required) {
                let made = self.made(field).await;
                body.entry(field.id).or_insert(made);
            }
            let path = format!("/api/v1/submissions/{}", form.id);
            let text = Value::Object(body).to_string();
            self.call(&nobody, &format!("POST {path}"), &path, Some("application/json"), text.as_bytes(), 0)
                .await
                .is(201);
        }
        for share in &app.shares {
            let of = app.collections[share.shows[0].0].id;
            let model = self.owner.list(of).await[0]["id"].clone();
            let path = format!("/api/v1/shares/{}", share.id);
            let made = self.json(&format!("POST {path}"), &path, &json!({"record": model})).await.is(201).json();
            let opened = nobody.with("x-pin", made["pin"].as_str().unwrap_or(""));
            let path = format!("/api/v1/shares/{}", made["token"].as_str().unwrap());
            self.call(&opened, "GET /api/v1/shares/{token}", &path, None, b"", 0).await.is(200);
        }
        self.json("GET /api/v1/audit/export", "/api/v1/audit/export", &Value::Null).await.is(200);
        self.json("PATCH /api/v1/tenant", "/api/v1/tenant", &json!({"name": "Another name"})).await;
        self.members().await;
    }

    async fn members(&mut self) {
        let (last, invite) = (self.house.app.roles.last().unwrap().id, "/api/v1/members/invitations");
        let body = |email: &str| json!({"email": email, "role": last});
        let line = format!("POST {invite}");
        let made = self.json(&line, invite, &body("gone@guests.example")).await.is(201).json();
        let path = format!("{invite}/{}", made["id"].as_str().unwrap());
        self.json(&format!("DELETE {invite}/{{id}}"), &path, &Value::Null).await.is(204);
        self.json(&line, invite, &body("here@guests.example")).await.is(201);
        let members = self.owner.get("/api/v1/members").await.is(200).json();
        let of_last = members["members"].as_array().unwrap().iter().find(|m| m["role"] == last).unwrap().clone();
        let path = format!("/api/v1/members/{}", of_last["user"].as_str().unwrap());
        for way in ["suspend", "resume"] {
            self.json(&format!("POST /api/v1/members/{{user}}/{way}"), &format!("{path}/{way}"), &Value::Null)
                .await
                .is(204);
        }
        self.json("PATCH /api/v1/members/{user}", &path, &json!({"role": self.house.app.roles[0].id})).await.is(204);
        let leaver = self.house.member(0, last).await;
        self.fresh().await;
        self.call(&leaver, "DELETE /api/v1/me/membership", "/api/v1/me/membership", None, b"", 0).await.is(204);
        let added = json!({"do": "member.add", "tenant": self.house.ready.tenants[0].id, "email": "added@guests.example", "role": last});
        let added = self.house.admin(added).await["user"].clone();
        self.fresh().await;
        let path = format!("/api/v1/members/{}", added.as_str().unwrap());
        self.json("DELETE /api/v1/members/{user}", &path, &Value::Null).await.is(204);
        let token = self.house.mailed("here@guests.example", "You are invited").await;
        let mut accept = json!({"token": token, "name": "Here"});
        if self.passwords() {
            accept["password"] = PASSWORD.into();
        }
        let (door, line) = (self.door(), "POST /api/v1/invitations/accept");
        let kind = Some("application/json");
        if self.house.app.auth.issuer.is_some() {
            // The issuer knows them: whoever left comes back, founds a tenant of their own, and signs out.
            self.call(&leaver, line, "/api/v1/invitations/accept", kind, accept.to_string().as_bytes(), 0)
                .await
                .is(201);
            let (wish, line) = (json!({"slug": "havn", "name": "Havn"}).to_string(), "POST /api/v1/tenants");
            self.call(&leaver.at(&self.house.apex()), line, "/api/v1/tenants", kind, wish.as_bytes(), 1).await.is(201);
            let answer = self.auth(&leaver, "sign-out-everywhere", Value::Null, 1).await;
            assert!(answer.good(), "{}", answer.text());
            return;
        }
        self.call(&door, line, "/api/v1/invitations/accept", kind, accept.to_string().as_bytes(), 0).await.is(201);
        self.identity("here@guests.example").await;
    }

    fn passwords(&self) -> bool {
        self.house.app.auth.methods.contains(&manifest::Method::Password)
    }
    /// Where people sign in.
    fn door(&self) -> Door {
        let host = &self.house.app.tenant.host;
        if self.house.app.tenant.membership_slug {
            self.house.host(&format!("{host}.localhost"))
        } else {
            self.owner.nobody()
        }
    }

    /// One post at where people sign in; on a tenant's own host its log tells of sign-ins (`at` 0), else the house's.
    async fn auth(&mut self, door: &Door, path: &str, body: Value, at: usize) -> Answer {
        let (line, path) = (format!("POST /api/v1/auth/{path}"), format!("/api/v1/auth/{path}"));
        let (kind, text) =
            if body.is_null() { (None, String::new()) } else { (Some("application/json"), body.to_string()) };
        self.call(door, &line, &path, kind, text.as_bytes(), at).await
    }

    async fn signed_in(&mut self, email: &str, at: usize) -> Value {
        let door = self.door();
        if self.passwords() {
            return self.auth(&door, "sign-in", json!({"email": email, "password": PASSWORD}), at).await.is(200).json();
        }
        self.auth(&door, "magic-link", json!({"email": email}), 1).await;
        let token = self.house.mailed(email, "Sign in").await;
        self.fresh().await;
        self.auth(&door, "magic", json!({"token": token}), at).await.is(200).json()
    }

    async fn identity(&mut self, email: &str) {
        let (door, at) = (self.door(), usize::from(self.house.app.tenant.membership_slug));
        let held = |tokens: &Value| door.token(tokens["access_token"].as_str().unwrap());
        let tokens = self.signed_in(email, at).await;
        let body = json!({"refresh_token": tokens["refresh_token"], "device": tokens["device"]});
        let mut tokens = self.auth(&door, "refresh", body, 1).await.is(200).json();
        if self.passwords() {
            let body = json!({"old": PASSWORD, "new": "another fine phrase 4"});
            tokens = self.auth(&held(&tokens), "password", body, 1).await.is(200).json();
        }
        self.auth(&held(&tokens), "sign-out", Value::Null, 1).await.is(204);
        if self.passwords() {
            self.auth(&door, "reset-request", json!({"email": email}), 1).await.is(202);
            let token = self.house.mailed(email, "A new password").await;
            self.fresh().await;
            self.auth(&door, "reset", json!({"token": token, "password": PASSWORD}), at).await.is(200);
        }
        let tokens = self.signed_in(email, at).await;
        self.auth(&held(&tokens), "sign-out-everywhere", Value::Null, 1).await.is(204);
        self.apex().await;
    }

    /// A lent pair of canaries: the route's own leaf first, then those of the tenants and people that it makes.
    async fn canaries(&mut self) {
        let line = "POST /api/v1/canary";
        self.house.apex().send("POST", "/api/v1/canary", None, b"").await.is(201);
        let fresh = self.fresh().await;
        let told: Vec<_> = fresh[1].iter().map(|l| l["action"].as_str().unwrap()).collect();
        assert_eq!(told.first(), Some(&self.lines[line].as_str()));
        assert!(told[1..].iter().all(|t| ["tenant.created", "member.joined"].contains(t)), "{told:?}");
        self.seen.insert(line.to_owned());
    }

    /// Sign-up, at the house's host and in its log.
    async fn apex(&mut self) {
        if self.house.app.tenant.sign_up != manifest::SignUp::Open {
            return;
        }
        let (apex, kind) = (self.house.apex(), Some("application/json"));
        let mut body = json!({"email": "new@guests.example", "name": "New"});
        let mut wish = json!({"slug": "havn", "name": "Havn", "email": "siri@havn.example", "owner": "Siri"});
        if self.passwords() {
            body["password"] = PASSWORD.into();
            wish["password"] = PASSWORD.into();
        }
        self.auth(&apex, "sign-up", body, 1).await.is(202);
        let token = self.house.mailed("new@guests.example", "Confirm").await;
        self.fresh().await;
        self.auth(&apex, "verify", json!({"token": token}), 1).await.is(200);
        let (line, path) = ("POST /api/v1/tenants", "/api/v1/tenants");
        self.call(&apex, line, path, kind, wish.to_string().as_bytes(), 1).await.is(201);
    }
}

/// A file that the field takes.
fn file(accept: &[String]) -> (&'static str, &'static [u8]) {
    if accept.iter().any(|a| a.contains("image")) { ("image/png", PNG) } else { ("application/pdf", PDF) }
}

fn target(field: &Field) -> Option<usize> {
    match field.kind {
        Kind::Reference { to: Target::Collection(to), .. } => Some(to),
        _ => None,
    }
}

fn unique(field: &Field, kind: &Kind, value: &Value, n: u32) -> Value {
    let text = value.as_str().unwrap_or("");
    match (kind, field.pattern.as_deref().unwrap_or("")) {
        (Kind::Url, _) => json!(format!("{text}?{n}")),
        (_, pattern) if pattern.contains("]{1,4}-") => json!(format!("LIKE-2026-{n:04}")),
        (_, pattern) if pattern.contains("A-Z") => json!(format!("LIKE{n}")),
        (_, pattern) if pattern.starts_with('/') => json!(format!("/like-{n}")),
        _ => json!(format!("like-{n}")),
    }
}

async fn every_change(app: &str) {
    let mut log = Log::open(app).await;
    for collection in log.house.app.collections.clone() {
        log.collection(&collection).await;
    }
    log.rest().await;
    log.canaries().await;
    let last = "POST /api/v1/tenant/deletion";
    let owner = log.owner.clone();
    assert_eq!(owner.get("/api/v1/audit/check").await.is(200).json()["intact"], true);
    let gone = owner.post("/api/v1/tenant/deletion", &Value::Null).await;
    assert!(gone.good(), "{}", gone.text());
    log.seen.insert(last.to_owned());
    let missing: Vec<_> = log.lines.keys().filter(|line| !log.seen.contains(*line)).map(String::as_str).collect();
    assert_eq!(missing, unreached(app), "{app}");
    log.house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_kwestra_leaves_one_leaf() {
    every_change("kwestra").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_nordkestrel_leaves_one_leaf() {
    every_change("nordkestrel").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_kontraktr_leaves_one_leaf() {
    every_change("kontraktr").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_estokad_leaves_one_leaf() {
    every_change("estokad").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_connectwyze_leaves_one_leaf() {
    every_change("connectwyze").await;
}
