//! Starts beside the instance: another folder, other settings, data of their own. Some must be refused.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    process::{Child, Command},
};

use crate::{
    copy,
    evidence::{Miss, unclear},
    instance::foreign,
    random,
    run::Scene,
    wire::{Client, Net},
};

/// How long a start may take.
const READY: Duration = Duration::from_secs(20);

/// What is different about a start.
#[derive(Default)]
pub(super) struct Wish<'w> {
    /// The app's folder.
    pub(super) folder: Option<&'w Path>,
    /// Variables set otherwise; empty: removed.
    pub(super) variables: &'w [(&'w str, &'w str)],
    /// More arguments.
    pub(super) arguments: &'w [&'w str],
    /// Whether its log goes to standard error, as it does by itself.
    pub(super) said: bool,
    /// Another certificate key than the instance's.
    pub(super) key: Option<&'w Path>,
}

/// What became of it.
pub(super) enum Start {
    /// It answers.
    Up(Box<Side>),
    /// It ended: exit code, its words.
    Refused(i32, String),
}

/// A server beside the instance, killed when dropped.
pub(super) struct Side {
    _child: Child,
    /// Its process.
    pub(super) pid: u32,
    /// How to reach it.
    pub(super) net: Net,
    /// Its data.
    pub(super) data: PathBuf,
    /// What it says on standard error.
    pub(super) err: PathBuf,
}

impl Side {
    /// Starts one and waits until it answers or has ended.
    pub(super) async fn start(scene: &Scene, wish: &Wish<'_>) -> Result<Start, Miss> {
        let instance = &scene.stage.instance;
        let (home, tag) = (instance.scratch(), random::hex(4));
        let file = |name: &str| home.join(format!("side-{tag}.{name}"));
        let (ready, err, data) = (file("json"), file("err"), file("data"));
        let (key, cert) = (home.join("key.pem"), home.join("cert.pem"));
        let mut command = Command::new(&instance.setup().binary);
        command.arg("serve").arg(wish.folder.unwrap_or(&instance.setup().folder)).arg("--data").arg(&data);
        command.args(["--listen", "127.0.0.1:0", "--no-demo", "--no-watch", "--tls"]);
        command.arg(format!("{},{}", cert.display(), wish.key.unwrap_or(&key).display()));
        command.arg("--ready-file").arg(&ready).args(wish.arguments);
        if !wish.said {
            command.arg("--log").arg(file("log"));
        }
        for name in foreign(&scene.app) {
            command.env_remove(name);
        }
        command.envs(instance.secrets.iter()).env("VOUCHSAFE_ISSUER_JWKS", home.join("jwks.json"));
        for (name, value) in wish.variables {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&err)?).kill_on_drop(true);
        let (mut child, begun) = (command.spawn()?, Instant::now());
        let told = loop {
            if let Some(status) = child.try_wait()? {
                let said = std::fs::read_to_string(&err).unwrap_or_default();
                return Ok(Start::Refused(status.code().unwrap_or(-1), said));
            }
            let read = std::fs::read_to_string(&ready).ok();
            if let Some(told) = read.and_then(|text| serde_json::from_str::<Value>(&text).ok()) {
                break told;
            }
            if begun.elapsed() > READY {
                return unclear("a start neither ended nor was ready in 20 s");
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        };
        let url = told.get("url").and_then(Value::as_str).unwrap_or_default();
        let port = url.rsplit(':').next().and_then(|p| p.trim_end_matches('/').parse::<u16>().ok());
        let (Some(port), Some(pid)) = (port, child.id()) else {
            return unclear("a start names no port");
        };
        let net =
            Net { address: SocketAddr::from(([127, 0, 0, 1], port)), tls: instance.net.tls.clone(), clear: false };
        Ok(Start::Up(Box::new(Self { _child: child, pid, net, data, err })))
    }
    /// Starts one that must come up.
    pub(super) async fn up(scene: &Scene, wish: &Wish<'_>) -> Result<Box<Self>, Miss> {
        match Self::start(scene, wish).await? {
            Start::Up(side) => Ok(side),
            Start::Refused(code, said) => {
                let why = said.split("error").nth(1).unwrap_or_default().trim().to_owned();
                unclear(format!(
                    "a start beside the instance ended with {code}: {}",
                    why.chars().take(160).collect::<String>()
                ))
            }
        }
    }
    /// Somebody at an address of their own, on a host with this one's port.
    pub(super) fn client(&self, scene: &Scene, name: &str) -> Client {
        Client::new(
            self.net.clone(),
            format!("{name}:{}", self.net.address.port()),
            String::new(),
            scene.stage.source(),
        )
    }
    /// An order over its admin socket that must be carried out.
    pub(super) async fn admin(&self, order: &Value) -> Result<Value, Miss> {
        self.order(order).await?.or_else(|why| unclear(format!("an order was refused: {why}")))
    }
    /// An order over its admin socket: what came of it, or the words of its refusal.
    pub(super) async fn order(&self, order: &Value) -> Result<Result<Value, String>, Miss> {
        let mut stream = UnixStream::connect(self.data.join("admin.sock")).await?;
        stream.write_all(format!("{order}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await?;
        let answer: Value = serde_json::from_str(&line).unwrap_or_default();
        match (answer.get("ok"), answer.get("error").and_then(Value::as_str)) {
            (Some(done), _) => Ok(Ok(done.clone())),
            (None, Some(why)) => Ok(Err(why.chars().take(200).collect())),
            (None, None) => unclear("the admin socket of a start did not answer"),
        }
    }
}

/// A copy of the app's folder with both files as `edit` makes them.
pub(super) fn edited(scene: &Scene, edit: impl Fn(String, String) -> (String, String)) -> Result<PathBuf, Miss> {
    let from = &scene.stage.instance.setup().folder;
    let to = scene.stage.instance.scratch().join(format!("app-{}", random::hex(4)));
    for file in copy::files(from)? {
        let Ok(rest) = file.strip_prefix(from) else { continue };
        let target = to.join(rest);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(&file, target)?;
    }
    let (app, page) = (std::fs::read_to_string(to.join("app.toml"))?, std::fs::read_to_string(to.join("security.md"))?);
    let (app, page) = edit(app, page);
    std::fs::write(to.join("app.toml"), app)?;
    std::fs::write(to.join("security.md"), page)?;
    Ok(to)
}
