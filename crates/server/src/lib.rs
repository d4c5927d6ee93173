//! The library behind the binary: it makes the keys, hands each to its gate, gathers the sections' values, and is the only
//! crate that knows every section.

mod admin;
mod admission;
mod assemble;
mod browser;
mod canary;
mod clock;
mod closing;
mod demo;
mod faults;
mod health;
mod inventory;
mod jobs;
mod links;
mod listen;
mod metrics;
mod openapi;
mod operators;
mod oscal;
mod people;
mod pieces;
mod pipeline;
mod posture;
mod preface;
mod ready;
mod replay;
mod rotation;
mod router;
mod settings;
mod site;
mod start;
mod watch;
mod witness;

use std::{path::PathBuf, sync::Arc};

use access::Access;
use authentication::Authentication;
use kernel::{Clock, Home, Rng};
use limits::Limits;
use manifest::App;
use monitoring::Monitor;
use records::Records;
use route::Job;
use store::Store;
use tenancy::Tenancy;
use transport::Transport;

pub use assemble::{Described, describe};
pub use clock::Machine;
pub use ready::{Member, Ready, ReadyTenant};
pub use router::{Matched, Router};
pub use settings::Settings;
pub use start::{Running, start};
pub use watch::PROBED;

/// Version of the program; a build that can be sabotaged says so.
pub const VERSION: &str = if kernel::sabotage::BUILT_IN {
    concat!(env!("CARGO_PKG_VERSION"), "+sabotage")
} else {
    env!("CARGO_PKG_VERSION")
};

/// A running server: every gate and every section's values.
pub struct Server {
    app: Arc<App>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    store: Store,
    vault: encryption::Vault,
    /// Where sealed values lie.
    sealed: encryption::Columns,
    /// Wakes the keeper of keys.
    rotate: tokio::sync::Notify,
    monitor: Monitor,
    transport: Transport,
    tenancy: Arc<Tenancy>,
    authentication: Arc<Authentication>,
    access: Arc<Access>,
    /// What every page shares.
    frame: Arc<route::page::Frame>,
    limits: Limits,
    faults: Arc<faults::Faults>,
    filter: transport::Filter,
    blocklist: transport::Blocklist,
    violations: Arc<transport::Reports>,
    disclosure: Arc<disclosure::Disclosure>,
    mailer: Arc<integrations::Mailer>,
    records: Arc<Records>,
    audit: Arc<audit::Audit>,
    router: Router,
    /// Each with what wakes it before its time.
    jobs: Vec<(Job, tokio::sync::Notify)>,
    /// Folder of static files, if the app has one.
    site: Option<PathBuf>,
    /// What it found on its machine; known once it listens.
    posture: std::sync::OnceLock<posture::Posture>,
    /// `sqlite` or `postgres`.
    engine: &'static str,
}

impl Server {
    /// The origin a browser must name for requests to this tenant.
    fn origin_of(&self, home: &Home) -> String {
        home.url.split_once("/w/").map_or_else(|| home.url.clone(), |(origin, _)| origin.to_owned())
    }
}
