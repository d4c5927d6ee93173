//! A house to test in: a real server in this process, on a loopback port and a folder of its own, and a client small enough
//! to send anything.
#![allow(dead_code, reason = "each test file uses a part of it")]

mod wire;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use manifest::App;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use vouchsafe::{Ready, ReadyTenant, Running, Settings};
pub use wire::*;

/// A server that runs until it is ended or its test is over.
pub struct House {
    pub app: App,
    pub ready: Ready,
    pub port: u16,
    pub data: PathBuf,
    running: Option<Running>,
    folders: Vec<TempDir>,
}

/// The text of an app in `apps/`.
pub fn manifest_of(app: &str) -> String {
    fs::read_to_string(folder_of(app).join("app.toml")).unwrap()
}

pub fn folder_of(app: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../apps").join(app)
}

pub fn read(text: &str) -> App {
    manifest::read(text, "app.toml").unwrap_or_else(|faults| panic!("{}", manifest::render(&faults, false)))
}

/// The manifest with every limit out of the way.
pub fn unlimited(text: &str) -> String {
    let app = read(text);
    let tiers = app.limits.tiers.keys().map(|tier| format!("{tier} = \"1000000/min per ip\"\n")).collect::<String>();
    section(text, "limits", &tiers)
}

/// The manifest with another text for one table.
pub fn section(text: &str, name: &str, body: &str) -> String {
    let head = format!("\n[{name}]\n");
    let start = text.find(&head).unwrap() + head.len();
    let end = text[start..].find("\n[").map_or(text.len(), |at| start + at);
    format!("{}{body}{}", &text[..start], &text[end..])
}

/// The manifest with `old` as `new`; `old` must be there once.
pub fn swap(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replace(old, new)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = {
            let e = entry.unwrap();
            (e.path(), to.join(e.file_name()))
        };
        if path.is_dir() { copy(&path, &to) } else { fs::copy(&path, &to).map(drop).unwrap() }
    }
}

pub fn settings(folder: &Path, data: &Path) -> Settings {
    Settings {
        sources: "",
        folder: folder.to_owned(),
        data: data.to_owned(),
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        tls: None,
        http: None,
        metrics: None,
        database: None,
        ready_file: None,
        log: None,
        demo: true,
        steer: false,
        watch: false,
        environment: std::collections::HashMap::new(),
    }
}

impl House {
    /// An app of the repository as it is.
    pub async fn of(app: &str) -> Self {
        Self::with(app, str::to_owned).await
    }
    /// An app of the repository without limits.
    pub async fn open(app: &str) -> Self {
        Self::with(app, unlimited).await
    }
    /// An app of the repository with another manifest, in a folder of its own.
    pub async fn with(app: &str, edit: impl FnOnce(&str) -> String) -> Self {
        let (folder, data) = (TempDir::with_prefix("house-").unwrap(), TempDir::with_prefix("house-").unwrap());
        copy(&folder_of(app), folder.path());
        let text = edit(&manifest_of(app));
        fs::write(folder.path().join("app.toml"), &text).unwrap();
        Self::start(&text, vec![folder, data]).await
    }

    /// An app of the repository with another manifest and other settings.
    pub async fn tuned(app: &str, edit: impl FnOnce(&str) -> String, tune: impl FnOnce(&mut Settings)) -> Self {
        let (folder, data) = (TempDir::with_prefix("house-").unwrap(), TempDir::with_prefix("house-").unwrap());
        copy(&folder_of(app), folder.path());
        let text = edit(&manifest_of(app));
        fs::write(folder.path().join("app.toml"), &text).unwrap();
        Self::start_with(&text, vec![folder, data], tune).await
    }

    /// Ends the server and starts it on the same data as another edition of the app.
    pub async fn edited(mut self, edit: impl FnOnce(&str) -> String, tune: impl FnOnce(&mut Settings)) -> Self {
        self.running.take().unwrap().end().await;
        let file = self.folders[0].path().join("app.toml");
        let text = edit(&fs::read_to_string(&file).unwrap());
        fs::write(file, &text).unwrap();
        Self::start_with(&text, std::mem::take(&mut self.folders), tune).await
    }

    /// An app of the repository with its page and without limits.
    pub async fn paged(app: &str) -> Self {
        let text = unlimited(&manifest_of(app));
        let security = fs::read_to_string(folder_of(app).join("security.md")).unwrap();
        let page = manifest::page(&security, "security.md", &read(&text)).unwrap_or_else(|f| panic!("{f:?}"));
        let (folder, data) = (TempDir::with_prefix("house-").unwrap(), TempDir::with_prefix("house-").unwrap());
        copy(&folder_of(app), folder.path());
        fs::write(folder.path().join("app.toml"), &text).unwrap();
        Self::start_as(&text, vec![folder, data], |_| (), page).await
    }

    async fn start(text: &str, folders: Vec<TempDir>) -> Self {
        Self::start_with(text, folders, |_| ()).await
    }

    async fn start_with(text: &str, folders: Vec<TempDir>, tune: impl FnOnce(&mut Settings)) -> Self {
        Self::start_as(text, folders, tune, manifest::Page::default()).await
    }

    async fn start_as(
        text: &str,
        folders: Vec<TempDir>,
        tune: impl FnOnce(&mut Settings),
        page: manifest::Page,
    ) -> Self {
        let [folder, data] = folders.as_slice() else { panic!("an app and its data") };
        let app = read(text);
        let data = data.path().to_owned();
        panics_are_for_people();
        let mut settings = settings(folder.path(), &data);
        tune(&mut settings);
        let started = vouchsafe::start(settings, app.clone(), page, text).await;
        let running = started.unwrap_or_else(|words| panic!("{words}"));
        let ready = running.ready();
        let port = ready.url.rsplit(':').next().unwrap().parse().unwrap();
        Self { app, ready, port, data, running: Some(running), folders }
    }

    /// Ends the server and starts it again on the same folders.
    pub async fn again(mut self) -> Self {
        self.running.take().unwrap().end().await;
        let text = fs::read_to_string(self.folders[0].path().join("app.toml")).unwrap();
        Self::start(&text, std::mem::take(&mut self.folders)).await
    }

    pub fn folder(&self) -> &Path {
        self.folders[0].path()
    }

    pub async fn end(mut self) {
        self.running.take().unwrap().end().await;
    }

    /// The app's own host.
    pub fn apex(&self) -> Door {
        Door::new(self.port, &self.ready.url)
    }
    /// A demo tenant, nobody signed in.
    pub fn tenant(&self, at: usize) -> Door {
        Door::new(self.port, &self.ready.tenants[at].url)
    }
    /// A host of any name.
    pub fn host(&self, host: &str) -> Door {
        Door::new(self.port, &format!("http://{host}:{}", self.port))
    }
    /// A demo tenant, with its member of that role signed in.
    pub async fn member(&self, at: usize, role: &str) -> Door {
        let tenant = &self.ready.tenants[at];
        let member = tenant.members.iter().find(|m| m.role == role).unwrap();
        self.sign_in(tenant, &member.email, &member.password).await
    }
    /// The demo member's id in `/api/v1/me`.
    pub async fn sign_in(&self, tenant: &ReadyTenant, email: &str, password: &str) -> Door {
        let way = Door::new(self.port, &tenant.sign_in_url);
        let mut body = json!({"email": email, "password": password});
        if tenant.url.contains("/w/") && tenant.sign_in_url.ends_with("/dev/sign-in") {
            body["tenant"] = tenant.slug.clone().into();
        }
        let tokens = way.from(fresh()).post("", &body).await.is(200).json();
        Door::new(self.port, &tenant.url).token(tokens["access_token"].as_str().unwrap())
    }

    /// Ends the server and looks at its folder.
    pub async fn end_keeping(mut self, look: impl FnOnce(&Path)) {
        self.running.take().unwrap().end().await;
        look(&self.data);
    }

    /// One order at the admin socket.
    pub async fn admin(&self, order: Value) -> Value {
        let text = self.told(order.clone()).await;
        let answer: Value = serde_json::from_str(text.trim()).unwrap();
        assert!(answer.get("error").is_none(), "{order}: {answer}");
        answer["ok"].clone()
    }

    async fn told(&self, order: Value) -> String {
        self.sent(order, "").await
    }

    /// One order with what follows it, as it is; all that comes back.
    pub async fn sent(&self, mut order: Value, rest: &str) -> String {
        order["as"] = "test".into();
        let mut stream = UnixStream::connect(self.data.join("admin.sock")).await.unwrap();
        stream.write_all(format!("{order}\n{rest}").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Every leaf of a tenant's log, or of the house's (the nil id), as an operator reads it.
    pub async fn log_of(&self, tenant: &str) -> Vec<Value> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/audit?limit=200{after}");
            let page = self.call(json!({"tenant": tenant, "method": "GET", "path": path})).await;
            let page: Value = serde_json::from_str(&page).unwrap();
            all.extend(page["items"].as_array().unwrap().iter().map(|item| item["leaf"].clone()));
            match page["next"].as_i64() {
                Some(next) => after = format!("&after={next}"),
                None => return all,
            }
        }
    }

    /// Calls a route as the operator; the answer's body.
    pub async fn call(&self, mut order: Value) -> String {
        order["do"] = "call".into();
        let text = self.told(order.clone()).await;
        let (head, body) = text.split_once('\n').unwrap();
        let head: Value = serde_json::from_str(head).unwrap();
        assert_eq!(head["ok"]["status"], 200, "{order}: {head} {body}");
        let (mut rest, mut all) = (body, String::new());
        loop {
            let (length, after) = rest.split_once('\n').unwrap();
            let length = usize::from_str_radix(length, 16).unwrap();
            if length == 0 {
                return all;
            }
            let (piece, after) = after.split_at(length);
            (all, rest) = (all + piece, after);
        }
    }

    /// Waits for the newest mail to `to` whose subject holds `subject`; the token of its link.
    pub async fn mailed(&self, to: &str, subject: &str) -> String {
        for _ in 0..200 {
            let mails = self.apex().get(&format!("/dev/mail.json?to={to}")).await.is(200).json();
            let found =
                mails["items"].as_array().unwrap().iter().find(|m| m["subject"].as_str().unwrap().contains(subject));
            if let Some(text) = found.and_then(|m| m["text"].as_str()) {
                let token = text.split("token=").nth(1).unwrap_or("");
                return token.split(|c: char| c.is_whitespace()).next().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no mail `{subject}` to {to}");
    }

    /// A table of a tenant's file, read once the server has ended.
    pub fn file_of(&self, tenant: &str) -> PathBuf {
        self.data.join("t").join(&tenant[34..]).join(format!("{tenant}.db"))
    }
}

/// A server keeps panics for its log; those of tests are to be seen.
fn panics_are_for_people() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            loop {
                let _servers = std::panic::take_hook();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
    });
}

/// A loopback address that nobody used yet.
pub fn fresh() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, 1, (n >> 8) as u8, (n & 255) as u8)
}

/// Below one url, as somebody.
#[derive(Clone)]
pub struct Door {
    pub port: u16,
    pub host: String,
    pub prefix: String,
    pub headers: Vec<(String, String)>,
    pub from: Ipv4Addr,
}

impl Door {
    pub fn new(port: u16, url: &str) -> Self {
        let rest = url.strip_prefix("http://").unwrap();
        let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, prefix) = (host.to_owned(), prefix.to_owned());
        Self { port, host, prefix, headers: Vec::new(), from: Ipv4Addr::LOCALHOST }
    }
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut door = self.clone();
        door.headers.push((name.to_owned(), value.to_owned()));
        door
    }
    pub fn token(&self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }
    pub fn nobody(&self) -> Self {
        Self { headers: Vec::new(), ..self.clone() }
    }
    pub fn from(&self, from: Ipv4Addr) -> Self {
        Self { from, ..self.clone() }
    }
    /// Here, as the person who was there.
    pub fn at_with(&self, who: &Self) -> Self {
        who.at(self)
    }
    /// The same person at another url.
    pub fn at(&self, other: &Self) -> Self {
        Self { headers: self.headers.clone(), ..other.clone() }
    }

    pub async fn send(&self, method: &str, path: &str, kind: Option<&str>, body: &[u8]) -> Answer {
        let mut head =
            format!("{method} {}{path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.prefix, self.host);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(kind) = kind {
            head += &format!("content-type: {kind}\r\n");
        }
        if !body.is_empty() || !matches!(method, "GET" | "HEAD") {
            head += &format!("content-length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut wire = connect(self.from, self.port).await;
        wire.write(head.as_bytes()).await;
        wire.write(body).await;
        let answer = wire.answer(method == "HEAD").await;
        answer.unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        if body.is_null() {
            return self.send(method, path, None, b"").await;
        }
        self.send(method, path, Some("application/json"), body.to_string().as_bytes()).await
    }
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &Value::Null).await
    }
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, body).await
    }
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask("PATCH", path, body).await
    }
    pub async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &Value::Null).await
    }

    /// Records of a collection, at most 200.
    pub async fn list(&self, collection: &str) -> Vec<Value> {
        let answer = self.get(&format!("{}?limit=200", records(collection))).await.is(200).json();
        answer["items"].as_array().unwrap().clone()
    }
    /// Every leaf of the tenant's log, oldest first.
    pub async fn leaves(&self) -> Vec<Value> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/api/v1/audit?limit=200{after}")).await.is(200).json();
            all.extend(page["items"].as_array().unwrap().iter().map(|item| item["leaf"].clone()));
            match page["next"].as_i64() {
                Some(next) => after = format!("&after={next}"),
                None => return all,
            }
        }
    }
}

pub fn records(collection: &str) -> String {
    format!("/api/v1/collections/{collection}/records")
}
pub fn record(collection: &str, id: &Value) -> String {
    format!("{}/{}", records(collection), id.as_str().unwrap())
}

/// Signs in from an address of its own.
pub async fn signed_in(at: &Door, email: &str, password: &str) -> Answer {
    at.nobody().from(fresh()).post("/api/v1/auth/sign-in", &json!({"email": email, "password": password})).await
}

/// Whoever was given these tokens.
pub fn bearer(at: &Door, tokens: &Answer) -> Door {
    at.nobody().token(tokens.json()["access_token"].as_str().unwrap())
}

/// Ends a test: the log of each is whole.
pub async fn intact(doors: &[&Door]) {
    for door in doors {
        let check = door.get("/api/v1/audit/check").await.is(200).json();
        assert_eq!(check["intact"], true, "{check}");
    }
}

pub fn actions(leaves: &[Value]) -> Vec<&str> {
    leaves.iter().map(|l| l["action"].as_str().unwrap()).collect()
}

/// Runs them at the same moment; their results in order.
pub async fn together<T: Send + 'static>(
    calls: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let calls: Vec<_> = calls.into_iter().collect();
    let start = std::sync::Arc::new(tokio::sync::Barrier::new(calls.len()));
    let begun = calls.into_iter().map(|call| {
        let start = std::sync::Arc::clone(&start);
        tokio::spawn(async move {
            start.wait().await;
            call.await
        })
    });
    let mut results = Vec::new();
    for call in begun.collect::<Vec<_>>() {
        results.push(call.await.unwrap());
    }
    results
}
