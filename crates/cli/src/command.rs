//! The commands, their words and what each does.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{app, attest, client, desk, keys, operator, prove, screen, watch};

/// A multi-tenant SaaS backend whose security page is executable.
#[derive(Parser)]
#[command(name = "vouchsafe", version = version(), max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const fn version() -> &'static str {
    if kernel::sabotage::BUILT_IN { concat!(env!("CARGO_PKG_VERSION"), "+sabotage") } else { env!("CARGO_PKG_VERSION") }
}

#[derive(Subcommand)]
enum Command {
    /// Run an app's backend.
    Serve(Serve),
    /// Check app.toml and security.md without starting anything.
    Check {
        /// The app's folder.
        app: PathBuf,
        /// Print every setting in force, defaults included.
        #[arg(long)]
        explain: bool,
    },
    /// Test every promise of an app's page against an instance of its own, or what a visitor can test of a live service.
    Verify {
        /// The app's folder, or the https:// address of a service.
        app: PathBuf,
        /// Only this promise or check.
        #[arg(long)]
        only: Option<String>,
        /// How to print the verdicts.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
        /// PostgreSQL for the instance (application role); the embedded engine otherwise.
        #[arg(long)]
        database: Option<String>,
        /// Fail on unproven and unsigned promises too.
        #[arg(long)]
        strict: bool,
    },
    /// Verify, and write the catalogue, the page and its verdicts as OSCAL documents.
    Oscal {
        /// The app's folder.
        app: PathBuf,
        /// Folder for the four documents.
        #[arg(long)]
        out: PathBuf,
        /// PostgreSQL for the instance (application role); the embedded engine otherwise.
        #[arg(long)]
        database: Option<String>,
    },
    /// One round of continuous verification: what `serve` starts. Reads its order from standard input.
    #[command(hide = true)]
    Watch {
        /// The app's folder.
        app: PathBuf,
    },
    /// Write a new app of under 40 lines.
    New {
        /// Its name, and the folder's.
        name: String,
    },
    /// List the checks that a page's marks can name.
    Checks {
        /// Only the ids of those that verify has a probe for.
        #[arg(long)]
        probed: bool,
    },
    /// Print which build this is: version, digest of its sources, whether controls can be switched off.
    Identity,
    /// Print the page with its figures filled in.
    Page {
        /// The app's folder.
        app: PathBuf,
        /// Output format.
        #[arg(long, value_enum, default_value = "md")]
        format: PageFormat,
    },
    /// Print the OpenAPI 3.1 document of an app.
    Openapi {
        /// The app's folder.
        app: PathBuf,
    },
    /// Print the access matrix of an app: every right of every role.
    Matrix {
        /// The app's folder.
        app: PathBuf,
    },
    /// Print the JSON Schema of app.toml.
    Schema,
    /// Bring records into a collection of a running server: all rows or none.
    Import(Transfer),
    /// Take a collection's records out of a running server.
    Export(Transfer),
    /// Sign a promise that no program can prove: a named statement with a last day.
    Attest(attest::Attest),
    /// Look after the tenants of a running server.
    #[command(subcommand)]
    Tenant(Tenant),
    /// Look after the people of a running server.
    #[command(subcommand)]
    User(User),
    /// List what browsers reported as blocked by the content security policy of a running server.
    Csp {
        #[command(flatten)]
        acting: Acting,
    },
    /// Audit logs.
    #[command(subcommand)]
    Audit(Audit),
    /// Reports of weaknesses that outsiders sent.
    #[command(subcommand)]
    Report(desk::Report),
    /// The incident register.
    #[command(subcommand)]
    Incident(desk::Incident),
    /// The team's own people: their register, their pages, the review of their accesses.
    #[command(subcommand)]
    Operator(operator::Operator),
    /// Since when each secret of a running server is the same.
    Secrets(desk::Desk),
    /// Who of the team left: from then on the clock of their secrets runs.
    #[command(subcommand)]
    Departure(desk::Departure),
    /// Have a running server sign and show a record of test runs with each control on and off (`scripts/sabotage.py --record`).
    Tests {
        #[command(flatten)]
        desk: desk::Desk,
        /// The record.
        file: PathBuf,
    },
    /// The keys of a running server.
    #[command(subcommand)]
    Keys(Keys),
}

#[derive(clap::Args)]
struct Serve {
    /// The app's folder.
    app: PathBuf,
    /// Data folder [default: ./data/<app>].
    #[arg(long)]
    data: Option<PathBuf>,
    /// Address to listen on. Loopback without --tls is a development server.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// PostgreSQL as the application's role; VOUCHSAFE_DATABASE_OWNER creates and migrates.
    #[arg(long)]
    database: Option<String>,
    /// Certificate chain and key, PEM.
    #[arg(long, value_name = "CERT,KEY")]
    tls: Option<String>,
    /// Answer plain HTTP here with redirects to HTTPS (needs --tls).
    #[arg(long, requires = "tls")]
    http: Option<SocketAddr>,
    /// Serve /metrics here.
    #[arg(long)]
    metrics: Option<SocketAddr>,
    /// Write the addresses to this file once the server answers.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Write the JSON log here instead of standard error.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Make no demo tenants.
    #[arg(long)]
    no_demo: bool,
    /// Let no prober watch the server while it runs.
    #[arg(long)]
    no_watch: bool,
    /// Let standard input steer the clock: only for the instance that verify starts.
    #[arg(long, hide = true, value_parser = ["stdin"])]
    steer: Option<String>,
}

#[derive(clap::Args)]
struct Transfer {
    /// The app's folder.
    app: PathBuf,
    /// The collection.
    collection: String,
    /// The file; its ending says CSV or JSON.
    file: PathBuf,
    /// The tenant's slug or id.
    #[arg(long)]
    tenant: String,
    /// Who does it: every change goes into the audit log under this name.
    #[arg(long = "as", value_name = "OPERATOR")]
    operator: String,
    /// Data folder [default: ./data/<app>].
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Where the server is and who acts.
#[derive(clap::Args)]
struct Acting {
    /// The app's folder.
    app: PathBuf,
    /// Who does it: every change goes into the audit log under this name.
    #[arg(long = "as", value_name = "OPERATOR")]
    operator: String,
    /// Data folder [default: ./data/<app>].
    #[arg(long)]
    data: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Tenant {
    /// Make a tenant with its first owner.
    Create {
        #[command(flatten)]
        acting: Acting,
        /// Its slug.
        slug: String,
        /// The owner's mail address.
        #[arg(long)]
        owner: String,
        /// Its name [default: the slug].
        #[arg(long)]
        name: Option<String>,
    },
    /// List them.
    List {
        #[command(flatten)]
        acting: Acting,
    },
    /// Block one: everything answers TenantSuspendedError from the next request on.
    Suspend {
        #[command(flatten)]
        acting: Acting,
        /// Slug or id.
        tenant: String,
    },
    /// Open a suspended one again.
    Resume {
        #[command(flatten)]
        acting: Acting,
        /// Slug or id.
        tenant: String,
    },
    /// Request a tenant's deletion.
    Delete {
        #[command(flatten)]
        acting: Acting,
        /// Slug or id.
        tenant: String,
    },
}

#[derive(Subcommand)]
enum User {
    /// Deactivate a person: every session ends at once.
    Deactivate {
        #[command(flatten)]
        acting: Acting,
        /// Their mail address.
        email: String,
    },
}

#[derive(Subcommand)]
enum Keys {
    /// Show roots, versions, ages, and what is still sealed under old keys.
    Status {
        #[command(flatten)]
        acting: Acting,
    },
    /// Give every tenant a new key now; what is stored is sealed anew in the background.
    Rotate {
        #[command(flatten)]
        acting: Acting,
        /// Only this tenant: slug or id.
        #[arg(long)]
        tenant: Option<String>,
        /// Instead, wrap every key with the next root: the one in the root's variable with _NEXT behind its name.
        #[arg(long, conflicts_with = "tenant")]
        root: bool,
        /// Stay until nothing is left under the old keys.
        #[arg(long)]
        wait: bool,
    },
}

#[derive(Subcommand)]
enum Audit {
    /// Check an exported log, without any server.
    Verify {
        /// JSON lines, as exported.
        file: PathBuf,
        /// A checkpoint saved earlier: a signed note, a key set, or an older export.
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
        /// The log's key: name+hash+key, as its key set has it.
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
    },
    /// Take a tenant's log out of a running server, with its checkpoint and proof.
    Export {
        #[command(flatten)]
        acting: Acting,
        /// The file to write.
        file: PathBuf,
        /// The tenant's slug or id.
        #[arg(long)]
        tenant: String,
        /// Not earlier than this time (RFC 3339).
        #[arg(long)]
        from: Option<String>,
        /// Earlier than this time.
        #[arg(long)]
        to: Option<String>,
        /// A checkpoint saved earlier, as `audit verify --since` takes it: the export proves that it extends it.
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
        /// The leaves alone, for other programs.
        #[arg(long)]
        bare: bool,
    },
    /// Erase what a tenant's log knows of a person; every proof still holds.
    Erase {
        #[command(flatten)]
        acting: Acting,
        /// The tenant's slug or id.
        #[arg(long)]
        tenant: String,
        /// The person's id.
        subject: String,
        /// Values to erase wherever they stand: addresses, names.
        #[arg(long = "value")]
        values: Vec<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
    Junit,
    Csv,
    Oscal,
}

#[derive(Clone, Copy, ValueEnum)]
enum PageFormat {
    Md,
    Html,
}

pub fn data_of(app: &Path, data: Option<PathBuf>) -> Result<PathBuf, ExitCode> {
    match data {
        Some(data) => Ok(data),
        None => Ok(PathBuf::from("data").join(app::read(app)?.app.id)),
    }
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        match self.dispatch() {
            Ok(code) | Err(code) => code,
        }
    }

    fn dispatch(self) -> Result<ExitCode, ExitCode> {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Check { app, explain } => app::check(&app, explain),
            Command::Verify { app, only, format, database, strict } => {
                let format = match format {
                    Format::Table => "table",
                    Format::Json => "json",
                    Format::Junit => "junit",
                    Format::Csv => "csv",
                    Format::Oscal => "oscal",
                };
                prove::run(&prove::Wish { app, only, format, database, strict })
            }
            Command::Oscal { app, out, database } => prove::oscal(&app, database, &out),
            Command::Watch { app } => watch::run(&app),
            Command::New { name } => app::new(&name),
            Command::Checks { probed } => app::checks(probed),
            Command::Identity => app::identity(),
            Command::Page { app, format } => app::page(&app, matches!(format, PageFormat::Html)),
            Command::Openapi { app } => app::openapi(&app),
            Command::Matrix { app } => app::matrix(&app),
            Command::Schema => app::schema(),
            Command::Import(t) => {
                let data = data_of(&t.app, t.data)?;
                client::import(&data, &t.operator, &t.tenant, &t.collection, &t.file)
            }
            Command::Export(t) => {
                let data = data_of(&t.app, t.data)?;
                client::export(&data, &t.operator, &t.tenant, &t.collection, &t.file)
            }
            Command::Attest(attest) => attest.run(),
            Command::Tenant(tenant) => tenant.run(),
            Command::User(User::Deactivate { acting, email }) => {
                let data = data_of(&acting.app, acting.data)?;
                client::act(&data, serde_json::json!({"do": "user.deactivate", "as": acting.operator, "email": email}))
            }
            Command::Report(report) => report.run(),
            Command::Incident(incident) => incident.run(),
            Command::Operator(operator) => operator.run(),
            Command::Secrets(desk) => desk::secrets(desk),
            Command::Departure(departure) => departure.run(),
            Command::Tests { desk, file } => desk::tests(desk, &file),
            Command::Csp { acting } => {
                let data = data_of(&acting.app, acting.data)?;
                client::act(&data, serde_json::json!({"do": "csp.list", "as": acting.operator}))
            }
            Command::Keys(Keys::Status { acting }) => {
                keys::status(&data_of(&acting.app, acting.data)?, &acting.operator)
            }
            Command::Keys(Keys::Rotate { acting, tenant, root, wait }) => {
                let data = data_of(&acting.app, acting.data)?;
                keys::rotate(&data, &acting.operator, tenant.as_deref(), root, wait)
            }
            Command::Audit(audit) => audit.run(),
        }
    }
}

impl Audit {
    fn run(self) -> Result<ExitCode, ExitCode> {
        match self {
            Self::Verify { file, since, key } => app::audit_verify(&file, since.as_deref(), key.as_deref()),
            Self::Export { acting, file, tenant, from, to, since, bare } => {
                let data = data_of(&acting.app, acting.data)?;
                let since = since.map(|saved| app::saved_size(&saved)).transpose()?;
                let asked =
                    [("from", from), ("to", to), ("since", since), ("format", bare.then(|| "jsonl".to_owned()))];
                let asked: Vec<String> =
                    asked.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
                let path = format!("/api/v1/audit/export?{}", asked.join("&").replace('+', "%2B"));
                client::fetch(&data, &acting.operator, &tenant, &path, &file)
            }
            Self::Erase { acting, tenant, subject, values } => {
                let data = data_of(&acting.app, acting.data)?;
                let order = serde_json::json!({"do": "audit.erase", "as": acting.operator, "tenant": tenant, "subject": subject, "values": values});
                client::act(&data, order)
            }
        }
    }
}

impl Tenant {
    fn run(self) -> Result<ExitCode, ExitCode> {
        let (acting, order) = match self {
            Self::Create { acting, slug, owner, name } => {
                let name = name.unwrap_or_else(|| slug.clone());
                let people = serde_json::json!([{"email": owner, "name": owner, "role": null, "password": null}]);
                (acting, serde_json::json!({"do": "tenant.create", "slug": slug, "name": name, "people": people}))
            }
            Self::List { acting } => (acting, serde_json::json!({"do": "tenant.list"})),
            Self::Suspend { acting, tenant } => (acting, serde_json::json!({"do": "tenant.suspend", "tenant": tenant})),
            Self::Resume { acting, tenant } => (acting, serde_json::json!({"do": "tenant.resume", "tenant": tenant})),
            Self::Delete { acting, tenant } => (acting, serde_json::json!({"do": "tenant.delete", "tenant": tenant})),
        };
        let data = data_of(&acting.app, acting.data)?;
        let mut order = order;
        if let Some(members) = order.as_object_mut() {
            members.insert("as".to_owned(), acting.operator.into());
        }
        client::act(&data, order)
    }
}

impl Serve {
    fn run(self) -> Result<ExitCode, ExitCode> {
        let read = app::read(&self.app)?;
        let tls = match self.tls.as_deref().map(|pair| pair.split_once(',')) {
            None => None,
            Some(Some((cert, key))) => Some((PathBuf::from(cert), PathBuf::from(key))),
            Some(None) => return Err(screen::refuse("--tls: CERT,KEY are expected, two files with a comma between")),
        };
        let environment: HashMap<String, String> = app::environment().collect();
        let settings = vouchsafe::Settings {
            sources: app::SOURCES,
            data: self.data.unwrap_or_else(|| PathBuf::from("data").join(read.app.id)),
            folder: self.app,
            listen: self.listen,
            tls,
            http: self.http,
            metrics: self.metrics,
            database: self.database,
            ready_file: self.ready_file,
            log: self.log,
            demo: !self.no_demo,
            steer: self.steer.is_some(),
            watch: !self.no_watch && self.steer.is_none() && !environment.contains_key(vouchsafe::PROBED),
            environment,
        };
        app::serve(settings, read)
    }
}
