//! The outside prober: tests every promise of an app's page against a server it starts itself, with canary tenants of its
//! own, and judges. It uses the words of `kernel` and `manifest` and none of the code that keeps the promises.
//!
//! Evidence is an allow-list by type ([`Evidence`]); "failing" is said only after two tries with fresh canaries ([`run`]).

// The library that `rusqlite` calls; its cipher is for the server, the prober opens pages itself.
use sqlite as _;

mod act;
mod answers;
mod authority;
mod chain;
mod checked;
pub mod copy;
mod disk;
mod evidence;
mod hello;
mod instance;
pub mod jwt;
mod keyservice;
mod leaks;
mod live;
mod many;
mod merkle;
mod openapi;
mod opener;
mod openpgp;
pub mod oscal;
pub mod pattern;
pub mod pick;
mod plan;
mod probes;
mod random;
mod report;
mod round;
mod rows;
mod run;
mod sink;
mod stage;
mod visit;
mod volume;
mod walls;
mod watch;
mod wire;

pub use checked::{Checked, Place};
pub use evidence::{Evidence, Fact, Finding, Miss, Outcome};
pub use instance::Setup;
pub use live::Live;
pub use manifest::{Verdict, verdict_of};
pub use plan::{Plan, Selection, built, cheap};
pub use report::{Judged, Report};
pub use round::{CAP, Round, Seen};
pub use run::{Options, run};
pub use visit::visit;
pub use watch::{Order, Part, watch};
