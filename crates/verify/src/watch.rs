//! One round of the continuous mode: some checks of one live server, cheap ones in place, the rest on an instance of the
//! prober's own.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use kernel::Time;
use manifest::Page;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    checked::Checked,
    evidence::Miss,
    instance::{Instance, Setup},
    live::Live,
    plan::{self, Plan, Probe, Reach, Selection},
    round::{Round, Seen},
    run::{Scene, elapsed, on, own},
    stage::{Stage, Tenant},
};

/// How many probes run beside each other on a live server: it has other work.
const BESIDE: usize = 2;

/// Which checks a round looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Those that requests alone can test.
    Cheap,
    /// Every other one that can be tested on the live server.
    Live,
    /// Every one that cannot.
    Own,
    /// These.
    Checks(Vec<String>),
}

/// What the server asks a watcher for. It holds secrets: it is handed over a pipe, and never printed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Order {
    /// Which checks.
    pub part: Part,
    /// Where the server is; none: it cannot be reached as people reach it, and everything runs elsewhere.
    pub live: Option<Live>,
    /// Canary tenants of an earlier round, to be used again.
    #[serde(default)]
    pub waiting: Option<Value>,
    /// The manifest in force: files may have been edited since.
    pub manifest: String,
    /// The page in force.
    pub page: String,
    /// The server's own environment, where an instance may be started: its values must not stand in the app's history.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// Whether the prober can sign its canaries in on a live server: not where an outside issuer does that.
fn people(setup: &Setup) -> bool {
    setup.app.auth.issuer.is_none()
}

impl Part {
    /// Whether it may need an instance of the prober's own.
    #[must_use]
    pub const fn starts(&self) -> bool {
        matches!(self, Self::Own | Self::Checks(_))
    }
    fn wants(&self, probe: &Probe, reach: Reach) -> bool {
        match self {
            Self::Cheap => reach == Reach::Anon,
            Self::Live => reach == Reach::Canary,
            Self::Own => reach == Reach::Own,
            Self::Checks(checks) => checks.iter().any(|c| c == probe.check),
        }
    }
}

/// Runs one round.
///
/// # Errors
/// Words for the log when a server cannot be reached or started.
pub async fn watch(order: &Order, setup: &Setup, page: Page, build: &str, now: Time) -> Result<Round, String> {
    let started = Instant::now();
    let plan = Plan::new(&page, &Selection(None));
    let reach = |probe: &Probe| match &order.live {
        Some(live) => plan::reach(probe.check, live.secure(), people(setup)),
        None => Reach::Own,
    };
    let chosen: Vec<&'static Probe> = plan.probes.into_iter().filter(|p| order.part.wants(p, reach(p))).collect();
    let (away, here): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|p| reach(p) == Reach::Own);
    let cheap = here.iter().all(|p| reach(p) == Reach::Anon);
    let page = Arc::new(page);
    let (mut seen, mut waiting) = (Vec::new(), order.waiting.clone());
    let at = |checked: &Checked| Seen::of(checked, now.plus(elapsed(started)));
    if let Some(live) = order.live.as_ref().filter(|_| !here.is_empty()) {
        let instance = Instance::attach(setup, live)?;
        let stage = Arc::new(Stage::new(Arc::clone(&setup.app), instance, now));
        let pair = stage.pair(order.waiting.as_ref(), cheap).await;
        let kept = pair.as_ref().ok().map(|(a, b)| [a.id.clone(), b.id.clone()]).unwrap_or_default();
        waiting = pair.as_ref().ok().and_then(|(a, b)| serde_json::to_value([a, b]).ok()).or(waiting);
        let scene = pair.map(|(a, b)| Scene {
            app: Arc::clone(&stage.app),
            stage: Arc::clone(&stage),
            a,
            b,
            page: Arc::clone(&page),
        });
        let checked = on(&scene, &stage, &page, &here, BESIDE).await;
        // A canary that somebody deleted, or a server that was busy: the next round begins with new ones.
        if checked.iter().any(|c| c.verdict == crate::Verdict::Inconclusive) {
            waiting = None;
        }
        seen.extend(checked.iter().map(at));
        let keeps: &[String] = if waiting.is_some() { &kept } else { &[] };
        stage.clear_but(keeps).await;
    }
    if !away.is_empty() {
        let checked = own(setup, &page, &away, now.plus(elapsed(started))).await?;
        seen.extend(checked.iter().map(at));
    }
    Ok(Round {
        build: build.to_owned(),
        app: setup.app.id.to_owned(),
        began: now,
        ended: now.plus(elapsed(started)),
        seen,
        waiting,
    })
}

impl Stage {
    /// The two canary tenants that waited, or new ones; for requests alone their owners suffice.
    async fn pair(&self, waiting: Option<&Value>, cheap: bool) -> Result<(Tenant, Tenant), Miss> {
        let roles = if cheap { 1 } else { self.app.roles.len() };
        let known: Vec<Tenant> = waiting
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(|t| self.known(t)).collect())
            .unwrap_or_default();
        if let Ok([a, b]) = <[Tenant; 2]>::try_from(known)
            && a.people.len() >= roles
            && b.people.len() >= roles
        {
            return Ok((a, b));
        }
        match cheap {
            true => Ok((self.lone_canary().await?, self.lone_canary().await?)),
            false => Ok((self.canary().await?, self.canary().await?)),
        }
    }
}
