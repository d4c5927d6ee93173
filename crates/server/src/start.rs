//! Starting and ending: every setting is checked before anything listens.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Instant};

use authentication::{DemoPeople, Fetch};
use encryption::{OsRng, hash};
use kernel::{Clock, Failure, Rng, Secret};
use manifest::{App, OriginLock, Page, Pointer};
use monitoring::{Level, Monitor, Sink};
use store::Engine;
use tenancy::Hosts;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use transport::{Blocklist, Lock, Mode};

use crate::{
    Machine, Ready, Server, Settings, admin,
    assemble::{Parts, assemble},
    canary, closing, demo, inventory, jobs,
    links::Link,
    listen, metrics,
    posture::{self, Posture},
    rotation,
    settings::{self, Kept},
    watch, witness,
};

/// A server that answers.
pub struct Running {
    server: Arc<Server>,
    ready: Ready,
    serving: tokio::task::JoinHandle<()>,
    watching: Option<tokio::task::JoinHandle<()>>,
    orphaned: Arc<tokio::sync::Notify>,
    stop: Arc<tokio::sync::Notify>,
}

impl Running {
    /// What to tell people and programs.
    #[must_use]
    pub fn ready(&self) -> Ready {
        self.ready.clone()
    }
    /// Serves until the process is asked to stop (SIGINT, SIGTERM), then ends in order.
    ///
    /// # Errors
    /// Words for the terminal.
    pub async fn wait(self) -> Result<(), String> {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|e| format!("signals: {e}"))?;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            () = self.orphaned.notified() => {}
        }
        self.end().await;
        Ok(())
    }
    /// Ends in order: no new connections, requests under way finish, files are closed.
    pub async fn end(self) {
        if let Some(watching) = &self.watching {
            watching.abort();
        }
        self.stop.notify_one();
        let _joined = self.serving.await;
        let _summaries = self.server.access.summarise(true).await;
        self.server.store.close().await;
        self.server.monitor.flush();
    }
}

fn folder(data: &Path) -> Result<(), String> {
    fs::create_dir_all(data)
        .and_then(|()| fs::set_permissions(data, fs::Permissions::from_mode(0o700)))
        .map_err(|e| format!("{}: {e}", data.display()))
}

/// Which engine, from the command line or the first region.
fn engine(settings: &Settings, app: &App) -> Result<Engine, String> {
    let declared = app.regions.first().and_then(|r| r.database.as_ref()).filter(|_| !settings.development());
    let resolved = declared.and_then(|pointer| settings::resolve(settings, pointer));
    let url = settings.database.clone().or_else(|| resolved.and_then(|s| s.expose_str().map(str::to_owned)));
    match url {
        None => Ok(Engine::Sqlite),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Ok(Engine::Postgres { url, owner: settings.environment.get("VOUCHSAFE_DATABASE_OWNER").cloned() })
        }
        Some(_) => Err("--database: postgres://role@host/name is expected".to_owned()),
    }
}

fn mail(settings: &Settings, app: &App) -> Result<integrations::Way, String> {
    match settings::resolve(settings, &app.mail.smtp) {
        Some(url) => Ok(integrations::Way::Smtp(url)),
        None if settings.development() => {
            Ok(integrations::Way::Folder(integrations::Mailbox::new(settings.data.join("mail"))))
        }
        None => Err(format!("mail.smtp: {} is not there; mail needs a transport", settings::named(&app.mail.smtp))),
    }
}

fn session_keys(settings: &Settings, app: &App) -> Result<Vec<Secret>, String> {
    let Some(pointer) = &app.sessions.key else { return Ok(Vec::new()) };
    match settings::resolve(settings, pointer) {
        Some(key) if u64::try_from(key.expose().len()).unwrap_or(0) * 8 >= u64::from(app.sessions.min_bits) => {
            Ok(vec![key])
        }
        Some(_) => {
            Err(format!("sessions.key: {} is shorter than {} bits", settings::named(pointer), app.sessions.min_bits))
        }
        None if settings.development() => Ok(Vec::new()),
        None => Err(format!("sessions.key: {} is not there", settings::named(pointer))),
    }
}

/// Keys of an outside issuer: from a file that an operator keeps fresh.
fn fetch(settings: &Settings, app: &App) -> Result<Option<Fetch>, String> {
    if app.auth.issuer.is_none() || settings.development() {
        return Ok(None);
    }
    let path = settings.environment.get("VOUCHSAFE_ISSUER_JWKS").cloned();
    let path = path.ok_or("auth.issuer: VOUCHSAFE_ISSUER_JWKS must name a file with the issuer's keys (JWKS)")?;
    fs::metadata(&path).map_err(|e| format!("VOUCHSAFE_ISSUER_JWKS: {path}: {e}"))?;
    Ok(Some(Arc::new(move |_| {
        let path = path.clone();
        Box::pin(async move { tokio::fs::read(&path).await.map_err(|_| Failure::Busy(5)) })
    })))
}

/// Every service behind us is private or reached over verified TLS (`edge.services`).
async fn links(settings: &Settings, app: &App, engine: &Engine) -> Result<(), String> {
    let mut links = Vec::new();
    if let Engine::Postgres { url, owner } = engine {
        links.push(Link::database("--database", url));
        links.extend(owner.as_deref().map(|url| Link::database("VOUCHSAFE_DATABASE_OWNER", url)));
    }
    if let Some(url) = settings::resolve(settings, &app.mail.smtp) {
        links.extend(url.expose_str().map(|url| Link::mail("mail.smtp", url.trim())));
    }
    for link in links {
        link.check(app.edge.private_services).await?;
    }
    Ok(())
}

/// Counters are for the machine's own networks.
fn exposed(settings: &Settings) -> Result<(), String> {
    match settings.metrics {
        Some(address) if posture::public(address) && !kernel::sabotage::off("ops.exposed_ports") => {
            Err(format!("--metrics {address}: counters are not for the public; listen on a private address"))
        }
        _ => Ok(()),
    }
}

fn mode(settings: &Settings, app: &App) -> Result<Mode, String> {
    if settings.development() {
        return Ok(Mode::Development);
    }
    let mut networks = Vec::new();
    for text in &app.edge.proxies {
        match text.strip_prefix("env:") {
            None => networks.push(text.clone()),
            Some(name) => networks.extend(settings.environment.get(name).cloned()),
        }
    }
    let proxies = transport::proxies(&networks).map_err(|e| format!("edge.proxies: {e}"))?;
    if settings.tls.is_none() && proxies.is_empty() {
        return Err(format!(
            "--listen {}: needs --tls CERT,KEY, or edge.proxies that end TLS in front",
            settings.listen
        ));
    }
    Ok(Mode::Production { proxies })
}

/// What opens the origin where proxies are declared; without one, TLS ends here and there is nothing to lock.
fn lock(settings: &Settings, app: &App, mode: &Mode) -> Result<Lock, String> {
    match (mode, &app.edge.origin_lock) {
        (Mode::Production { proxies }, lock) if !proxies.is_empty() => match lock {
            OriginLock::None => Ok(Lock::None),
            OriginLock::ClientCertificate if settings.tls.is_none() => {
                Err("edge.origin_lock: a client certificate can only be checked where TLS ends; give --tls CERT,KEY"
                    .to_owned())
            }
            OriginLock::ClientCertificate => Ok(Lock::Proxies),
            OriginLock::Secret(pointer) => settings::resolve(settings, pointer)
                .filter(|secret| secret.expose().len() >= 16)
                .map(Lock::Secret)
                .ok_or_else(|| {
                    format!("edge.origin_lock: {} is not there, or shorter than 16 bytes", settings::named(pointer))
                }),
        },
        _ => Ok(Lock::None),
    }
}

/// Lists of addresses turned away: files as they come and go, variables as they are now.
fn blocklist(settings: &Settings, app: &App) -> Result<Blocklist, String> {
    if settings.development() {
        return Ok(Blocklist::default());
    }
    let (mut files, mut texts) = (Vec::new(), Vec::new());
    for pointer in &app.edge.blocklist {
        match pointer {
            Pointer::File(path) => files.push(path.into()),
            other => texts.extend(settings::resolve(settings, other).and_then(|t| t.expose_str().map(str::to_owned))),
        }
    }
    Blocklist::new(files, &texts, app.edge.blocklist_age.0)
}

fn tls(settings: &Settings, app: &App, lock: &Lock) -> Result<Option<TlsAcceptor>, String> {
    let Some((cert, key)) = &settings.tls else { return Ok(None) };
    let wrong = |failure: Failure| match failure {
        Failure::Internal(detail) => format!("--tls: {detail}"),
        other => format!("--tls: {}", route::problem(other).title),
    };
    let certificates = transport::Certificates::load(cert.clone(), key.clone()).map_err(wrong)?;
    let config = if matches!(lock, Lock::Proxies) {
        let path = settings.environment.get("VOUCHSAFE_ORIGIN_CA");
        let path =
            path.ok_or("edge.origin_lock: VOUCHSAFE_ORIGIN_CA must name a file with the proxies' authority (PEM)")?;
        transport::config_for(&certificates, &app.edge.tls_min, Path::new(path)).map_err(|failure| match failure {
            Failure::Internal(detail) => format!("VOUCHSAFE_ORIGIN_CA: {detail}"),
            other => wrong(other),
        })?
    } else {
        transport::config(&certificates, &app.edge.tls_min).map_err(wrong)?
    };
    Ok(Some(TlsAcceptor::from(config)))
}

/// A node of one region (`VOUCHSAFE_REGION`) knows no other: its folder, house database, files and root key are that
/// region's. Without it one node keeps every region of the app.
fn pinned(settings: &Settings, app: &mut App) -> Result<(), String> {
    let Some(only) = settings.environment.get("VOUCHSAFE_REGION").filter(|only| !only.is_empty()) else {
        return Ok(());
    };
    if !app.regions.iter().any(|region| region.id == only) {
        let known: Vec<&str> = app.regions.iter().map(|region| region.id).collect();
        return Err(format!("VOUCHSAFE_REGION: the app has no region of that name; it has {}", known.join(", ")));
    }
    app.regions.retain(|region| region.id == only);
    app.demo.retain(|tenant| tenant.region == only);
    Ok(())
}

/// Whether a database that nobody has open yet lies in the clear.
fn in_the_clear(path: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 16];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *b"SQLite format 3\0"
}

/// Starts a server. When it returns, the server answers.
///
/// # Errors
/// Words for the terminal; nothing listens then.
pub async fn start(mut settings: Settings, mut app: App, page: Page, manifest: &str) -> Result<Running, String> {
    let began = Instant::now();
    posture::harden();
    pinned(&settings, &mut app)?;
    let app = Arc::new(app);
    let development = settings.development();
    let (mode, engine, blocklist) = (mode(&settings, &app)?, engine(&settings, &app)?, blocklist(&settings, &app)?);
    let lock = lock(&settings, &app, &mode)?;
    let acceptor = tls(&settings, &app, &lock)?;
    let (mail, session_keys, fetch) = (mail(&settings, &app)?, session_keys(&settings, &app)?, fetch(&settings, &app)?);
    links(&settings, &app, &engine).await?;
    exposed(&settings)?;
    settings.data = std::path::absolute(&settings.data).map_err(|e| format!("{}: {e}", settings.data.display()))?;
    folder(&settings.data)?;
    let rng: Arc<dyn Rng> = Arc::new(OsRng);
    let mut kept = Kept::open(&settings.data)?;
    let roots = settings::roots(&settings, &app, &mut kept, &*rng)?;
    let (machine, orphaned) = (Arc::new(Machine::default()), Arc::new(tokio::sync::Notify::new()));
    let faults = Arc::default();
    if settings.steer {
        machine.follow(&faults, std::io::stdin(), Arc::clone(&orphaned));
    }
    let clock: Arc<dyn Clock> = machine;
    let sink = settings.log.clone().map_or_else(|| if development { Sink::Nowhere } else { Sink::Stderr }, Sink::File);
    let monitor = Monitor::start(sink, Level::Info, Arc::clone(&clock)).map_err(|e| format!("--log: {e}"))?;
    monitor.catch_panics();
    let listener =
        TcpListener::bind(settings.listen).await.map_err(|e| format!("--listen {}: {e}", settings.listen))?;
    let bound = listener.local_addr().map_err(|e| e.to_string())?;
    let port = bound.port();
    let scheme = if settings.tls.is_some() || !development { "https" } else { "http" };
    let usual = if scheme == "https" { 443 } else { 80 };
    let hosts = Hosts {
        scheme,
        apex: if development { "localhost".to_owned() } else { app.domain.clone() },
        port: (port != usual).then_some(port),
        development,
    };
    let url = hosts.url("");
    let plan = if development && settings.demo { Some(demo::Plan::new(&app, &mut kept, &*rng)?) } else { None };
    let mut stores = inventory::stores(&settings, &app, &engine, &mail);
    let policies = inventory::policies(&settings.folder)?;
    let advisories = inventory::advisories(&settings, &*clock)?;
    let runs = inventory::runs(&settings)?;
    let witnesses = witness::read(&settings)?;
    stores.services = inventory::services(&settings, &app, &witnesses);
    let was_plain = app.encryption.at_rest == "program" && in_the_clear(&settings.data.join("control.db"));
    let live = inventory::figures(&settings, &app, clock.now());
    let server = assemble(Parts {
        page: Arc::new(page),
        app_hash: hash::sha256(manifest.as_bytes()),
        data: settings.data.clone(),
        engine,
        roots,
        clock,
        rng,
        monitor,
        hosts,
        mode,
        lock,
        blocklist,
        session_keys,
        fetch,
        demo: plan.as_ref().map(|plan| DemoPeople { password: plan.password.clone(), people: plan.sign_ins() }),
        mail,
        site: app.site.as_ref().map(|site| settings.folder.join(site)),
        stores,
        policies,
        advisories,
        runs,
        sources: settings.sources,
        faults,
        live,
        app: Arc::clone(&app),
    })
    .await?;
    server.audit.witnessed_by(witnesses);
    if was_plain {
        let words = "databases and objects of this folder lay in the clear and are sealed from now on. Their old blocks were \
                     written over, but what an SSD, a snapshot or a backup still holds of them no program reaches: move to a \
                     new disk, or destroy the old one, if that matters";
        server.monitor.event(Level::Warn, None, None, words, Vec::new());
    }
    let tenants = match plan {
        Some(plan) => demo::seed(&server, &plan, &mut kept, &settings.folder).await?,
        None => Vec::new(),
    };
    jobs::note_secrets(&server, &inventory::secrets(&settings, &app))
        .await
        .map_err(|_| "the ages of the secrets could not be stored".to_owned())?;
    jobs::read_page(&server).await.map_err(|_| "the page's words could not be stored".to_owned())?;
    admin::listen(&server, &settings.data)?;
    let mut listens = vec![("the app", bound)];
    if let Some(address) = settings.metrics {
        listens.push(("metrics", metrics::listen(&server, address).await?));
    }
    jobs::start(&server);
    jobs::publish(&server);
    jobs::blocklist(&server);
    jobs::advisories(&server);
    closing::start(&server);
    witness::start(&server);
    rotation::start(&server);
    let stop = Arc::new(tokio::sync::Notify::new());
    if let Some(address) = settings.http {
        listens.push(("plain HTTP", plain(&server, address).await?));
    }
    let mut posture = Posture::inspect(&settings, &server.app.edge.ports, listens);
    if !development && server.app.regions.len() > 1 {
        let finding = "one folder keeps every region's tenants: start a node for each, with VOUCHSAFE_REGION";
        posture.findings.push(finding.to_owned());
    }
    posture.findings.extend(lost(&server).await.map_err(|_| "the tenants' databases could not be listed".to_owned())?);
    for finding in &posture.findings {
        server.monitor.event(
            Level::Warn,
            None,
            None,
            "found on this machine",
            vec![("finding", finding.clone().into())],
        );
    }
    let _first = server.posture.set(posture);
    let ended = Arc::clone(&stop);
    let serving = tokio::spawn({
        let server = Arc::clone(&server);
        async move { listen::serve(server, listener, acceptor, async move { ended.notified().await }).await }
    });
    let watching = match settings.watch {
        true => Some(watch::start(&server, watch::Watch::new(&settings, manifest, bound, &url)?)),
        false => None,
    };
    if !settings.watch && !settings.steer {
        canary::tidy(&server, Vec::new);
    }
    let ready = ready(&server, &settings, url, tenants, kept.get("demo_password").map(str::to_owned), began);
    if let Some(path) = &settings.ready_file {
        ready.write(path)?;
    }
    Ok(Running { server, ready, serving, watching, orphaned, stop })
}

/// Plain HTTP beside TLS: the same pipeline, which redirects pages and refuses everything else.
async fn plain(server: &Arc<Server>, address: SocketAddr) -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(address).await.map_err(|e| format!("--http {address}: {e}"))?;
    let bound = listener.local_addr().map_err(|e| format!("--http {address}: {e}"))?;
    let server = Arc::clone(server);
    tokio::spawn(async move { listen::redirect(server, listener).await });
    Ok(bound)
}

fn ready(
    server: &Server,
    settings: &Settings,
    url: String,
    tenants: Vec<crate::ReadyTenant>,
    password: Option<String>,
    began: Instant,
) -> Ready {
    let app = &server.app;
    let mut lines = vec![("Health", format!("{url}/healthz"), String::new())];
    lines.push(("API", format!("{url}/api/v1/openapi.json"), format!("{} routes", server.router.routes().len())));
    if settings.development() {
        lines.push(("Mail", format!("{url}/dev/mail"), "nothing leaves this machine".to_owned()));
        if app.auth.issuer.is_some() {
            lines.push(("Issuer", format!("{url}/dev/issuer"), "stands in for the outside issuer".to_owned()));
        }
    }
    for finding in server.posture.get().into_iter().flat_map(|p| &p.findings) {
        lines.push(("Machine", finding.clone(), String::new()));
    }
    lines.push(("Data", settings.data.display().to_string(), server.engine.to_owned()));
    Ready {
        name: app.name.clone(),
        tagline: app.tagline.clone(),
        noun: app.tenant.noun.clone(),
        version: crate::VERSION.to_owned(),
        folder: String::new(),
        url,
        development: settings.development(),
        took: began.elapsed(),
        lines,
        password: password.filter(|_| !tenants.is_empty()),
        tenants,
        roles: app.roles.iter().map(|r| r.id.to_owned()).collect(),
        off: settings::off(settings, app),
        not_built: authentication::not_built(app).into_iter().map(str::to_owned).collect(),
    }
}

/// Tenants whose database is gone. It is not made again: an empty one in its place would look whole.
async fn lost(server: &Server) -> Result<Vec<String>, kernel::Failure> {
    if server.engine != "sqlite" {
        return Ok(Vec::new());
    }
    // A tenant that was founded when the server died has its database in a moment.
    for _ in 0..20 {
        if server.store.stats().following == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let there: std::collections::BTreeSet<_> = server.store.tenants().await?.into_iter().collect();
    let lost = server.tenancy.settled().await?.into_iter().filter(|tenant| !there.contains(tenant));
    Ok(lost.map(|tenant| format!("the database of tenant {tenant} is gone: put its file back")).collect())
}
