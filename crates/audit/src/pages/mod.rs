//! The log for people: days linked in a chain, entries of a day, one entry with what it commits to, and the check of it all.

mod day;
mod entry;
mod list;
mod offline;
mod sieve;

use std::sync::Arc;

pub(crate) use offline::verify;

use kernel::{Failure, Mode};
use route::{Route, get, may, page::Frame, with};
use store::Tx;

use crate::sql;

pub(crate) fn routes(frame: &Arc<Frame>) -> Vec<Route> {
    let route = |path: &str, tier, serve| Route { path: path.into(), action: may("audit", "read"), tier, serve };
    vec![
        route("/console/history", "api", get(with(frame, list::history))),
        route("/console/history/check", "exports", get(with(frame, entry::check))),
        route("/console/history/{seq}", "api", get(with(frame, entry::entry))),
    ]
}

/// Checks that protect these pages.
const PROTECTS: &[&str] =
    &["audit.hash_chain", "audit.per_tenant", "audit.coverage", "audit.merkle_jwks", "audit.retention"];

/// Names of the people in the log.
struct People(Vec<(String, String)>);

impl People {
    async fn read<M: Mode>(tx: &Tx<M>) -> Result<Self, Failure> {
        let named = |(id, name, email): (String, Option<String>, Option<String>)| {
            let name = name.filter(|name| !name.is_empty()).or(email);
            name.map(|name| (id, name))
        };
        Ok(Self(tx.all(&sql::PEOPLE, ()).await?.into_iter().filter_map(named).collect()))
    }
    /// `user/<id>` by name where the person still belongs here; others as they stand in the log.
    fn name(&self, actor: &str) -> String {
        let known = actor.strip_prefix("user/").and_then(|id| self.0.iter().find(|(of, _)| of == id));
        match (known, actor.split_once('/')) {
            (Some((_, name)), _) => name.clone(),
            (None, Some(("user", id))) => format!("Somebody ({}…)", id.get(id.len().saturating_sub(6)..).unwrap_or(id)),
            (None, Some(("system", job))) => format!("The server ({job})"),
            (None, Some(("operator", name))) => format!("Operator {name}"),
            (None, None) if actor == "visitor" => "A visitor".to_owned(),
            _ => actor.to_owned(),
        }
    }
}

/// The first digits of a hash: enough to compare by eye.
fn short(hash: &str) -> String {
    format!("{}…", hash.get(..12).unwrap_or(hash))
}

/// `record.created` as "Record created".
fn spoken(action: &str) -> String {
    let text = action.replace(['.', '_'], " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
