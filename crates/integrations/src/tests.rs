//! From an outbox row to a delivered mail, through the job as the server runs it.

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use encryption::{OsRng, Vault};
use kernel::{
    Actor, Caller, Clock, Credential, Event, Failure, Grant, Home, Keys, Mode, Peer, Permit, Place, Principal,
    RequestId, Rng, Secret, Site, Status, Steered, Tenant, TenantId, Time,
};
use monitoring::{Level, Monitor, Sink};
use route::{Raw, Run};
use store::{Chain, Control, Engine, Head, Lookup, Options, Placed, Store, Tx};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use super::*;

struct Unlinked;
impl Chain for Unlinked {
    fn next(&self, head: &Head, _: &Event, now: Time, _: &dyn Rng) -> Placed {
        Placed { head: Head { size: head.size + 1, hash: [0; 32], at: now }, body: b"{}".to_vec(), values: Vec::new() }
    }
}

struct House {
    folder: tempfile::TempDir,
    store: Store,
    keys: Keys,
    vault: Vault,
    monitor: Monitor,
    clock: Arc<Steered>,
}

#[expect(clippy::disallowed_methods, reason = "a test bench")]
fn keys() -> Keys {
    Keys::forge()
}

impl House {
    async fn open() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Steered::at(Time(1_777_887_000_000))));
        let options = Options {
            folder: folder.path().join("data"),
            engine: Engine::Sqlite,
            tables: encryption::tables(),
            chain: Arc::new(Unlinked),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::new(OsRng),
        };
        let store = Store::open(options).await.unwrap();
        let keys = keys();
        let roots = vec![("main", Secret::new([1; 32]))];
        let lookup = Lookup::new(&keys.caller, &store);
        let rng = Arc::new(OsRng);
        let vault =
            Vault::new(lookup, roots, folder.path().join("keys"), rng, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let monitor =
            Monitor::start(Sink::File(folder.path().join("log")), Level::Info, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { folder, store, keys, vault, monitor: monitor.unwrap(), clock }
    }
    fn mail_folder(&self) -> PathBuf {
        self.folder.path().join("mail")
    }
    fn mailer(&self, way: Way) -> Arc<Mailer> {
        Mailer::new(self.vault.clone(), way, "Acme <no-reply@acme.example>", self.monitor.clone()).unwrap()
    }
    fn development(&self) -> Arc<Mailer> {
        self.mailer(Way::Folder(Mailbox::new(self.mail_folder())))
    }
    fn permit<M: Mode>(&self) -> Permit<M> {
        let keys = &self.keys;
        let home = Arc::new(Home {
            id: TenantId::HOUSE,
            slug: String::new(),
            name: "house".into(),
            region: "main".into(),
            url: "http://localhost".into(),
            status: Status::Active,
            modules: Vec::new(),
        });
        let peer = Peer::seen(&keys.peer, Ipv4Addr::LOCALHOST.into(), RequestId::default(), true, self.clock.now());
        let caller =
            Caller::known(&keys.caller, Site::at(&keys.site, peer, Place::House), Credential::Job("mail.drain"));
        let tenant = Tenant::found(&keys.tenant, caller, home);
        let principal = Principal::known(&keys.principal, tenant, Actor::System("mail.drain"), false);
        Permit::grant(&keys.permit, principal, "mail.drained", Grant::PLAIN)
    }
    async fn post(&self, payload: Vec<u8>) {
        let batch = Tx::open(&self.store, self.permit()).batch::<Control>("mail");
        batch.emit(KIND, payload).commit().await.unwrap();
    }
    async fn write(&self, to: &str, subject: &str) {
        let mail =
            Mail { to: to.into(), subject: subject.into(), text: "Open http://acme.localhost/x".into(), tenant: None };
        self.post(self.vault.seal_house(KIND, &serde_json::to_vec(&mail).unwrap()).unwrap()).await;
    }
    async fn drain(&self, mailer: &Arc<Mailer>) -> Result<(), Failure> {
        let job = section(mailer, &frame()).jobs.remove(0);
        let Run::Write(run) = &job.serve.run else { panic!() };
        run(&self.store, self.permit(), raw(""), None).await.map(drop)
    }
    async fn ask(&self, mailer: &Arc<Mailer>, at: usize, query: &str) -> String {
        let route = section(mailer, &frame()).routes.remove(at);
        assert_eq!(route.action.resource, "development");
        let Run::Read(run) = &route.serve.run else { panic!() };
        match run(&self.store, self.permit(), raw(query), None).await.unwrap().body {
            route::Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            route::Body::Page(page) => page("nonce"),
            _ => panic!(),
        }
    }
    fn log(&self) -> String {
        self.monitor.flush();
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

pub(crate) fn frame() -> Arc<route::page::Frame> {
    let (text, _) = manifest::new_app("probe").unwrap();
    let app = Arc::new(manifest::read(&text, "app.toml").unwrap());
    Arc::new(route::page::Frame::new(app, &manifest::Page::default(), true))
}

fn raw(query: &str) -> Raw {
    let query = route::form(query.as_bytes()).unwrap();
    Raw { params: Vec::new(), query, headers: ::http::HeaderMap::new(), body: Vec::new().into(), stream: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_development_server_keeps_its_mail_in_a_folder() {
    let house = House::open().await;
    let mailer = house.development();
    assert_eq!(house.drain(&mailer).await, Err(Failure::NotFound), "idle: no batch, no leaf");
    house.write("ann@acme.example", "Hello <b>Ann</b>").await;
    house.clock.advance(1);
    house.write("bob@acme.example", "Hello Bob").await;
    house.drain(&mailer).await.unwrap();
    assert_eq!(house.drain(&mailer).await, Err(Failure::NotFound), "delivered once");
    let json: serde_json::Value = serde_json::from_str(&house.ask(&mailer, 1, "to=ANN@acme.example").await).unwrap();
    assert_eq!(json["items"].as_array().unwrap().len(), 1);
    assert_eq!(json["items"][0]["subject"], "Hello <b>Ann</b>");
    assert!(json["items"][0]["at"].as_str().unwrap().ends_with('Z'));
    let page = house.ask(&mailer, 0, "").await;
    assert!(page.contains("Hello &lt;b&gt;Ann&lt;/b&gt;") && page.contains("<a href=\"http://acme.localhost/x\""));
    let eml = std::fs::read_dir(house.mail_folder())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().path().extension().unwrap() == "eml");
    assert_eq!(eml.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_be_sent_is_given_up_and_named_without_persons() {
    let house = House::open().await;
    let mailer = house.development();
    house.write("ann@acme.example\r\nBcc: eve@evil.example", "x").await;
    house.post(house.vault.seal_house(KIND, b"{\"to\":\"ann@acme.example\"}").unwrap()).await;
    house.write("bob@acme.example", "fine").await;
    house.drain(&mailer).await.unwrap();
    assert_eq!(house.drain(&mailer).await, Err(Failure::NotFound));
    assert_eq!(Mailbox::new(house.mail_folder()).newest(9).unwrap().len(), 1);
    let log = house.log();
    assert_eq!(log.matches("a mail was given up").count(), 2, "{log}");
    assert!(!log.contains("acme.example") && !log.contains("evil"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_now_is_tried_later_and_at_last_given_up() {
    let house = House::open().await;
    // Nobody listens there.
    let mailer = house.mailer(Way::Smtp(Secret::new("smtp://127.0.0.1:1")));
    assert!(section(&mailer, &frame()).routes.is_empty(), "no mailbox page outside development");
    house.write("ann@acme.example", "x").await;
    let mut tries = 0;
    while tries < 20 {
        match house.drain(&mailer).await {
            Ok(()) => tries += 1,
            Err(Failure::NotFound) if house.log().contains("given up") => break,
            other => assert_eq!(other, Err(Failure::NotFound)),
        }
        house.clock.advance(60_000);
        if tries > 3 {
            house.clock.advance(12 * 3_600_000);
        }
    }
    assert_eq!(tries, 10);
    assert_eq!(house.log().matches("could not be delivered yet").count(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_open_waits() {
    let house = House::open().await;
    house.post(b"not sealed".to_vec()).await;
    house.drain(&house.development()).await.unwrap();
    assert!(house.log().contains("could not be delivered yet"));
}

/// A mail server for one mail: answers `reply` to the data and gives what it was told.
async fn server(reply: &'static str) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (read, mut write) = socket.split();
        let (mut lines, mut told, mut data) = (BufReader::new(read).lines(), Vec::new(), false);
        write.write_all(b"220 ready\r\n").await.unwrap();
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match (data, line.as_str()) {
                (true, ".") => reply,
                (true, _) => "",
                (_, "DATA") => "354 go on",
                (_, "QUIT") => "221 bye",
                _ => "250 ok",
            };
            data = line == "DATA" || (data && line != ".");
            told.push(line);
            if !answer.is_empty() {
                write.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            }
        }
        told
    });
    (port, talk)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_gets_it_once() {
    let house = House::open().await;
    let (port, talk) = server("250 taken").await;
    let mailer = house.mailer(Way::Smtp(Secret::new(format!("smtp://127.0.0.1:{port}"))));
    house.write("ann@acme.example", "Hello").await;
    house.drain(&mailer).await.unwrap();
    let told = talk.await.unwrap();
    assert_eq!(told.iter().filter(|l| l.as_str() == "RCPT TO:<ann@acme.example>").count(), 1, "{told:?}");
    assert!(told.iter().any(|l| l == "Subject: Hello"));
    assert_eq!(house.drain(&mailer).await, Err(Failure::NotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_refuses_for_good_is_not_asked_again() {
    let house = House::open().await;
    let (port, talk) = server("550 no such ann@acme.example").await;
    let mailer = house.mailer(Way::Smtp(Secret::new(format!("smtp://127.0.0.1:{port}"))));
    house.write("ann@acme.example", "Hello").await;
    house.drain(&mailer).await.unwrap();
    talk.await.unwrap();
    assert_eq!(house.drain(&mailer).await, Err(Failure::NotFound));
    let log = house.log();
    assert!(log.contains("given up") && !log.contains("ann@acme.example"), "{log}");
}
