//! The one frame of a server: what every page shares.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use kernel::{Action, Failure, Grant, Home, Principal, Reason};
use manifest::{App, Page};
use maud::Markup;

use super::{
    Card, Screen, accent,
    document::{self, Look},
};
use crate::{Html, Problem};

type Judge = Box<dyn Fn(&Principal, Action) -> Result<Grant, Failure> + Send + Sync>;

/// A promise as the footer shows it.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) id: String,
    pub(crate) words: String,
}

/// What every page shares. One per server.
pub struct Frame {
    app: Arc<App>,
    promises: BTreeMap<&'static str, Vec<Promise>>,
    development: bool,
    look: Look,
    judge: OnceLock<Judge>,
}

impl Frame {
    /// `page` is the app's `security.md`: footers link its claims.
    #[must_use]
    pub fn new(app: Arc<App>, page: &Page, development: bool) -> Self {
        let mut promises: BTreeMap<&'static str, Vec<Promise>> = BTreeMap::new();
        for claim in &page.claims {
            for check in &claim.checks {
                let words = claim.text(&|_| Some("…".to_owned()));
                promises.entry(check).or_default().push(Promise { id: claim.id.clone(), words });
            }
        }
        let (light, dark) = accent::pair(&app.color);
        let look = Look { app: app.name.clone(), light, dark };
        Self { app, promises, development, look, judge: OnceLock::new() }
    }
    /// Who decides, said once: the gate's own decision, so that pages show what would happen.
    pub fn judge(&self, judge: impl Fn(&Principal, Action) -> Result<Grant, Failure> + Send + Sync + 'static) {
        drop(self.judge.set(Box::new(judge)));
    }
    /// The gate's decision.
    ///
    /// # Errors
    /// Why not.
    pub fn weigh(&self, who: &Principal, action: Action) -> Result<Grant, Failure> {
        self.judge.get().map_or(Err(Failure::Refused(Reason::NotGranted)), |judge| judge(who, action))
    }
    /// Whether they may.
    #[must_use]
    pub fn may(&self, who: &Principal, action: Action) -> bool {
        self.weigh(who, action).is_ok()
    }
    /// The app.
    #[must_use]
    pub const fn app(&self) -> &Arc<App> {
        &self.app
    }
    /// Whether this is a development server.
    #[must_use]
    pub const fn development(&self) -> bool {
        self.development
    }
    /// What stands before each path of the tenant's pages: nothing, or `/w/<slug>`.
    #[must_use]
    pub fn base(&self, who: &Principal) -> String {
        below_host(&who.home().url).to_owned()
    }
    pub(crate) const fn look(&self) -> &Look {
        &self.look
    }
    /// The claims that stand on these checks, each once, in the order of the checks.
    pub(crate) fn promises(&self, checks: &[&'static str]) -> Vec<&Promise> {
        let mut found: Vec<&Promise> = Vec::new();
        for promise in checks.iter().filter_map(|check| self.promises.get(check)).flatten() {
            if !found.iter().any(|known| known.id == promise.id) {
                found.push(promise);
            }
        }
        found
    }

    /// A page of the console.
    #[must_use]
    pub fn page(&self, who: &Principal, screen: Screen) -> Html {
        document::console(self, who, screen)
    }
    /// A narrow page, for people who need not be signed in. It holds its style itself.
    #[must_use]
    pub fn card(&self, home: &Home, card: Card) -> Html {
        document::card(self, Some(home), card)
    }
    /// The same where it may not be known yet whose page it is.
    #[must_use]
    pub fn card_at(&self, home: Option<&Home>, card: Card) -> Html {
        document::card(self, home, card)
    }
    /// A part of a page, for a script that asked for it.
    #[must_use]
    pub fn fragment(&self, part: Markup) -> Html {
        Html(Box::new(move |_| part.into_string()))
    }
    /// A refusal as a page. Says what the problem document would, and where to go on.
    #[must_use]
    pub fn problem(&self, home: Option<&Home>, problem: &Problem) -> Html {
        document::problem(self, home, problem)
    }
}

/// The path of `scheme://host[:port]/path`, without a slash at its end.
pub(crate) fn below_host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("").trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_the_path() {
        for (url, base) in [
            ("http://a.localhost:8080", ""),
            ("https://a.example/", ""),
            ("http://studio.localhost:1/w/north", "/w/north"),
            ("", ""),
        ] {
            assert_eq!(below_host(url), base);
        }
    }
}
