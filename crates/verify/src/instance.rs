//! The server under test. Either one of the prober's own: fresh data, TLS under a throw-away authority, mail into a sink, a
//! clock on its standard input, everything gone when the value is dropped. Or a live one that other people use.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use manifest::{App, Pointer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    process::{Child, ChildStdin, Command},
    sync::Mutex,
};

use crate::{
    authority::Authority,
    checked::Place,
    evidence::Miss,
    jwt::Issuer,
    live::Live,
    random,
    sink::{Mail, Sink},
    wire::Net,
};

/// How long a start may take.
const READY: Duration = Duration::from_secs(30);

/// What an instance is started from.
#[derive(Clone)]
pub struct Setup {
    /// The program under test.
    pub binary: PathBuf,
    /// The app's folder.
    pub folder: PathBuf,
    /// The app.
    pub app: Arc<App>,
    /// PostgreSQL, if not the embedded engine.
    pub database: Option<String>,
    /// Environment of the server whose values must not stand in its history: this process's own, or what a server told.
    pub variables: Arc<BTreeMap<String, String>>,
}

/// A running server.
pub struct Instance {
    setup: Setup,
    home: Arc<TempDir>,
    data: PathBuf,
    child: Mutex<Option<Child>>,
    steer: Mutex<Option<ChildStdin>>,
    turn: Mutex<()>,
    /// Whose it is.
    pub place: Place,
    /// `https`, or `http` for a development server.
    pub scheme: &'static str,
    /// Its apex host, without the port.
    pub apex: String,
    /// The port in its addresses, unless it is the scheme's usual one.
    port: Option<u16>,
    /// Its process.
    pub pid: Option<u32>,
    /// How to reach it.
    pub net: Net,
    /// Its plain listener.
    pub plain: Option<SocketAddr>,
    /// The authority its certificate is from.
    pub authority: Arc<Authority>,
    /// Its mail.
    pub mail: Sink,
    /// The outside identity provider it believes.
    pub issuer: Arc<Issuer>,
    /// Values given through the environment, by name: none may be found anywhere else.
    pub secrets: Arc<BTreeMap<String, String>>,
    /// From start to ready.
    pub took: Duration,
}

/// What outlives a start.
struct World {
    home: Arc<TempDir>,
    authority: Arc<Authority>,
    mail: Sink,
    issuer: Arc<Issuer>,
}

impl Instance {
    /// Starts a fresh one and waits until it is ready.
    ///
    /// # Errors
    /// Words for the terminal when it does not start.
    pub async fn start(setup: &Setup) -> Result<Self, String> {
        Self::start_with(setup, &[]).await
    }
    /// As [`Instance::start`], with variables of the caller's beside and before its own.
    ///
    /// # Errors
    /// As [`Instance::start`].
    pub async fn start_with(setup: &Setup, variables: &[(String, String)]) -> Result<Self, String> {
        let home = TempDir::with_prefix("vouchsafe-verify-").map_err(words)?;
        let domain = &setup.app.domain;
        let names = vec![domain.clone(), format!("*.{domain}"), "localhost".to_owned(), "*.localhost".to_owned()];
        let authority =
            Authority::issue(names, &home.path().join("cert.pem"), &home.path().join("key.pem")).map_err(words)?;
        let (mail, smtp) = Sink::start().await.map_err(words)?;
        let issuer = Issuer::new("verify-1").map_err(words)?;
        issuer.publish(&home.path().join("jwks.json")).map_err(words)?;
        let mut secrets = secrets(&setup.app, smtp);
        secrets.extend(variables.iter().cloned());
        let data = home.path().join("data");
        let world = World { home: Arc::new(home), authority: Arc::new(authority), mail, issuer: Arc::new(issuer) };
        Self::launch(setup.clone(), world, data, Arc::new(secrets), 0).await
    }
    /// Starts a second one on a copy of this one's data (see [`crate::copy`]), with the same keys and authority.
    ///
    /// # Errors
    /// Words for the terminal when it does not start.
    pub async fn again(&self, data: PathBuf) -> Result<Self, String> {
        self.again_as(self.setup.folder.clone(), data).await
    }
    /// As [`Instance::again`], as another edition of the app.
    ///
    /// # Errors
    /// As [`Instance::again`].
    pub async fn again_as(&self, folder: PathBuf, data: PathBuf) -> Result<Self, String> {
        let setup = Setup { folder, ..self.setup.clone() };
        Self::launch(setup, self.world(), data, self.secrets.clone(), 0).await
    }
    /// Ends it and starts it anew on its own data, with some secrets changed and its clock so many milliseconds ahead from the
    /// first moment on.
    ///
    /// # Errors
    /// As [`Instance::again`].
    pub async fn restarted(&self, changed: &[(String, String)], ahead: i64) -> Result<Self, String> {
        self.stop().await;
        let mut secrets = self.secrets.as_ref().clone();
        secrets.extend(changed.iter().cloned());
        Self::launch(self.setup.clone(), self.world(), self.data.clone(), Arc::new(secrets), ahead).await
    }
    fn world(&self) -> World {
        let (home, authority) = (self.home.clone(), self.authority.clone());
        World { home, authority, mail: self.mail.clone(), issuer: self.issuer.clone() }
    }

    /// What a start on a copy of the data says that is given other roots; none when it starts.
    pub async fn refused_under(&self, data: PathBuf, roots: &str) -> Option<String> {
        let mut secrets = self.secrets.as_ref().clone();
        let region = |pointer: &Pointer| self.setup.app.regions.iter().any(|r| r.root_key == *pointer);
        for (name, value) in &mut secrets {
            if name.starts_with("VOUCHSAFE_ROOT_") || region(&Pointer::Env(name.clone())) {
                // Regions keep roots of their own.
                let ending = value.get(roots.len()..).unwrap_or_default().to_owned();
                *value = format!("{roots}{ending}");
            }
        }
        match Self::launch(self.setup.clone(), self.world(), data, Arc::new(secrets), 0).await {
            Ok(second) => {
                second.stop().await;
                None
            }
            Err(words) => Some(words),
        }
    }

    async fn launch(
        setup: Setup,
        world: World,
        data: PathBuf,
        secrets: Arc<BTreeMap<String, String>>,
        ahead: i64,
    ) -> Result<Self, String> {
        let started = Instant::now();
        let World { home, authority, mail, issuer } = world;
        std::fs::create_dir_all(&data).map_err(words)?;
        let tag = data.file_name().and_then(|n| n.to_str()).unwrap_or("data").to_owned();
        let file = |name: &str| home.path().join(format!("{tag}.{name}"));
        let (ready, log, err) = (file("ready.json"), file("log"), file("err"));
        // A server started anew on the same data left one that names its own port.
        let _earlier = std::fs::remove_file(&ready);
        let plain = free_port()?;
        let mut command = Command::new(&setup.binary);
        command.arg("serve").arg(&setup.folder).arg("--data").arg(&data).args(["--listen", "127.0.0.1:0", "--tls"]);
        command.arg(format!("{},{}", home.path().join("cert.pem").display(), home.path().join("key.pem").display()));
        command.args(["--http", &plain.to_string(), "--no-demo", "--no-watch", "--steer", "stdin"]);
        command.arg("--ready-file").arg(&ready).arg("--log").arg(&log);
        if let Some(url) = &setup.database {
            command.arg("--database").arg(url);
        }
        for name in foreign(&setup.app) {
            command.env_remove(name);
        }
        command.envs(secrets.iter()).env("VOUCHSAFE_ISSUER_JWKS", home.path().join("jwks.json"));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(std::fs::File::create(&err).map_err(words)?);
        command.kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", setup.binary.display()))?;
        let mut steer = child.stdin.take();
        if let (Some(pipe), 1..) = (steer.as_mut(), ahead) {
            pipe.write_all(format!("advance {ahead}\n").as_bytes()).await.map_err(words)?;
            pipe.flush().await.map_err(words)?;
        }
        let told = loop {
            if let Some(told) =
                std::fs::read_to_string(&ready).ok().and_then(|t| serde_json::from_str::<Value>(&t).ok())
            {
                break told;
            }
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || started.elapsed() > READY {
                let said = std::fs::read_to_string(&err).unwrap_or_default();
                return Err(format!("the instance did not start: {}", said.trim()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let url = told.get("url").and_then(Value::as_str).unwrap_or_default();
        let port: u16 = url
            .rsplit(':')
            .next()
            .and_then(|p| p.trim_end_matches('/').parse().ok())
            .ok_or("the ready file names no port")?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let net = Net { address, tls: authority.usual().map_err(words)?, clear: false };
        Ok(Self {
            place: Place::Own,
            scheme: "https",
            apex: setup.app.domain.clone(),
            port: Some(port),
            pid: child.id(),
            child: Mutex::new(Some(child)),
            steer: Mutex::new(steer),
            turn: Mutex::new(()),
            plain: Some(plain),
            took: started.elapsed(),
            setup,
            home,
            data,
            net,
            authority,
            mail,
            issuer,
            secrets,
        })
    }
    /// A server that runs already. What it cannot give (its log, a steered clock, its secrets, a second start) is empty or
    /// unclear: probes that need it run elsewhere, see [`crate::plan::reach`].
    ///
    /// # Errors
    /// Words for the terminal when its address or certificate cannot be read.
    pub fn attach(setup: &Setup, live: &Live) -> Result<Self, String> {
        let home = TempDir::with_prefix("vouchsafe-verify-").map_err(words)?;
        let names = vec!["localhost".to_owned()];
        let authority =
            Authority::issue(names, &home.path().join("cert.pem"), &home.path().join("key.pem")).map_err(words)?;
        let (scheme, apex, port) = live.parts()?;
        let tls = if live.secure() { live.trust() } else { authority.usual() }.map_err(words)?;
        Ok(Self {
            place: Place::Live,
            scheme,
            apex,
            port,
            pid: None,
            child: Mutex::new(None),
            steer: Mutex::new(None),
            turn: Mutex::new(()),
            plain: None,
            took: Duration::ZERO,
            setup: setup.clone(),
            home: Arc::new(home),
            data: live.socket.parent().map(Path::to_owned).unwrap_or_default(),
            net: Net { address: live.address, tls, clear: scheme == "http" },
            authority: Arc::new(authority),
            mail: sunk(live.socket.clone()),
            issuer: Arc::new(Issuer::new("verify-1").map_err(words)?),
            secrets: Arc::default(),
        })
    }
    /// A host as it stands in addresses: with the port, where one is needed.
    #[must_use]
    pub fn on(&self, name: &str) -> String {
        self.port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
    }
    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }
    /// A place for files of the probes, gone with the instance.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.home.path()
    }
    /// What it was started from.
    #[must_use]
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }
    /// Its log so far: the JSON lines, and what it said on standard error.
    #[must_use]
    pub fn logs(&self) -> (String, String) {
        let tag = self.data.file_name().and_then(|n| n.to_str()).unwrap_or("data").to_owned();
        let read = |name: &str| std::fs::read(self.home.path().join(format!("{tag}.{name}"))).unwrap_or_default();
        (String::from_utf8_lossy(&read("log")).into_owned(), String::from_utf8_lossy(&read("err")).into_owned())
    }
    /// Moves its clock.
    ///
    /// # Errors
    /// Unclear when nobody listens any more.
    pub async fn advance(&self, millis: i64) -> Result<(), Miss> {
        self.steer(&format!("advance {millis}\n")).await
    }
    /// From now on one reading request in `every` panics or runs out of time in its middle, in turn; none at 0.
    ///
    /// # Errors
    /// As [`Instance::advance`].
    pub async fn faults(&self, every: u32) -> Result<(), Miss> {
        self.steer(&format!("faults {every}\n")).await
    }
    async fn steer(&self, line: &str) -> Result<(), Miss> {
        let mut steer = self.steer.lock().await;
        let Some(pipe) = steer.as_mut() else { return Err(Miss::Unclear("the instance has no handle".to_owned())) };
        pipe.write_all(line.as_bytes()).await?;
        pipe.flush().await?;
        drop(steer);
        tokio::time::sleep(Duration::from_millis(40)).await;
        Ok(())
    }
    /// An order over the admin socket.
    ///
    /// # Errors
    /// Unclear, with the server's words.
    pub async fn admin(&self, order: &Value) -> Result<Value, Miss> {
        // Hashing has a bounded pool: one order at a time, and again when it was full.
        let _turn = self.turn.lock().await;
        for _ in 0..20 {
            match self.order(order).await {
                Err(Miss::Unclear(why)) if why.contains("No capacity") => {
                    tokio::time::sleep(Duration::from_millis(250)).await
                }
                other => return other,
            }
        }
        Err(Miss::Unclear("admin: no capacity for 5 s".to_owned()))
    }

    /// Calls one route of the house as an operator; status and JSON.
    ///
    /// # Errors
    /// Unclear, with the server's words, when the call was refused.
    pub async fn call(&self, who: &str, method: &str, path: &str, body: Option<&Value>) -> Result<(u64, Value), Miss> {
        let order = serde_json::json!({
            "do": "call", "as": who, "tenant": HOUSE, "method": method, "path": path, "type": "application/json",
        });
        let _turn = self.turn.lock().await;
        call_at(&self.data.join("admin.sock"), &order, body).await
    }

    async fn order(&self, order: &Value) -> Result<Value, Miss> {
        order_at(&self.data.join("admin.sock"), order).await
    }
    /// Ends it and waits for the end.
    pub async fn stop(&self) {
        if let Some(child) = self.child.lock().await.as_mut() {
            let _gone = child.kill().await;
        }
    }
}

/// One order over an admin socket.
async fn order_at(socket: &Path, order: &Value) -> Result<Value, Miss> {
    let work = async {
        let stream = UnixStream::connect(socket).await?;
        let (read, mut write) = stream.into_split();
        write.write_all(format!("{order}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(read).read_line(&mut line).await?;
        Ok::<_, io::Error>(line)
    };
    let line = tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .map_err(|_| Miss::Unclear("the admin socket did not answer in 20 s".to_owned()))??;
    let mut answer: Value =
        serde_json::from_str(&line).map_err(|_| Miss::Unclear("the admin socket closed".to_owned()))?;
    match answer.get_mut("ok") {
        Some(ok) => Ok(ok.take()),
        None => {
            Err(Miss::Unclear(format!("admin: {}", answer.get("error").and_then(Value::as_str).unwrap_or("refused"))))
        }
    }
}

/// The most that a piece of an answer holds.
const LARGEST: usize = 1 << 20;

/// The house's own id.
const HOUSE: &str = "00000000-0000-0000-0000-000000000000";

async fn call_at(socket: &Path, order: &Value, body: Option<&Value>) -> Result<(u64, Value), Miss> {
    let work = async {
        let (read, mut write) = UnixStream::connect(socket).await?.into_split();
        // A body goes in pieces, each behind its length in hex, and ends with a zero; so comes the answer.
        let piece = body.map(Value::to_string).map(|body| format!("{:x}\n{body}", body.len())).unwrap_or_default();
        write.write_all(format!("{order}\n{piece}0\n").as_bytes()).await?;
        write.shutdown().await?;
        let mut read = BufReader::new(read);
        let (mut head, mut body) = (String::new(), Vec::new());
        read.read_line(&mut head).await?;
        loop {
            let mut line = String::new();
            read.read_line(&mut line).await?;
            match usize::from_str_radix(line.trim_end(), 16) {
                Ok(length) if (1..=LARGEST).contains(&length) => {
                    let start = body.len();
                    body.resize(start + length, 0);
                    read.read_exact(body.get_mut(start..).unwrap_or_default()).await?;
                }
                // A refusal has no body, and what is cut off is no JSON.
                _ => break,
            }
        }
        Ok::<_, io::Error>((head, body))
    };
    let (head, body) = tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .map_err(|_| Miss::Unclear("the admin socket did not answer in 20 s".to_owned()))??;
    let head: Value = serde_json::from_str(&head).unwrap_or_default();
    match head.get("ok").and_then(|ok| ok.get("status")?.as_u64()) {
        Some(status) => Ok((status, serde_json::from_slice(&body).unwrap_or_default())),
        None => {
            Err(Miss::Unclear(format!("admin: {}", head.get("error").and_then(Value::as_str).unwrap_or("refused"))))
        }
    }
}

/// Mail of canaries that a live server keeps back.
fn sunk(socket: PathBuf) -> Sink {
    let socket = Arc::new(socket);
    Sink::poll(move || {
        let socket = Arc::clone(&socket);
        async move {
            let told = order_at(&socket, &serde_json::json!({"do": "mail.sunk", "as": "verify"})).await.ok()?;
            told.as_array().map(|list| list.iter().filter_map(Mail::told).collect())
        }
    })
}

fn words(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// A loopback port that was free a moment ago.
fn free_port() -> Result<SocketAddr, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(words)?;
    listener.local_addr().map_err(words)
}

/// A fresh value for every secret the manifest points to.
fn secrets(app: &App, smtp: SocketAddr) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for region in &app.regions {
        let value = random::hex(32);
        out.insert(format!("VOUCHSAFE_ROOT_{}", region.id.to_uppercase().replace('-', "_")), value.clone());
        if let Pointer::Env(name) = &region.root_key {
            out.insert(name.clone(), value);
        }
    }
    let keys = app
        .sessions
        .key
        .iter()
        .chain(app.webhooks_in.iter().flat_map(|w| &w.secrets))
        .chain(app.secrets.iter().map(|s| &s.from));
    for key in keys {
        if let Pointer::Env(name) = key {
            out.entry(name.clone()).or_insert_with(|| random::hex(32));
        }
    }
    out.insert("VOUCHSAFE_SMTP_URL".to_owned(), format!("smtp://{smtp}"));
    if let Pointer::Env(name) = &app.mail.smtp {
        out.insert(name.clone(), format!("smtp://{smtp}"));
    }
    out
}

/// Variables that would lead an instance to somebody else's data, keys or witnesses.
pub(crate) fn foreign(app: &App) -> Vec<String> {
    let pointers = app.regions.iter().flat_map(|r| r.database.iter().chain(&r.blobs)).chain(&app.observability.sentry);
    let named = pointers.filter_map(|p| if let Pointer::Env(name) = p { Some(name.clone()) } else { None });
    named
        .chain(["VOUCHSAFE_DATABASE", "VOUCHSAFE_REGION", "VOUCHSAFE_WITNESSES", "VAULT_TOKEN"].map(str::to_owned))
        .collect()
}
