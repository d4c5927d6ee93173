//! "What we send you by mail is handed over encrypted, and retried until it arrives."
//!
//! Mail only, so far. A section that wants a mail sent puts it sealed into the house's outbox with its own change
//! (`emit("mail", vault.seal_house("mail", json)?)`); the job here delivers it. At least once: after a crash between
//! delivery and the deletion of its row, a mail goes out again, with the same Message-ID.

mod http;
mod jobs;
mod letter;
mod mailbox;
mod mailer;
mod pages;
mod retry;
mod sink;
mod smtp;
mod sql;

use std::sync::Arc;

pub use letter::{KIND, Mail};
pub use mailbox::Mailbox;
pub use mailer::{Mailer, Way};
use route::Section;
pub use sink::DOMAIN as SINK;

/// The drain, and on a development server (a mailer with a folder) the mailbox's pages.
#[must_use]
pub fn section(mailer: &Arc<Mailer>, frame: &Arc<route::page::Frame>) -> Section {
    Section { routes: http::routes(mailer, frame), jobs: jobs::jobs(mailer), claims: Vec::new() }
}

#[cfg(test)]
mod tests;
