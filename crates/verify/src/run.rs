//! The run: instances, canaries, probes, and a second look before anything is called failing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use kernel::Time;
use manifest::{App, CheckKind, Page, Verdict};

use crate::{
    checked::{Checked, Place},
    evidence::{Evidence, Miss, Outcome},
    instance::{Instance, Setup},
    plan::{self, Plan, Probe, Room, Selection},
    report::{Judged, Report},
    stage::{Stage, Tenant},
};

/// How long one try of a probe may take.
const LIMIT: Duration = Duration::from_secs(55);
/// How many probes run beside each other.
const BESIDE: usize = 6;

/// What to verify.
pub struct Options {
    /// How instances are started.
    pub setup: Setup,
    /// The page.
    pub page: Page,
    /// Only this promise or check.
    pub only: Option<String>,
    /// The present moment.
    pub now: Time,
}

/// What a probe acts on: a stage and two canary tenants.
pub struct Scene {
    /// The app.
    pub app: Arc<App>,
    /// The server and the means to act on it.
    pub stage: Arc<Stage>,
    /// One canary tenant with a person of each role.
    pub a: Tenant,
    /// Another.
    pub b: Tenant,
    /// The page, for checks about it.
    pub page: Arc<Page>,
}

impl Scene {
    pub(crate) async fn new(stage: &Arc<Stage>, page: &Arc<Page>) -> Result<Self, Miss> {
        let (a, b) = (stage.canary().await?, stage.canary().await?);
        Ok(Self { app: Arc::clone(&stage.app), stage: Arc::clone(stage), a, b, page: Arc::clone(page) })
    }
}

/// Verifies an app against instances of its own.
///
/// # Errors
/// Words for the terminal, when no instance starts or nothing on the page has the name asked for.
pub async fn run(options: Options) -> Result<Report, String> {
    let started = Instant::now();
    let plan = Plan::new(&options.page, &Selection(options.only.clone()));
    if plan.claims.is_empty() {
        return Err(format!("no promise or check `{}` on the page", options.only.unwrap_or_default()));
    }
    let (app, page) = (Arc::clone(&options.setup.app), Arc::new(options.page));
    let checked = own(&options.setup, &page, &plan.probes, options.now).await?;
    let at = options.now.plus(elapsed(started));
    let judged = plan.claims.into_iter().map(|claim| judge(claim, &checked, at)).collect();
    let on = format!("own instance, two canary {}s", app.tenant.noun);
    Ok(Report { app: app.name.clone(), on, judged, took: started.elapsed() })
}

/// Runs probes against fresh instances, which are gone afterwards.
pub(crate) async fn own(
    setup: &Setup,
    page: &Arc<Page>,
    probes: &[&'static Probe],
    now: Time,
) -> Result<Vec<Checked>, String> {
    let started = Instant::now();
    let (together, alone): (Vec<_>, Vec<_>) = probes.iter().copied().partition(|p| p.room == Room::Together);
    let begin = async |wanted: bool| match wanted {
        true => Instance::start(setup)
            .await
            .map(|i| Some(Arc::new(Stage::new(Arc::clone(&setup.app), i, now.plus(elapsed(started)))))),
        false => Ok(None),
    };
    // One database cannot be two fresh worlds: on PostgreSQL everything happens on one instance, one thing after another.
    let single = setup.database.is_some();
    let (calm, steered) =
        tokio::join!(begin(!together.is_empty() || (single && !alone.is_empty())), begin(!single && !alone.is_empty()));
    let (calm, steered) = (calm?, steered?);
    let checked = if single {
        let mut checked = beside(calm.as_ref(), page, &together).await;
        checked.extend(apart(calm.as_ref(), page, &alone).await);
        checked
    } else {
        let (mut checked, more) =
            tokio::join!(beside(calm.as_ref(), page, &together), apart(steered.as_ref(), page, &alone));
        checked.extend(more);
        checked
    };
    for stage in calm.iter().chain(&steered) {
        stage.instance.stop().await; // canaries go with it
    }
    Ok(checked)
}

pub(crate) fn elapsed(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(0)
}

pub(crate) async fn beside(stage: Option<&Arc<Stage>>, page: &Arc<Page>, probes: &[&'static Probe]) -> Vec<Checked> {
    let Some(stage) = stage else { return Vec::new() };
    let shared = Scene::new(stage, page).await;
    on(&shared, stage, page, probes, BESIDE).await
}

/// Probes beside each other on one scene.
pub(crate) async fn on(
    shared: &Result<Scene, Miss>,
    stage: &Arc<Stage>,
    page: &Arc<Page>,
    probes: &[&'static Probe],
    beside: usize,
) -> Vec<Checked> {
    stream::iter(probes).map(|probe| twice(probe, stage, page, Some(shared))).buffer_unordered(beside).collect().await
}

async fn apart(stage: Option<&Arc<Stage>>, page: &Arc<Page>, probes: &[&'static Probe]) -> Vec<Checked> {
    let Some(stage) = stage else { return Vec::new() };
    // People cost a password hash each: what one probe leaves of them is good enough for the next one's first look.
    let shared = Scene::new(stage, page).await;
    let mut checked = Vec::new();
    for probe in probes {
        checked.push(twice(probe, stage, page, Some(&shared)).await);
    }
    checked
}

/// A broken promise counts when it is broken twice, the second time with fresh canaries.
async fn twice(
    probe: &'static Probe,
    stage: &Arc<Stage>,
    page: &Arc<Page>,
    shared: Option<&Result<Scene, Miss>>,
) -> Checked {
    let started = Instant::now();
    let first = match shared {
        Some(Ok(scene)) => once(probe, scene).await,
        _ => fresh(probe, stage, page).await,
    };
    let seen = match first {
        Err(Miss::Unclear(_)) => fresh(probe, stage, page).await,
        other => other,
    };
    let outcome = match seen {
        Err(Miss::Broken(once)) => match fresh(probe, stage, page).await {
            Err(Miss::Broken(again)) => Err(Miss::Broken(again)),
            _ => Err(Miss::Unclear(format!("broken once and not again: {}", once.saw))),
        },
        seen => seen,
    };
    Checked { place: stage.instance.place, ..told(probe, outcome, started.elapsed()) }
}

async fn fresh(probe: &'static Probe, stage: &Arc<Stage>, page: &Arc<Page>) -> Outcome {
    let scene = Scene::new(stage, page).await?;
    once(probe, &scene).await
}

async fn once(probe: &'static Probe, scene: &Scene) -> Outcome {
    let late = || Miss::Unclear(format!("not done within {} s", LIMIT.as_secs()));
    tokio::time::timeout(LIMIT, (probe.run)(scene)).await.unwrap_or_else(|_| Err(late()))
}

fn told(probe: &'static Probe, outcome: Outcome, took: Duration) -> Checked {
    let steered = probe.room == Room::Alone;
    let base = |verdict| Checked {
        check: probe.check,
        verdict,
        evidence: Evidence::new(),
        finding: None,
        note: String::new(),
        took,
        steered,
        place: Place::Own,
    };
    match outcome {
        Ok(evidence) => Checked { evidence, ..base(Verdict::Proven) },
        Err(Miss::Broken(finding)) => Checked { finding: Some(finding), ..base(Verdict::Failing) },
        Err(Miss::Unclear(note)) => Checked { note, ..base(Verdict::Inconclusive) },
        Err(Miss::Absent(note)) => Checked { note: note.to_owned(), ..base(Verdict::NotApplicable) },
        Err(Miss::Unbuilt(note)) => Checked { note: note.to_owned(), ..base(Verdict::Unproven) },
        Err(Miss::Person(evidence)) => Checked { evidence, ..base(Verdict::Unsigned) },
        Err(Miss::Lapsed(evidence)) => Checked { evidence, ..base(Verdict::Expired) },
    }
}

/// A check without a probe.
pub(crate) fn unprobed(check: &'static str) -> Checked {
    let (verdict, note) = match plan::kind(check) {
        CheckKind::Attested => (Verdict::Unsigned, "nobody has signed this yet"),
        _ => (Verdict::Unproven, "no probe yet"),
    };
    Checked {
        check,
        verdict,
        evidence: Evidence::new(),
        finding: None,
        note: note.to_owned(),
        took: Duration::ZERO,
        steered: false,
        place: Place::Own,
    }
}

pub(crate) fn judge(claim: manifest::PageClaim, checked: &[Checked], at: Time) -> Judged {
    let found =
        |check: &&'static str| checked.iter().find(|c| c.check == *check).cloned().unwrap_or_else(|| unprobed(check));
    let checks: Vec<Checked> = claim.checks.iter().map(found).collect();
    let verdicts: Vec<Verdict> = checks.iter().map(|c| c.verdict).collect();
    let verdict = manifest::verdict_of(claim.kind, &verdicts, None);
    Judged { verdict, checks, at, claim }
}
