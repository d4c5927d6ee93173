mod export;
mod proofs;
pub(crate) mod published;

use std::{collections::BTreeMap, sync::Arc};

use kernel::{Failure, Read, Time};
use route::{Asking, Route, get, get_audited, may, with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{Head, Tx};

use crate::{
    leaf::{Leaf, leaf_hash},
    merkle::Frontier,
    seal::Audit,
    sql::{self, Stored},
    tree::{Nodes, State},
    verify::{Broken, Checker, Why},
};

/// Leaves a page shows at most, and when nothing is said.
const PAGE: (usize, usize) = (200, 50);
/// Leaves one request looks at: a rare filter on a long log is answered in several pages.
const SCAN: usize = 20_000;
/// Leaves read from the store at once.
const SLICE: usize = 500;

pub(crate) fn routes(audit: &Arc<Audit>) -> Vec<Route> {
    let route = |path: &str, tier, serve| Route { path: path.into(), action: may("audit", "read"), tier, serve };
    let open = |path: &str, serve| Route { path: path.into(), action: may("public", "read"), tier: "api", serve };
    let house = |path: &str, serve| Route { path: path.into(), action: may("house", "read"), tier: "api", serve };
    vec![
        route("/api/v1/audit", "api", get(list)),
        route("/api/v1/audit/export", "exports", get_audited("audit.exported", with(audit, export::export))),
        route("/api/v1/audit/check", "exports", get(check)),
        route("/api/v1/audit/checkpoint", "api", get(with(audit, published::checkpoint))),
        route("/api/v1/audit/days", "api", get(with(audit, published::days))),
        route("/api/v1/audit/proofs/{leaf}", "api", get(proofs::inclusion)),
        route("/api/v1/audit/consistency", "api", get(proofs::consistency)),
        route("/audit/checkpoint", "api", get(with(audit, published::checkpoint))),
        route("/audit/tile/{*path}", "api", get(published::tile)),
        open("/.well-known/jwks.json", get(with(audit, published::keys))),
        open("/audit/verify.html", get(with(audit, crate::pages::verify))),
        house("/audit/instance", get(with(audit, published::instance))),
        house("/audit/instance/{day}", get(with(audit, published::instance_day))),
    ]
}

/// Which leaves are asked for.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Go on behind this place: the `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 200; 50 when nothing is said.
    limit: Option<String>,
    /// `oldest` (first) or `newest`.
    order: Option<String>,
    /// Only this action.
    action: Option<String>,
    /// Only this actor.
    actor: Option<String>,
    /// Only this target.
    target: Option<String>,
    /// Not earlier than this time.
    from: Option<String>,
    /// Earlier than this time.
    to: Option<String>,
}

/// One leaf of the log.
#[derive(Serialize, JsonSchema)]
struct Item {
    /// The leaf as it is stored, byte for byte.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    leaf: Box<RawValue>,
    /// Its RFC 6962 hash: the `prev` of the next.
    hash: String,
    /// What it commits to, as far as it was not erased.
    values: BTreeMap<String, Opening>,
}

/// What opens a commitment.
#[derive(Serialize, JsonSchema)]
struct Opening {
    /// The value.
    value: String,
    /// The salt, hex.
    salt: String,
}

/// A page of the log.
#[derive(Serialize, JsonSchema)]
struct Page {
    /// The leaves.
    items: Vec<Item>,
    /// Give it as `after` to go on; none at the end. A page can be short, even empty, and still go on.
    next: Option<i64>,
}

impl Asked {
    fn matches(&self, leaf: &Leaf<'_>) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.action, &leaf.action) && is(&self.actor, &leaf.actor) && is(&self.target, &leaf.target)
    }
    const fn filters(&self) -> bool {
        self.action.is_some() || self.actor.is_some() || self.target.is_some()
    }
    fn limit(&self) -> Result<usize, Failure> {
        let Some(text) = &self.limit else { return Ok(PAGE.1) };
        let limit = text.parse().ok().filter(|n| (1..=PAGE.0).contains(n));
        limit.ok_or_else(|| Failure::field("limit", "range", "a number from 1 to 200"))
    }
    fn newest(&self) -> Result<bool, Failure> {
        match self.order.as_deref() {
            None | Some("oldest") => Ok(false),
            Some("newest") => Ok(true),
            Some(_) => Err(Failure::field("order", "choice", "oldest or newest")),
        }
    }
    fn after(&self) -> Result<Option<i64>, Failure> {
        let place = |text: &String| text.parse().ok().filter(|n: &i64| (0..i64::MAX).contains(n));
        match self.after.as_ref().map(place) {
            None => Ok(None),
            Some(Some(seq)) => Ok(Some(seq)),
            Some(None) => Err(Failure::field("after", "type", "the `next` of another page")),
        }
    }
    /// The places that `from`, `to` and `after` leave: first, and one past the last.
    async fn window(&self, tx: &Tx<Read>, newest: bool) -> Result<(i64, i64), Failure> {
        let (mut low, mut high) = (0, i64::MAX);
        let after = self.after()?;
        if let Some(from) = moment("from", self.from.as_deref())? {
            low = tx.maybe(&sql::SINCE, (from.0,)).await?.map_or(i64::MAX, |(seq,)| seq);
        }
        if let Some(to) = moment("to", self.to.as_deref())? {
            high = tx.maybe(&sql::SINCE, (to.0,)).await?.map_or(i64::MAX, |(seq,)| seq);
        }
        match after {
            Some(seq) if newest => high = high.min(seq),
            Some(seq) => low = low.max(seq + 1),
            None => {}
        }
        Ok((low, high))
    }
}

fn moment(field: &str, text: Option<&str>) -> Result<Option<Time>, Failure> {
    let wrong = || Failure::field(field, "type", "a time as in RFC 3339");
    text.map(|text| Time::parse(text).ok_or_else(wrong)).transpose()
}

fn damaged() -> Failure {
    Failure::internal("audit: a stored leaf is not a leaf; see the check")
}

async fn list(call: Asking<Asked>) -> Result<Page, Failure> {
    let Asking { tx, input } = call;
    let (limit, newest) = (input.limit()?, input.newest()?);
    let (mut low, mut high) = input.window(&tx, newest).await?;
    let (query, slice) =
        (if newest { &sql::BACKWARD } else { &sql::FORWARD }, if input.filters() { SLICE } else { limit });
    let (mut found, mut seen, mut end) = (Vec::new(), 0, low >= high);
    while !end && found.len() < limit && seen < SCAN {
        let stored = tx.all(query, (low, high, whole(slice))).await?;
        end = stored.len() < slice;
        for (seq, body, _) in stored {
            if found.len() == limit {
                end = false;
                break;
            }
            seen += 1;
            if newest {
                high = seq
            } else {
                low = seq + 1
            }
            if !input.filters() || input.matches(&serde_json::from_slice(&body).map_err(|_| damaged())?) {
                found.push((seq, body));
            }
        }
        end |= low >= high;
    }
    let next = (!end).then_some(if newest { high } else { low - 1 });
    Ok(Page { items: items(&tx, found).await?, next })
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Leaves with what they commit to.
async fn items(tx: &Tx<Read>, found: Vec<(i64, Vec<u8>)>) -> Result<Vec<Item>, Failure> {
    let places = found.iter().map(|(seq, _)| *seq);
    let (Some(first), Some(last)) = (places.clone().min(), places.max()) else { return Ok(Vec::new()) };
    let mut values: BTreeMap<i64, BTreeMap<String, Opening>> =
        found.iter().map(|(seq, _)| (*seq, BTreeMap::new())).collect();
    for (seq, field, salt, value) in tx.all(&sql::VALUES, (first, last)).await? {
        if let Some(of) = values.get_mut(&seq) {
            of.insert(field, Opening { value, salt: hex::encode(salt) });
        }
    }
    let item = |(seq, body): (i64, Vec<u8>)| {
        let hash = hex::encode(leaf_hash(&body));
        let text = String::from_utf8(body).map_err(|_| damaged())?;
        let leaf = RawValue::from_string(text).map_err(|_| damaged())?;
        Ok(Item { leaf, hash, values: values.remove(&seq).unwrap_or_default() })
    };
    found.into_iter().map(item).collect()
}

/// What a check of the whole log found.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Checked {
    /// Whether every link holds.
    pub(crate) intact: bool,
    /// Leaves in the log.
    pub(crate) size: u64,
    /// The oldest leaf that is kept: those before have served their time.
    pub(crate) first: u64,
    /// Hash of the last leaf that holds, hex.
    pub(crate) head: String,
    /// Place of the first link that does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) broken_at: Option<u64>,
    /// What does not hold there: `not_a_leaf`, `place`, `prev`, `changed`, `time`, `short`, `long`, `end`, `root`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<&'static str>,
}

pub(crate) async fn check(call: Asking<()>) -> Result<Checked, Failure> {
    let tx = call.tx;
    // The last leaf is asked for before the recorded end: a writer at work only moves the end further.
    let last = tx.maybe(&sql::BACKWARD, (0, i64::MAX, 1)).await?;
    let (size, hash, at) = end(tx.all(&sql::HEAD, ()).await?);
    let recorded = Head { size: size.unsigned_abs(), hash, at };
    let mut walk = Walk::begin(&tx).await?;
    let verdict = loop {
        let low = i64::try_from(walk.checker.head().size).unwrap_or(i64::MAX);
        let stored = tx.all(&sql::FORWARD, (low, size, whole(SLICE))).await?;
        if stored.is_empty() {
            break walk.checker.clone().finish(&recorded).map(drop);
        }
        if let Err(broken) = walk.on(stored) {
            break Err(broken);
        }
        tokio::task::yield_now().await;
    };
    let past = last.is_some_and(|(seq, ..)| seq >= size);
    let verdict = verdict.and(if past { Err(Broken { seq: recorded.size, why: Why::Long }) } else { Ok(()) });
    // The house signed more than is here: an old copy of the database was put in place.
    let short = recorded.size < walk.published.head.size;
    let verdict = verdict.and(if short { Err(Broken { seq: recorded.size, why: Why::Short }) } else { Ok(()) });
    Ok(Checked {
        intact: verdict.is_ok(),
        size: recorded.size,
        first: walk.floor,
        head: hex::encode(walk.checker.head().hash),
        broken_at: verdict.err().map(|broken| broken.seq),
        why: verdict.err().map(|broken| broken.why.word()),
    })
}

/// A walk along the stored log, from where it was pruned, past what was published.
struct Walk {
    checker: Checker,
    tree: Frontier,
    floor: u64,
    published: State,
}

impl Walk {
    async fn begin(tx: &Tx<Read>) -> Result<Self, Failure> {
        let reader = tx.reader();
        let published = State::load(&reader).await?;
        let floor = tx.maybe(&sql::FLOOR, ()).await?.map_or(0, |(floor,)| floor.unsigned_abs());
        let fresh =
            || Self { checker: Checker::default(), tree: Frontier::default(), floor: 0, published: published.clone() };
        if floor == 0 {
            return Ok(fresh());
        }
        // What was pruned is known by its hashes.
        let Some(mut nodes) = Nodes::full(&reader, &published) else { return Ok(fresh()) };
        let hash = nodes.range(floor - 1, floor).await?;
        let peaks = nodes.peaks(0, floor).await?;
        let tree = Frontier::new(floor, peaks).ok_or_else(damaged)?;
        Ok(Self { checker: Checker::from(Head { size: floor, hash, at: Time(i64::MIN) }), tree, floor, published })
    }

    fn on(&mut self, stored: Vec<Stored>) -> Result<(), Broken> {
        for (place, body, stored) in stored {
            let (seq, hash) = (self.checker.head().size, leaf_hash(&body));
            if place.unsigned_abs() != seq {
                return Err(Broken { seq, why: Why::Place { found: place.unsigned_abs() } });
            }
            if stored != hash {
                return Err(Broken { seq, why: Why::Changed });
            }
            self.checker.push_hashed(&body, hash)?;
            self.tree.push(hash);
            if self.tree.size() == self.published.head.size && self.tree.root() != self.published.root {
                return Err(Broken { seq, why: Why::Root });
            }
        }
        Ok(())
    }
}

/// The recorded end; the beginning when nothing was written yet.
fn end(rows: Vec<(i64, Vec<u8>, i64)>) -> (i64, [u8; 32], Time) {
    rows.into_iter()
        .next()
        .map_or((0, [0; 32], Time(0)), |(size, hash, at)| (size, hash.try_into().unwrap_or([0xff; 32]), Time(at)))
}

#[cfg(test)]
pub(crate) mod tests;
