//! Continuous verification: the prober is a child process, never part of the server it judges. It is told where the server
//! is, brings back verdicts as JSON, and ends when the server ends: its standard input closes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use kernel::{Action, Failure, Permit, TenantId, Write, may};
use serde_json::Value;
use store::Tx;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    sync::Semaphore,
};
use verify::{Live, Order, Part, Round, Verdict};

use crate::{Server, Settings, canary};

/// Between two cheap rounds: what turns red shows within a minute.
const CHEAP: Duration = Duration::from_secs(45);
/// Until a failing check is looked at again; doubled each time for those that need an instance of their own.
const AGAIN: Duration = Duration::from_secs(30);
/// How long a round may take.
const ROUND: Duration = Duration::from_secs(600);
/// How long the test of one check may take that a visitor asked for.
const ONE: Duration = Duration::from_secs(20);
/// Tests that visitors asked for, at once.
const VISITORS: usize = 2;
/// How long canary tenants wait for the next round before others take their place.
const WAITING: Duration = Duration::from_secs(24 * 3600);

/// Tells a server that a prober started it: it starts none itself, whatever its command line says.
pub const PROBED: &str = "VOUCHSAFE_PROBED";

/// Name and duty of the job that publishes verdicts.
pub(crate) const WATCHER: (&str, Action) = ("verify.watch", may("house", "verify"));

/// Means to start a prober.
pub(crate) struct Watch {
    folder: PathBuf,
    /// None: no listener that the prober could reach as people do.
    live: Option<Live>,
    manifest: String,
    page: String,
    environment: Vec<(String, String)>,
    /// Everything that the server itself was given.
    variables: BTreeMap<String, String>,
    visitors: Semaphore,
    waiting: Mutex<Option<(Value, Instant)>>,
}

/// This very program, even after another was put in its place.
fn program() -> std::io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.to_owned()) } else { std::env::current_exe() }
}

impl Watch {
    /// For a server that listens on `address` and is called `url`.
    pub(crate) fn new(
        settings: &Settings,
        manifest: &str,
        address: std::net::SocketAddr,
        url: &str,
    ) -> Result<Self, String> {
        let page = settings.folder.join("security.md");
        let page = std::fs::read_to_string(&page).map_err(|e| format!("{}: {e}", page.display()))?;
        let near = match address.ip() {
            ip if !ip.is_unspecified() => address,
            std::net::IpAddr::V4(_) => (std::net::Ipv4Addr::LOCALHOST, address.port()).into(),
            std::net::IpAddr::V6(_) => (std::net::Ipv6Addr::LOCALHOST, address.port()).into(),
        };
        // Behind proxies that end TLS, the prober is not where people are.
        let reachable = settings.development() || settings.tls.is_some();
        let live = reachable.then(|| Live {
            socket: settings.data.join("admin.sock"),
            address: near,
            url: url.to_owned(),
            certificate: settings.tls.as_ref().map(|(chain, _)| chain.clone()),
        });
        let passed = ["PATH", "HOME", "LANG", "VOUCHSAFE_ADVISORIES"].into_iter().chain(kernel::sabotage::VARIABLE);
        let environment =
            passed.filter_map(|name| Some((name.to_owned(), settings.environment.get(name)?.clone()))).collect();
        Ok(Self {
            folder: settings.folder.clone(),
            live,
            manifest: manifest.to_owned(),
            page,
            environment,
            variables: settings.environment.clone().into_iter().collect(),
            visitors: Semaphore::new(VISITORS),
            waiting: Mutex::default(),
        })
    }

    /// Whether requests alone can test anything that the page promises.
    fn cheap(&self, server: &Weak<Server>) -> bool {
        let promised = server.upgrade().is_some_and(|server| {
            server.disclosure.page().claims.iter().flat_map(|claim| &claim.checks).any(|check| verify::cheap(check))
        });
        promised && self.live.is_some()
    }

    /// Canary tenants that wait, while they are young.
    fn waiting(&self) -> Option<Value> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_ref().filter(|(_, since)| since.elapsed() < WAITING).map(|(pair, _)| pair.clone())
    }

    fn keep(&self, pair: Option<Value>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = match (pair, waiting.take()) {
            (Some(pair), Some((known, since))) if pair == known => Some((known, since)),
            (Some(pair), _) => Some((pair, Instant::now())),
            (None, _) => None,
        };
    }

    /// Ids of the canaries that wait.
    fn kept(&self) -> Vec<TenantId> {
        let waiting = self.waiting();
        let pair = waiting.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        pair.iter().filter_map(|t| t.get("id")?.as_str()?.parse().ok()).collect()
    }

    /// Runs a prober and reads what it says, under caps.
    async fn round(&self, part: Part, limit: Duration) -> Result<Round, String> {
        let visitor = matches!(part, Part::Checks(_)) && limit == ONE;
        let order = Order {
            variables: if part.starts() { self.variables.clone() } else { BTreeMap::new() },
            part,
            live: self.live.clone(),
            waiting: self.waiting(),
            manifest: self.manifest.clone(),
            page: self.page.clone(),
        };
        let order = serde_json::to_vec(&order).map_err(|e| e.to_string())?;
        let scratch = TempDir::with_prefix("vouchsafe-watch-").map_err(|e| e.to_string())?;
        let mut command = Command::new(program().map_err(|e| e.to_string())?);
        command.arg("watch").arg(&self.folder).env_clear().envs(self.environment.iter().map(|(n, v)| (n, v)));
        command.env("TMPDIR", scratch.path()).env(PROBED, "1").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| format!("the prober does not start: {e}"))?;
        let said = tokio::time::timeout(limit, converse(&mut child, &order)).await;
        end(child).await;
        let said = said.map_err(|_| format!("the prober took longer than {} s", limit.as_secs()))??;
        let Some(mut round) = Round::read(&said) else {
            let told: Value = serde_json::from_slice(&said).unwrap_or_default();
            let words = told.get("error").and_then(Value::as_str).unwrap_or("nothing that can be read");
            return Err(format!("the prober said: {}", words.chars().take(400).collect::<String>()));
        };
        let waiting = round.waiting.take();
        if !visitor {
            self.keep(waiting);
        }
        Ok(round)
    }

    /// One cheap check, for a visitor.
    async fn one(&self, check: &'static str) -> Result<Round, Failure> {
        let _turn = self.visitors.try_acquire().map_err(|_| Failure::Busy(5))?;
        self.round(Part::Checks(vec![check.to_owned()]), ONE).await.map_err(|words| Failure::Internal(words.into()))
    }
}

/// Tells the prober what to do and reads to the end of its answer.
async fn converse(child: &mut Child, order: &[u8]) -> Result<Vec<u8>, String> {
    let (Some(input), Some(output)) = (child.stdin.as_mut(), child.stdout.as_mut()) else {
        return Err("the prober has no pipes".to_owned());
    };
    input.write_all(order).await.map_err(|e| e.to_string())?;
    input.write_all(b"\n").await.map_err(|e| e.to_string())?;
    let mut said = Vec::new();
    let cap = u64::try_from(verify::CAP).unwrap_or(u64::MAX);
    output.take(cap + 1).read_to_end(&mut said).await.map_err(|e| e.to_string())?;
    Ok(said)
}

/// Closes its standard input, which asks it to tidy up and end; then ends it.
async fn end(mut child: Child) {
    drop(child.stdin.take());
    if tokio::time::timeout(Duration::from_secs(5), child.wait()).await.is_err() {
        let _killed = child.kill().await;
    }
}

/// What is due next.
struct Agenda {
    every: Duration,
    full: Instant,
    cheap: Option<Instant>,
    again: BTreeMap<&'static str, (Instant, Duration)>,
}

impl Agenda {
    /// `cheap`: whether the page has anything that requests alone can test.
    fn new(every: Duration, cheap: bool) -> Self {
        let now = Instant::now();
        Self { every, full: now, cheap: cheap.then_some(now), again: BTreeMap::new() }
    }

    fn next(&self) -> Instant {
        let again = self.again.values().map(|(at, _)| *at).min();
        [Some(self.full), self.cheap, again].into_iter().flatten().min().unwrap_or(self.full)
    }

    /// What to do now, one thing after another.
    fn due(&mut self, now: Instant, jitter: f64) -> Vec<Part> {
        if self.full <= now {
            self.full = now + self.every.mul_f64(0.9 + 0.2 * jitter);
            let first = self.cheap.map(|_| Part::Cheap);
            self.cheap = self.cheap.map(|_| now + CHEAP);
            return first.into_iter().chain([Part::Live, Part::Own]).collect();
        }
        let mut parts = Vec::new();
        if self.cheap.is_some_and(|at| at <= now) {
            self.cheap = Some(now + CHEAP);
            parts.push(Part::Cheap);
        }
        let failing: Vec<String> =
            self.again.iter().filter(|(_, (at, _))| *at <= now).map(|(check, _)| (*check).to_owned()).collect();
        if !failing.is_empty() {
            parts.push(Part::Checks(failing));
        }
        parts
    }

    /// Failing checks come again soon, until they are proven.
    fn learn(&mut self, round: &Round, now: Instant) {
        for seen in &round.seen {
            match (seen.verdict, self.again.get(seen.check).copied()) {
                (Verdict::Failing, known) => {
                    let gap = match known {
                        Some((_, gap)) if seen.place == verify::Place::Own => (gap * 2).min(self.every),
                        _ => AGAIN,
                    };
                    self.again.insert(seen.check, (now + gap, gap));
                }
                // It could not be told: the same again, no sooner than before.
                (Verdict::Inconclusive, Some((_, gap))) => {
                    self.again.insert(seen.check, (now + gap, gap));
                }
                (Verdict::Inconclusive, None) => {}
                _ => drop(self.again.remove(seen.check)),
            }
        }
    }

    /// A round that brought nothing back: its checks wait like the others.
    fn put_off(&mut self, now: Instant) {
        for (at, gap) in self.again.values_mut().filter(|(at, _)| *at <= now) {
            *at = now + *gap;
        }
    }
}

/// Starts the watch. It ends with the task.
pub(crate) fn start(server: &Arc<Server>, watch: Watch) -> tokio::task::JoinHandle<()> {
    let watch = Arc::new(watch);
    let run = Arc::downgrade(&watch);
    server.disclosure.set_test_now(disclosure::Testing {
        cheap: verify::cheap,
        run: Arc::new(move |check| {
            let watch = run.upgrade();
            Box::pin(async move {
                let round = watch.ok_or(Failure::Busy(60))?.one(check).await?;
                disclosure::Round::read(round.json().to_string().as_bytes())
            })
        }),
    });
    let waits = Arc::clone(&watch);
    canary::tidy(server, move || waits.kept());
    let server = Arc::downgrade(server);
    tokio::spawn(async move {
        while tokio::spawn(keep_watch(Weak::clone(&server), Arc::clone(&watch)))
            .await
            .is_err_and(|ended| ended.is_panic())
        {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    })
}

async fn keep_watch(server: Weak<Server>, watch: Arc<Watch>) {
    let every = server.upgrade().map_or(0, |s| s.app.verify.every.0).max(60_000);
    let cheap = watch.cheap(&server);
    let mut agenda = Agenda::new(Duration::from_millis(every.cast_unsigned()), cheap);
    loop {
        tokio::time::sleep(agenda.next().saturating_duration_since(Instant::now())).await;
        let Some(server) = server.upgrade() else { return };
        let jitter = f64::from(u32::from_le_bytes(server.rng.array())) / f64::from(u32::MAX);
        for part in agenda.due(Instant::now(), jitter) {
            match watch.round(part, ROUND).await {
                Ok(mut round) => {
                    agenda.learn(&round, Instant::now());
                    if server.engine != "sqlite" {
                        round.seen.iter_mut().for_each(of_another_engine);
                    }
                    if let Err(failure) = publish(&server, &round).await {
                        server.monitor.failure(&failure, None, Some(TenantId::HOUSE));
                    }
                }
                Err(words) => {
                    agenda.put_off(Instant::now());
                    let failure = Failure::Internal(format!("watch: {words}").into());
                    server.monitor.failure(&failure, None, Some(TenantId::HOUSE));
                }
            }
        }
    }
}

/// Checks that the database's engine keeps.
const ENGINE: [&str; 5] =
    ["tenant.hard_wall", "tenant.query_scope", "vault.at_rest_db", "ops.db_pool", "ops.db_failover"];

/// A copy has the embedded engine: what it shows of an engine says nothing of PostgreSQL.
fn of_another_engine(seen: &mut verify::Seen) {
    if seen.place == verify::Place::Own && ENGINE.contains(&seen.check) {
        seen.verdict = Verdict::Unproven;
        seen.note = "a copy has the embedded engine; `vouchsafe verify APP --database URL` tests this one".to_owned();
        seen.evidence.clear();
        seen.summary.clear();
        seen.finding = None;
    }
}

/// Verdicts become public under a permit, like every other change.
async fn publish(server: &Server, round: &Round) -> Result<(), Failure> {
    if round.seen.is_empty() {
        return Ok(());
    }
    let caller = server.authentication.job(server.inside(server.clock.now()), WATCHER.0);
    let who = server.authentication.principal(server.tenancy.enter(caller, TenantId::HOUSE).await?).await?;
    let permit: Permit<Write> = server.access.permit(who, WATCHER.1, "verdicts.published", true).await?;
    let round = disclosure::Round::read(round.json().to_string().as_bytes())?;
    server.disclosure.publish(Tx::open(&server.store, permit), round).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Time;

    fn seen(check: &'static str, verdict: Verdict, place: verify::Place) -> Round {
        let mut seen = verify::Seen::nothing(check, Time(0));
        (seen.verdict, seen.place) = (verdict, place);
        Round {
            build: String::new(),
            app: String::new(),
            began: Time(0),
            ended: Time(0),
            seen: vec![seen],
            waiting: None,
        }
    }

    #[test]
    fn a_copys_engine_proves_nothing_of_another() {
        let told = |check, verdict, place| {
            let mut round = seen(check, verdict, place);
            round.seen.iter_mut().for_each(of_another_engine);
            round.seen[0].verdict
        };
        use verify::Place::{Live, Own};
        assert_eq!(told("tenant.hard_wall", Verdict::Proven, Own), Verdict::Unproven);
        assert_eq!(told("tenant.hard_wall", Verdict::Proven, Live), Verdict::Proven);
        assert_eq!(told("edge.csp", Verdict::Proven, Own), Verdict::Proven);
        assert!(ENGINE.iter().all(|check| manifest::check(check).is_some()));
    }

    #[test]
    fn the_first_round_begins_with_what_is_cheap() {
        let mut agenda = Agenda::new(Duration::from_secs(3600), true);
        let now = Instant::now();
        assert_eq!(agenda.due(now, 0.5), [Part::Cheap, Part::Live, Part::Own]);
        assert_eq!(agenda.due(now, 0.5), []);
        assert_eq!(agenda.due(now + CHEAP, 0.5), [Part::Cheap]);
        assert!(agenda.due(now + Duration::from_secs(3239), 0.5).len() < 3);
        assert_eq!(agenda.due(now + Duration::from_secs(3601), 0.0).len(), 3);
    }

    #[test]
    fn what_fails_comes_again_until_it_is_proven() {
        use verify::Place::{Live, Own};
        let mut agenda = Agenda::new(Duration::from_secs(3600), true);
        let now = Instant::now();
        let _first = agenda.due(now, 0.5);
        agenda.learn(&seen("edge.csp", Verdict::Failing, Live), now);
        assert_eq!(agenda.next(), now + AGAIN);
        assert_eq!(agenda.due(now + AGAIN, 0.5), [Part::Checks(vec!["edge.csp".into()])]);
        agenda.learn(&seen("edge.csp", Verdict::Inconclusive, Live), now + AGAIN);
        agenda.learn(&seen("edge.csp", Verdict::Failing, Live), now + AGAIN * 2);
        assert_eq!(agenda.again["edge.csp"].1, AGAIN);
        agenda.learn(&seen("edge.csp", Verdict::Proven, Live), now + AGAIN * 3);
        assert!(agenda.again.is_empty());
        // Instances cost: each try waits twice as long, up to a whole round.
        for gap in [1, 2, 4, 8] {
            agenda.learn(&seen("auth.lockout", Verdict::Failing, Own), now);
            assert_eq!(agenda.again["auth.lockout"].1, AGAIN * gap);
        }
        agenda.put_off(now + AGAIN * 8);
        assert_eq!(agenda.again["auth.lockout"].0, now + AGAIN * 16);
    }
}
