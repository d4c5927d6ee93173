//! What a section exports, all of it values. What does not compile: a route without an action,
//! ```compile_fail,E0063
//! # async fn list(_: route::Asking<()>) -> Result<(), kernel::Failure> { Ok(()) }
//! let _ = route::Route { path: "/notes".into(), tier: "api", serve: route::get(list) };
//! ```
//! a handler that takes no permit, and one that changes nothing and says it did.
//! ```compile_fail,E0593
//! # async fn bare() -> Result<(), kernel::Failure> { Ok(()) }
//! let _ = route::get::<(), (), _, _>(bare);
//! ```
//! ```compile_fail,E0271
//! # async fn idle(_: route::Changing<()>) -> Result<(), kernel::Failure> { Ok(()) }
//! let _ = route::post("note.created", idle);
//! ```

mod call;
mod input;
mod mishap;
pub mod page;
mod problem;
mod reply;

use std::time::Duration;

pub use call::{
    Asking, Call, Changing, Done, Pending, Redraw, Run, Serve, delete, get, get_audited, patch, post, post_read, put,
    with,
};
pub use input::{BodyStream, Input, Intake, Raw, form};
pub use kernel::may;
use kernel::{Action, Claim};
pub use mishap::{Kept, Mishap, wait};
pub use problem::{Problem, problem, status};
pub use reply::{Body, Html, Output, Reply};

/// Name of a limit tier the manifest declares.
pub type Tier = &'static str;

/// One line of the route table; method, input, output and audit event are in `serve`. No defaults.
///
/// Paths are below the tenant's url (`/api/v1/...`), with `{name}` for a segment. `action` names a collection and a verb, a
/// tenant resource and `read` or `manage`, or one of the built-in resources: `public` (anyone), `account` (anyone signed in,
/// about themselves), `house` (the apex host only, anyone), `development` (a development server only, anyone).
pub struct Route {
    /// Path template.
    pub path: String,
    /// The cell of the access matrix it needs.
    pub action: Action,
    /// The limit tier it spends.
    pub tier: Tier,
    /// Method, types, handler.
    pub serve: Serve,
}

/// Work nobody asked for, done for the house under a permit for `action`.
pub struct Job {
    /// Its name, which is also its actor's.
    pub name: &'static str,
    /// How often.
    pub every: Duration,
    /// The one thing it may do.
    pub action: Action,
    /// The handler: made with [`post`], input `()`.
    pub serve: Serve,
}

/// A room of the house as data. Its tables come apart (`TABLES`): the store needs them first.
#[derive(Default)]
pub struct Section {
    /// Routes.
    pub routes: Vec<Route>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Checks that the section keeps.
    pub claims: Vec<Claim>,
}
