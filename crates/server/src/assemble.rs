//! From an app and its settings to a server: one gate after the other, each with its key.

use std::{path::PathBuf, sync::Arc};

use access::Access;
use authentication::{Authentication, DemoPeople, Fetch, Means};
use encryption::{BulkKeys, Vault};
use kernel::{Clock, Keys, Rng, Secret};
use limits::{Limits, Strikes};
use manifest::{App, Page};
use monitoring::Monitor;
use records::Records;
use route::Section;
use serde_json::Value;
use store::{Engine, Lookup, Options, Sealing, Store};
use tenancy::{Hosts, Tenancy};
use transport::{Mode, Transport};

use crate::{Server, canary, closing, demo, health, jobs, openapi, oscal, rotation, router::Router, watch};

/// Everything the sections are made from.
pub(crate) struct Parts {
    pub(crate) app: Arc<App>,
    pub(crate) page: Arc<Page>,
    pub(crate) app_hash: [u8; 32],
    pub(crate) data: PathBuf,
    pub(crate) engine: Engine,
    pub(crate) roots: Vec<encryption::Region>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) monitor: Monitor,
    pub(crate) hosts: Hosts,
    pub(crate) mode: Mode,
    pub(crate) lock: transport::Lock,
    pub(crate) blocklist: transport::Blocklist,
    pub(crate) session_keys: Vec<Secret>,
    pub(crate) fetch: Option<Fetch>,
    pub(crate) demo: Option<DemoPeople>,
    pub(crate) mail: integrations::Way,
    pub(crate) site: Option<PathBuf>,
    pub(crate) stores: disclosure::Stores,
    pub(crate) policies: Vec<disclosure::Policy>,
    pub(crate) advisories: Option<disclosure::AdvisoryList>,
    /// A record of test runs that came with the build, and what it is bound to.
    pub(crate) runs: Option<disclosure::Runs>,
    pub(crate) sources: &'static str,
    /// What the instance that `verify` starts is told to let fail.
    pub(crate) faults: Arc<crate::faults::Faults>,
    /// Measured figures for the page.
    pub(crate) live: disclosure::Live,
}

fn words(failure: kernel::Failure) -> String {
    match failure {
        kernel::Failure::Internal(detail) => detail.into_owned(),
        other => route::problem(other).title.to_owned(),
    }
}

/// Builds the server. Nothing listens yet.
pub(crate) async fn assemble(parts: Parts) -> Result<Arc<Server>, String> {
    let Parts { app, data, clock, rng, monitor, .. } = parts;
    let development = parts.hosts.development;
    #[expect(clippy::disallowed_methods, reason = "the one place where keys are made")]
    let keys = Keys::forge();
    let engine = if matches!(parts.engine, Engine::Sqlite) { "sqlite" } else { "postgres" };
    let mut tables = encryption::tables();
    tables.extend(audit::tables());
    tables.extend(tenancy::tables());
    tables.extend(authentication::tables());
    tables.extend(access::tables());
    tables.extend(records::tables(&app));
    tables.extend(disclosure::tables());
    let regions = parts.roots;
    let proof = store::house_envelope(&data).map_err(words)?;
    let bulk = BulkKeys::open(regions.clone(), data.join("keys"), proof, Arc::clone(&rng), clock.as_ref()).await;
    let bulk = Arc::new(bulk.map_err(words)?);
    let options = Options {
        folder: data.clone(),
        engine: parts.engine,
        tables,
        chain: Arc::new(audit::Chained::new(parts.app_hash)),
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
    };
    let sealing =
        Sealing { keys: Arc::clone(&bulk) as Arc<dyn store::Keys>, pages: app.encryption.at_rest == "program" };
    let store = Store::sealed(options, sealing).await.map_err(words)?;
    let lookup = Lookup::new(&keys.permit, &store);
    let vault = Vault::held(lookup.clone(), regions, data.join("keys"), Arc::clone(&rng), Arc::clone(&clock)).await;
    let vault = vault.map_err(words)?;
    vault.check().await.map_err(words)?;
    let transport = Transport::new(keys.peer, &app.edge, parts.mode).locked(parts.lock);
    bulk.follow(&vault);
    let tenancy = Arc::new(Tenancy::new(keys.site, keys.tenant, lookup.clone(), Arc::clone(&app), parts.hosts));
    let strikes = Arc::new(Strikes::new(app.auth.lockout.failures, app.auth.lockout.lasts, Arc::clone(&clock)));
    let frame = Arc::new(route::page::Frame::new(Arc::clone(&app), &parts.page, development));
    let authentication = Authentication::new(Means {
        caller: keys.caller,
        principal: keys.principal,
        lookup: lookup.clone(),
        app: Arc::clone(&app),
        vault: vault.clone(),
        tenancy: Arc::clone(&tenancy),
        strikes,
        rng: Arc::clone(&rng),
        session_keys: parts.session_keys,
        fetch: parts.fetch,
        demo: parts.demo,
        frame: Arc::clone(&frame),
    });
    let authentication = Arc::new(authentication.map_err(words)?);
    let records = Records::new(records::Parts {
        app: Arc::clone(&app),
        vault: vault.clone(),
        rng: Arc::clone(&rng),
        clock: Arc::clone(&clock),
    });
    let mailer =
        integrations::Mailer::new(vault.clone(), parts.mail, &app.mail.from, monitor.clone()).map_err(words)?;
    let disclosure = Arc::new(disclosure::Disclosure::new(disclosure::Means {
        app: Arc::clone(&app),
        page: parts.page,
        vault: vault.clone(),
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
        build: crate::VERSION.to_owned(),
        live: parts.live,
        monitor: monitor.clone(),
    }));
    let violations = transport::Reports::new(monitor.clone());
    disclosure.set_desk(disclosure::Setup {
        frame: Arc::clone(&frame),
        stores: parts.stores,
        policies: parts.policies,
        violations: blocked(&violations),
        advisories: parts.advisories,
        runs: parts.runs,
        sources: parts.sources,
    });
    let audit = Arc::new(audit::Audit::new(audit::Means {
        vault: vault.clone(),
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
        domain: app.domain.clone(),
        name: app.name.clone(),
        retention: app.audit.retention.0,
    }));
    let about = Arc::new(health::About { openapi: std::sync::OnceLock::new() });
    let files = Section { routes: route::page::assets::routes(), ..Section::default() };
    let canaries = Arc::new(canary::Canaries::default());
    let shelf = Arc::new(oscal::Shelf { disclosure: Arc::clone(&disclosure), clock: Arc::clone(&clock) });
    let mut sections = vec![
        files,
        health::section(&about),
        transport::section(&violations),
        audit::section(&audit),
        audit::pages(&frame),
        tenancy::section(),
        tenancy::pages(&frame),
        authentication::section(&authentication),
        integrations::section(&mailer, &frame),
        canary::section(&canaries),
        oscal::section(&shelf),
        disclosure::section(&disclosure),
    ];
    let access = Arc::new(Access::new(keys.permit, lookup, Arc::clone(&app), development, Arc::clone(&clock)));
    sections.push(access::section(access::Means {
        access: Arc::clone(&access),
        authentication: Arc::clone(&authentication),
        tenancy: Arc::clone(&tenancy),
        vault: vault.clone(),
        rng: Arc::clone(&rng),
    }));
    sections.push(records.section(&access));
    sections.push(records::console(&records, &access, &frame));
    let gate = Arc::clone(&access);
    frame.judge(move |who, action| gate.weigh(who, action));
    let (mut routes, mut work) = (Vec::new(), Vec::new());
    for Section { routes: theirs, jobs, .. } in sections {
        routes.extend(theirs);
        work.extend(jobs);
    }
    // The gate decides for jobs too: each holds its own declared action.
    let seeding = development.then_some(demo::DUTY);
    access.jobs(
        work.iter()
            .map(|job| (job.name, job.action))
            .chain(seeding)
            .chain([jobs::PUBLISHER, jobs::READER, jobs::NOTER, watch::WATCHER, closing::CLOSER, rotation::KEEPER])
            .collect(),
    );
    routes.retain(|route| development || route.action.resource != "development");
    let router = Router::new(routes).map_err(words)?;
    let _first = about.openapi.set(serde_json::to_vec(&openapi::document(&app, &router)).unwrap_or_default().into());
    let (forgets, remembers) = (Arc::clone(&tenancy), Arc::clone(&authentication));
    store.on_revoke(move |what| {
        forgets.forget(what);
        remembers.forget(what);
    });
    let limits = Limits::new(&app.limits, Arc::clone(&clock));
    let sealed = encryption::Columns::new(sealed_columns(&app));
    let server = Arc::new(Server {
        app,
        clock,
        rng,
        sealed,
        rotate: tokio::sync::Notify::new(),
        vault,
        monitor,
        transport,
        tenancy,
        authentication,
        access,
        frame,
        limits,
        faults: parts.faults,
        filter: transport::Filter::new().map_err(words)?,
        blocklist: parts.blocklist,
        violations,
        mailer,
        records,
        audit,
        disclosure,
        router,
        jobs: work.into_iter().map(|job| (job, tokio::sync::Notify::new())).collect(),
        site: parts.site,
        posture: std::sync::OnceLock::new(),
        engine,
        store,
    });
    canaries.serve(&server);
    let waker = Arc::downgrade(&server);
    server.store.on_outbox(move |_, kind| {
        if let Some(server) = waker.upgrade() {
            jobs::wake(&server.jobs, kind);
        }
    });
    Ok(server)
}

/// What browsers reported, for the operators' pages.
fn blocked(reports: &Arc<transport::Reports>) -> disclosure::Violations {
    let reports = Arc::clone(reports);
    Arc::new(move || {
        let line = |(v, times): (transport::Violation, u64)| disclosure::Violation {
            times,
            directive: v.directive,
            page: v.page,
            blocked: v.blocked,
        };
        reports.list().into_iter().map(line).collect()
    })
}

/// Every column of sealed values: those of the collections, and what passes through the store's own tables.
fn sealed_columns(app: &App) -> Vec<encryption::Column> {
    use encryption::{Column, Form, Part};
    let own = |table: &'static str, key: &'static str, value: &'static str, place| Column {
        table: table.into(),
        key: vec![key.into()],
        value: value.into(),
        form: Form::Blob { blind: false },
        place,
        purpose: "seal",
        renews: true,
    };
    let kind = || Part::Column("kind".into());
    let fixed = |text: &'static str| Part::Fixed(text.into());
    let mut all = records::columns(app);
    all.push(own("_once", "key", "reply", [fixed("_once"), fixed("reply"), Part::Hex("key".into())]));
    all.push(own("_outbox", "id", "payload", [fixed("_outbox"), kind(), fixed("")]));
    all
}

/// What can be told of an app without serving it.
pub struct Described {
    /// OpenAPI 3.1.
    pub openapi: Value,
    /// The access matrix.
    pub matrix: String,
}

/// Builds the app's route table on a scratch folder and describes it.
///
/// # Errors
/// Words for the terminal.
pub fn describe(app: App) -> Result<Described, String> {
    let scratch = tempfile::TempDir::with_prefix("vouchsafe-").map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    let app = Arc::new(app);
    let clock: Arc<dyn Clock> = Arc::new(crate::Machine::default());
    let root = |(n, region): (usize, &manifest::Region)| -> Result<encryption::Region, String> {
        let key = Secret::new(vec![u8::try_from(n + 1).unwrap_or(1); 32]);
        let local = encryption::Local::new(region.id, key).map_err(words)?;
        Ok(encryption::Region { id: region.id, holders: vec![Arc::new(local)] })
    };
    let roots = app.regions.iter().enumerate().map(root).collect::<Result<_, _>>()?;
    let server = runtime.block_on(assemble(Parts {
        page: Arc::default(),
        app_hash: [0; 32],
        data: scratch.path().to_owned(),
        engine: Engine::Sqlite,
        roots,
        monitor: Monitor::start(monitoring::Sink::Nowhere, monitoring::Level::Error, Arc::clone(&clock))
            .map_err(|e| e.to_string())?,
        clock,
        rng: Arc::new(encryption::OsRng),
        hosts: Hosts { scheme: "https", apex: app.domain.clone(), port: None, development: false },
        mode: Mode::Production { proxies: Vec::new() },
        lock: transport::Lock::None,
        blocklist: transport::Blocklist::default(),
        session_keys: Vec::new(),
        fetch: Some(Arc::new(|_| Box::pin(async { Err(kernel::Failure::Busy(1)) }))),
        demo: None,
        mail: integrations::Way::Folder(integrations::Mailbox::new(scratch.path().join("mail"))),
        site: None,
        stores: disclosure::Stores::default(),
        policies: Vec::new(),
        advisories: None,
        runs: None,
        sources: "",
        faults: Arc::default(),
        live: Arc::new(|_| None),
        app: Arc::clone(&app),
    }))?;
    let lines =
        server.router.routes().iter().map(|r| (r.serve.method.as_str(), r.path.as_str(), r.action, r.serve.also));
    let described = Described { openapi: openapi::document(&app, &server.router), matrix: access::golden(&app, lines) };
    runtime.block_on(server.store.close());
    Ok(described)
}
