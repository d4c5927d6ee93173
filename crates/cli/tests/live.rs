//! A server that is watched, and a visitor who tests it, as two programs that know nothing of each other.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test's helpers fail the test")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_vouchsafe");
/// The machine may have much else to do.
const PATIENCE: Duration = Duration::from_secs(150);

static STARTED: AtomicU32 = AtomicU32::new(0);

struct Served {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Served {
    fn start(app: &str, more: &[&str]) -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("live-{app}-{}-{number}", std::process::id()));
        let _old = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let apps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../apps").join(app);
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(apps).arg("--data").arg(folder.join("data")).args(["--listen", "127.0.0.1:0"]);
        command.arg("--ready-file").arg(folder.join("ready")).arg("--log").arg(folder.join("log")).args(more);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        let told: Value = loop {
            match std::fs::read_to_string(folder.join("ready")) {
                Ok(text) => break serde_json::from_str(&text).unwrap(),
                Err(_) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(50)),
                Err(e) => panic!("{e}"),
            }
        };
        let port = told["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        Self { child, port, folder }
    }
    fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
    /// Status and JSON.
    fn ask(&self, host: &str, method: &str, path: &str, more: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }
    fn apex(&self, method: &str, path: &str) -> (u16, Value) {
        self.ask(&format!("localhost:{}", self.port), method, path, "", "")
    }
    /// Verdict of a check on the trust page.
    fn verdict(&self, check: &str) -> String {
        let (_, told) = self.apex("GET", "/trust.json");
        let promises = told["promises"].as_array().cloned().unwrap_or_default();
        let all = promises.iter().flat_map(|p| p["checks"].as_array().cloned().unwrap_or_default());
        let found = all.into_iter().find(|c| c["id"] == check);
        found.and_then(|c| c["verdict"].as_str().map(str::to_owned)).unwrap_or_default()
    }
    fn wait(&self, what: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !what(self) {
            assert!(began.elapsed() < PATIENCE, "not in time");
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
        let _cleared = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_first_verdicts_come_by_themselves_and_the_prober_ends_with_the_server() {
    let mut served = Served::start("kontraktr", &[]);
    served.wait(|s| s.verdict("edge.framing") == "proven");
    served.wait(|s| s.verdict("tenant.cross_read") == "proven");
    let (_, told) = served.apex("GET", "/trust.json");
    let promise = told["promises"].as_array().unwrap().iter().find(|p| p["id"] == "KON-4.9").unwrap().clone();
    assert_eq!(promise["evidence"]["edge.permissions"]["verdict"], "proven", "{promise}");
    // The prober is at work on instances of its own now.
    let children =
        || std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", served.child.id())).unwrap_or_default();
    let pids: Vec<String> = children().split_whitespace().map(str::to_owned).collect();
    served.child.kill().unwrap();
    served.child.wait().unwrap();
    let began = Instant::now();
    while pids.iter().any(|pid| Path::new("/proc").join(pid).join("exe").exists()) {
        assert!(began.elapsed() < Duration::from_secs(20), "{pids:?} outlived the server");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_visitor_borrows_canaries_within_bounds() {
    let served = Served::start("nordkestrel", &["--no-watch", "--no-demo"]);
    let (status, lent) = served.apex("POST", "/api/v1/canary");
    assert_eq!(status, 201, "{lent}");
    assert_eq!(lent["tenants"].as_array().unwrap().len(), 2);
    // Not on a tenant's host.
    let tenant = lent["tenants"][0]["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
    assert_eq!(served.ask(&tenant, "POST", "/api/v1/canary", "", "").0, 404);
    // Its owner signs in; what they write to strangers does not leave.
    let owner = &lent["tenants"][0]["people"][0];
    let body = serde_json::json!({"email": owner["email"], "password": owner["password"]}).to_string();
    let json = "content-type: application/json\r\n";
    let (status, tokens) = served.ask(&tenant, "POST", "/api/v1/auth/sign-in", json, &body);
    assert_eq!(status, 200, "{tokens}");
    let signed = format!("{json}authorization: Bearer {}\r\n", tokens["access_token"].as_str().unwrap());
    let body = serde_json::json!({"email": "victim@firm.example", "role": owner["role"]}).to_string();
    let (status, invited) = served.ask(&tenant, "POST", "/api/v1/members/invitations", &signed, &body);
    assert!((200..300).contains(&status), "{status} {invited}");
    std::thread::sleep(Duration::from_secs(5));
    let (_, mails) = served.apex("GET", "/dev/mail.json");
    assert!(!mails.to_string().contains("victim@firm.example"), "{mails}");
    // Their mail is theirs alone.
    let mail = lent["mail"].as_str().unwrap();
    assert_eq!(served.apex("GET", mail).0, 200);
    assert_eq!(served.apex("GET", "/api/v1/canary/00112233/mail").0, 404);
    // Four pairs at once, over all visitors; then nobody gets more.
    let more: Vec<u16> = (0..4).map(|_| served.apex("POST", "/api/v1/canary").0).collect();
    assert_eq!(more.iter().filter(|s| **s == 201).count(), 3, "{more:?}");
    assert!(matches!(more.last(), Some(429 | 503)), "{more:?}");
}

#[test]
fn a_visitor_tests_from_outside() {
    let served = Served::start("nordkestrel", &["--no-watch", "--no-demo"]);
    let out = Command::new(PROGRAM).args(["verify", &served.url(), "--format", "json"]).output().unwrap();
    let list: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
    let bad = |p: &&Value| matches!(p["verdict"].as_str(), Some("failing" | "inconclusive"));
    let wrong: Vec<&Value> = list.as_array().into_iter().flatten().filter(bad).collect();
    assert!(out.status.success(), "{wrong:?} {}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(list.as_array().unwrap().len(), 44);
    let walls = list.as_array().unwrap().iter().find(|p| p["id"] == "NOR-4.6").unwrap();
    assert_eq!(
        (&walls["verdict"], &walls["evidence"]["tenant.cross_read"]["where"]),
        (&"proven".into(), &"live".into())
    );
    // Nothing is proven that nobody looked at.
    let looked = |p: &Value| p["evidence"].as_object().unwrap().values().all(|e| e["where"] == "live");
    assert!(list.as_array().unwrap().iter().filter(|p| p["verdict"] == "proven").all(looked));
    let none = Command::new(PROGRAM).args(["verify", "http://localhost:1"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}
