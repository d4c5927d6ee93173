//! The library behind the binary: it makes the keys, hands each to its gate, gathers the sections' values, and is the only
//! crate that knows every section.

mod admin;
mod assemble;
mod clock;
mod closing;
mod demo;
mod health;
mod jobs;
mod listen;
mod metrics;
mod openapi;
mod people;
mod pipeline;
mod preface;
mod ready;
mod replay;
mod rotation;
mod router;
mod settings;
mod site;
mod start;

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
    limits: Limits,
    #[expect(dead_code, reason = "the sections' own routes use it until verdicts come in")]
    disclosure: Arc<disclosure::Disclosure>,
    records: Arc<Records>,
    audit: Arc<audit::Audit>,
    router: Router,
    /// Each with what wakes it before its time.
    jobs: Vec<(Job, tokio::sync::Notify)>,
    /// Folder of static files, if the app has one.
    site: Option<PathBuf>,
    /// `sqlite` or `postgres`.
    engine: &'static str,
}

impl Server {
    /// The origin a browser must name for requests to this tenant.
    fn origin_of(&self, home: &Home) -> String {
        home.url.split_once("/w/").map_or_else(|| home.url.clone(), |(origin, _)| origin.to_owned())
    }
}
