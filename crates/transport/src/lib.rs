//! "All traffic is encrypted in transit." "Every answer carries a strict content security policy with a fresh nonce."
//! "Requests that change something are checked for the site they come from." "Floods are capped before they reach anything."
//!
//! The gate of `Peer`: who is at the other end of the socket. And the way out: every answer gets its headers here.

mod blocklist;
mod body;
mod claims;
mod connections;
mod csp_report;
mod csrf;
mod filter;
mod headers;
mod https;
mod intake;
mod peer;
mod proxies;
mod robots;
mod tls;

pub use blocklist::{Blocklist, Standing};
pub use body::{Body, Broken};
pub use claims::CLAIMS;
pub use connections::{Connections, Guard};
pub use csp_report::{Reports, Violation, section};
pub use csrf::cross_site;
pub use filter::{Filter, RULES};
pub use headers::{About, Headers};
pub use https::insist;
pub use intake::{stream, whole};
pub use peer::{Lock, Mode, Transport};
pub use proxies::proxies;
pub use robots::people_only;
pub use tls::{Certificates, config, config_for};
