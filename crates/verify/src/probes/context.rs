//! Two tenants at once on the same connections: whose data comes back?

use std::time::Duration;

use futures_util::future::join_all;
use manifest::Per;

use super::probe;
use crate::{
    act::{Made, records},
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    many::Many,
    plan::Probe,
    random,
    run::Scene,
    stage::{Person, Tenant},
    wire::Ask,
};

pub(super) const PROBES: &[Probe] = &[probe!("tenant.request_context", Alone, request_context)];

/// Requests wanted.
const WANTED: usize = 10_000;
/// Connections at a time, and people of each tenant.
const LANES: usize = 16;
const PEOPLE: usize = 5;
/// One reading request in so many fails on purpose.
const FAULTY: u32 = 97;

/// One side: a tenant, its people's tokens, a record with its marker.
struct Side<'t> {
    tenant: &'t Tenant,
    people: Vec<Person>,
    made: Made,
    marker: String,
}

impl<'t> Side<'t> {
    async fn new(scene: &Scene, tenant: &'t Tenant) -> Result<Self, Miss> {
        let (at, field) = scene.carrier()?;
        let marker = format!("mark-{}", random::hex(12));
        let made = scene.make(tenant, at, Some((field, &marker))).await?;
        let mut people = vec![tenant.owner()?.clone()];
        while people.len() < PEOPLE {
            people.push(scene.stage.person(tenant, tenant.owner()?.role).await?);
        }
        Ok(Self { tenant, people, made, marker })
    }
    async fn tokens(&self, scene: &Scene) -> Result<Vec<String>, Miss> {
        let mut out = Vec::new();
        for person in &self.people {
            out.push(scene.stage.token(self.tenant, person).await?);
        }
        Ok(out)
    }
    fn path(&self) -> String {
        format!("{}{}", self.tenant.prefix, self.made.path())
    }
}

/// What came back over one connection.
#[derive(Clone, Copy, Default)]
struct Tally {
    own: usize,
    foreign: usize,
    other: usize,
    spent: usize,
    gone: usize,
    panicked: usize,
    late: usize,
}

impl Tally {
    fn count(&mut self, status: u16, body: &[u8], mine: &str, theirs: &str) {
        let has = |marker: &str| crate::wire::find(body, marker.as_bytes()).is_some();
        match status {
            _ if has(theirs) => self.foreign += 1,
            200 if has(mine) => self.own += 1,
            429 => self.spent += 1,
            500 => self.panicked += 1,
            503 => self.late += 1,
            _ => self.other += 1,
        }
    }
    fn add(self, o: Self) -> Self {
        Self {
            own: self.own + o.own,
            foreign: self.foreign + o.foreign,
            other: self.other + o.other,
            spent: self.spent + o.spent,
            gone: self.gone + o.gone,
            panicked: self.panicked + o.panicked,
            late: self.late + o.late,
        }
    }
}

/// How many requests fit into one minute of every budget.
fn per_minute(scene: &Scene) -> usize {
    let minute = |per: Per, many: usize| {
        let rates = scene.app.limits.tiers.get("api").map(Vec::as_slice).unwrap_or_default();
        let fits = |r: &&manifest::Rate| r.per == per && r.window.0 > 0;
        rates
            .iter()
            .filter(fits)
            .map(|r| usize::try_from(i64::from(r.count) * 60_000 / r.window.0.max(60_000)).unwrap_or(0) * many)
            .min()
    };
    let bounds = [minute(Per::Account, PEOPLE * 2), minute(Per::Tenant, 2), minute(Per::Ip, LANES)];
    bounds.into_iter().flatten().min().unwrap_or(4_000).min(5_000) * 8 / 10
}

async fn request_context(scene: &Scene) -> Outcome {
    let sides = [Side::new(scene, &scene.a).await?, Side::new(scene, &scene.b).await?];
    let round = per_minute(scene);
    let mut total = Tally::default();
    let mut multiplexed = 0;
    let (mut without, mut late) = (None, 0);
    while total.own < WANTED {
        let before = total.own;
        let [a, b] = &sides;
        let tokens = [a.tokens(scene).await?, b.tokens(scene).await?];
        // The second round has handlers that panic and that run out of time in their middle; the first has none.
        scene.stage.instance.faults(if without.is_some() { FAULTY } else { 0 }).await?;
        // Half over kept HTTP/1.1 connections, half over multiplexed ones; each lane asks for both tenants in turn.
        let lanes = (0..LANES).map(|lane| kept(scene, &sides, &tokens, lane, round / 2 / LANES));
        for tally in join_all(lanes).await {
            total = total.add(tally?);
        }
        let lanes = (0..4).map(|lane| multiplex(scene, &sides, &tokens, lane, round / 2 / 4));
        for tally in join_all(lanes).await {
            let tally = tally?;
            multiplexed += tally.own;
            total = total.add(tally);
        }
        if total.foreign > 0 {
            return broken(
                format!("{} interleaved requests of two tenants", total.own),
                "0 foreign markers",
                format!("{}", total.foreign),
            );
        }
        if without.is_none() && total.panicked > 0 {
            return broken("reading one's own record in between", "200", format!("500, {} times", total.panicked));
        }
        let unasked = *without.get_or_insert(total.late);
        late = total.late - unasked;
        if total.other > 0 {
            return broken(
                "reading one's own record in between",
                "200 with one's own marker",
                format!("{} other answers", total.other),
            );
        }
        if total.own == before {
            return unclear("every request was refused by a limit");
        }
        scene.stage.advance(61_000).await?;
    }
    scene.stage.instance.faults(0).await?;
    if total.panicked == 0 || late == 0 {
        return unclear(format!("{} handlers panicked, {late} ran out of time", total.panicked));
    }
    let written = writes(scene, &sides).await?;
    Ok(Evidence::new()
        .count("interleaved requests", total.own)
        .count("of them multiplexed", multiplexed)
        .count("cut off in between", total.gone)
        .count("handlers that panicked", total.panicked)
        .count("out of time", late)
        .count("records written in between", written)
        .count("foreign markers", 0))
}

async fn kept(
    scene: &Scene,
    sides: &[Side<'_>; 2],
    tokens: &[Vec<String>; 2],
    lane: usize,
    n: usize,
) -> Result<Tally, Miss> {
    let [a, b] = sides;
    let client = scene.stage.client(&a.tenant.host, "");
    let mut tally = Tally::default();
    for i in 0..n {
        let (mine, theirs, tokens) =
            if (i + lane).is_multiple_of(2) { (a, b, tokens.first()) } else { (b, a, tokens.get(1)) };
        let token = tokens.and_then(|t| t.get((i / 2) % t.len().max(1))).map_or("", String::as_str);
        if i % 50 == 49 {
            // Asks, and goes away before the answer.
            let mut link = client.link().await?;
            link.send(
                format!(
                    "GET {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
                    mine.path(),
                    mine.tenant.host
                )
                .as_bytes(),
            )
            .await?;
            tally.gone += 1;
            continue;
        }
        let ask = Ask::get(mine.path()).host(mine.tenant.host.clone()).bearer(token);
        let answer = client.at_root(ask).await?;
        tally.count(answer.status, &answer.body, &mine.marker, &theirs.marker);
    }
    Ok(tally)
}

async fn multiplex(
    scene: &Scene,
    sides: &[Side<'_>; 2],
    tokens: &[Vec<String>; 2],
    lane: usize,
    n: usize,
) -> Result<Tally, Miss> {
    let [a, b] = sides;
    let connection = Many::open(&scene.stage.instance, scene.stage.source(), &a.tenant.host).await?;
    let mut tally = Tally::default();
    let mut left = n;
    while left > 0 {
        let now = left.min(50);
        left -= now;
        let asks = (0..now).map(|i| {
            let (mine, theirs, tokens) =
                if (i + lane).is_multiple_of(2) { (a, b, tokens.first()) } else { (b, a, tokens.get(1)) };
            let token = tokens.and_then(|t| t.get((i / 2 + lane) % t.len().max(1))).cloned().unwrap_or_default();
            let connection = connection.clone();
            async move {
                let path = mine.path();
                let asked = connection.get(&mine.tenant.host, &path, &token);
                // Some are cancelled on the way; what they leave behind must not reach the next.
                if i % 25 == 24 {
                    let cut = tokio::time::timeout(Duration::from_micros(300), asked).await;
                    return (cut.ok(), mine, theirs);
                }
                (Some(asked.await), mine, theirs)
            }
        });
        for (answer, mine, theirs) in join_all(asks).await {
            match answer {
                None => tally.gone += 1,
                Some(answer) => {
                    let (status, body) = answer?;
                    tally.count(status, &body, &mine.marker, &theirs.marker);
                }
            }
        }
    }
    Ok(tally)
}

/// Both write at the same time; each finds its own and none of the other's.
async fn writes(scene: &Scene, sides: &[Side<'_>; 2]) -> Result<usize, Miss> {
    let (at, field) = scene.carrier()?;
    let mut asks = Vec::new();
    for n in 0..40 {
        let Some(side) = sides.get(n % 2) else { continue };
        let links =
            crate::pick::Links { member: side.tenant.owner()?.user.clone(), ..scene.links(side.tenant, at).await? };
        let marker = format!("{}-w{n}", side.marker);
        asks.push(async move {
            scene.insert(side.tenant, side.tenant.owner()?, at, &links, &[], Some((field, &marker))).await
        });
    }
    let made = join_all(asks).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let [a, b] = sides;
    for (mine, theirs) in [(a, b), (b, a)] {
        let list = scene
            .read(mine.tenant, mine.tenant.owner()?, &format!("{}?limit=200", records(mine.made.collection)))
            .await?
            .decided()?
            .page();
        let (own, foreign) = (list.matches(&mine.marker).count(), list.matches(&theirs.marker).count());
        if foreign > 0 || own < 20 {
            return broken(
                "listing after 40 interleaved writes",
                "20 own records or more, 0 foreign",
                format!("{own} and {foreign}"),
            );
        }
    }
    Ok(made.len())
}
