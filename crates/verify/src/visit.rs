//! What a visitor can test of somebody's service from their own machine: it is asked for its promises and for two canary
//! tenants, and nothing it says about itself is believed. The manifest is not public, so what needs it stays unproven here.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use kernel::Time;
use manifest::{App, CheckKind, Method, Page, PageClaim, page::Segment};
use serde_json::Value;

use crate::{
    checked::Checked,
    evidence::{Miss, Outcome},
    instance::{Instance, Setup},
    live::Live,
    plan::{self, Probe, Room, Selection},
    report::Report,
    run::{Scene, elapsed, judge, on},
    sink::{Mail, Sink},
    stage::{Stage, Tenant},
    walls,
    wire::{Ask, Client, Net},
};

/// Probes beside each other: it is somebody else's server.
const BESIDE: usize = 2;
/// The walls as a visitor can try them.
const WALLS: Probe = Probe { check: "tenant.cross_read", room: Room::Together, run: |scene| Box::pin(walls(scene)) };

/// Tests a service from outside, with its own words as the page.
///
/// # Errors
/// Words for the terminal: the address is none, nobody answers, or there is nothing of that name.
pub async fn visit(url: &str, only: Option<String>, now: Time) -> Result<Report, String> {
    let started = Instant::now();
    let live = reached(url).await?;
    let (_, host, port) = live.parts()?;
    let host = port.map_or(host.clone(), |port| format!("{host}:{port}"));
    let tls = live.trust().map_err(|e| format!("this machine's certificates: {e}"))?;
    let net = Net { address: live.address, tls, clear: !live.secure() };
    let door = Client::new(net, host, String::new(), Ipv4Addr::UNSPECIFIED);
    let told = asked(&door, Ask::get("/trust.json")).await?;
    let claims = claims(&told);
    let selection = Selection(only);
    let claims: Vec<PageClaim> = claims.into_iter().filter(|c| selection.wants(c)).collect();
    if claims.is_empty() {
        return Err(format!("{url} makes no such promise"));
    }
    let mut app = stand_in(&told)?;
    let named = |check: &str| claims.iter().any(|c| c.checks.contains(&check));
    let mut probes: Vec<&'static Probe> = plan::anon(live.secure()).filter(|p| named(p.check)).collect();
    let lent = match named(WALLS.check) {
        true => lent(&door).await,
        false => Err("nothing on the page needs canaries".to_owned()),
    };
    app.auth.methods = ways(lent.as_ref().ok());
    let stage = stage(app, &live, door, lent.as_ref().ok(), now)?;
    let pair = lent.as_ref().ok().and_then(|told| pair(&stage, told));
    probes.extend(pair.is_some().then_some(&WALLS));
    let nobody = || stage.nobody(stage.apex());
    let (a, b) = pair.unwrap_or_else(|| (nobody(), nobody()));
    let page = Arc::new(Page { claims: claims.clone(), ..Page::default() });
    let scene = Ok(Scene { app: Arc::clone(&stage.app), stage: Arc::clone(&stage), a, b, page: Arc::clone(&page) });
    let mut checked: Vec<Checked> = on(&scene, &stage, &page, &probes, BESIDE).await;
    checked.extend(unlooked(&claims, &probes, lent.err().as_deref()));
    let at = now.plus(elapsed(started));
    let judged = claims.into_iter().map(|claim| judge(claim, &checked, at)).collect();
    Ok(Report {
        app: stage.app.name.clone(),
        on: "from outside, as a visitor".to_owned(),
        judged,
        took: started.elapsed(),
    })
}

/// Where the service listens.
async fn reached(url: &str) -> Result<Live, String> {
    let mut live = Live {
        socket: PathBuf::new(),
        address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        url: url.trim_end_matches('/').to_owned(),
        certificate: None,
    };
    let (scheme, host, port) = live.parts()?;
    // Browsers take every `*.localhost` for this machine, resolvers do not.
    let local = host == "localhost" || host.ends_with(".localhost");
    let name = if local { "127.0.0.1" } else { host.as_str() };
    let port = port.unwrap_or(if scheme == "https" { 443 } else { 80 });
    let found = tokio::net::lookup_host((name, port)).await.map_err(|e| format!("{host}: {e}"))?;
    let found: Vec<SocketAddr> = found.collect();
    let first = found.iter().find(|a| a.is_ipv4()).or(found.first());
    live.address = *first.ok_or_else(|| format!("{host} has no address"))?;
    if scheme == "http" && !live.address.ip().is_loopback() {
        return Err("http:// is for a development server on this machine; a service has https://".to_owned());
    }
    Ok(live)
}

async fn asked(door: &Client, ask: Ask) -> Result<Value, String> {
    let said = ask.said();
    let answer = door.at_root(ask).await.map_err(|miss| match miss {
        Miss::Unclear(why) => why,
        _ => format!("{said}: no answer"),
    })?;
    if !answer.good() {
        return Err(format!("{said}: {}", answer.status));
    }
    Ok(answer.json())
}

/// The promises of `/trust.json`. Those that name no check we know are left out.
fn claims(told: &Value) -> Vec<PageClaim> {
    let list = told.get("promises").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().take(2000).filter_map(claim).collect()
}

fn claim(told: &Value) -> Option<PageClaim> {
    let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).map(str::to_owned);
    // What strangers wrote goes to a terminal: no control characters.
    let clean = |text: String| text.chars().filter(|c| !c.is_control()).take(2000).collect::<String>();
    let id = |check: &Value| check.as_str().map(str::to_owned).or_else(|| text(check, "id"));
    let checks: Vec<&'static str> =
        told.get("checks")?.as_array()?.iter().filter_map(|c| Some(manifest::check(&id(c)?)?.id)).collect();
    let kind = text(told, "kind").and_then(|kind| CheckKind::parse(&kind));
    let kind = kind.or_else(|| checks.first().map(|c| plan::kind(c)))?;
    Some(PageClaim {
        id: clean(text(told, "id")?),
        checks,
        kind,
        max_age: None,
        words: vec![Segment::Text(clean(text(told, "words").unwrap_or_default()))],
        section: clean(text(told, "section").unwrap_or_default()),
        line: 0,
    })
}

/// An app that stands in for one whose manifest we do not know.
fn stand_in(told: &Value) -> Result<App, String> {
    let words = || "the stand-in cannot be read".to_owned();
    let (text, _) = manifest::new_app("Service").ok_or_else(words)?;
    let mut app = manifest::read(&text, "app.toml").map_err(|_| words())?;
    if let Some(name) = told.pointer("/app/name").and_then(Value::as_str) {
        app.name = name.chars().filter(|c| !c.is_control()).take(120).collect();
    }
    Ok(app)
}

/// Two canaries, if the service lends them.
async fn lent(door: &Client) -> Result<Value, String> {
    asked(door, Ask::new("POST", "/api/v1/canary")).await.map_err(|why| format!("no canaries: {why}"))
}

/// How the lent people sign in: with passwords, if they were given any.
fn ways(lent: Option<&Value>) -> Vec<Method> {
    let password = lent.and_then(|told| told.pointer("/tenants/0/people/0/password")).is_some_and(Value::is_string);
    vec![if password { Method::Password } else { Method::MagicLink }]
}

fn stage(app: App, live: &Live, door: Client, lent: Option<&Value>, now: Time) -> Result<Arc<Stage>, String> {
    let app = Arc::new(app);
    let setup = Setup {
        binary: PathBuf::new(),
        folder: PathBuf::new(),
        app: Arc::clone(&app),
        database: None,
        variables: Arc::default(),
    };
    let mut instance = Instance::attach(&setup, live)?;
    if let Some(path) = lent.and_then(|told| told.get("mail")).and_then(Value::as_str).map(str::to_owned) {
        let door = Arc::new(door);
        instance.mail = Sink::poll(move || {
            let (door, path) = (Arc::clone(&door), path.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(800)).await;
                let told = asked(&door, Ask::get(path)).await.ok()?;
                told.get("mails")?.as_array().map(|list| list.iter().filter_map(Mail::told).collect())
            }
        });
    }
    Ok(Arc::new(Stage::new(app, instance, now).abroad()))
}

fn pair(stage: &Stage, told: &Value) -> Option<(Tenant, Tenant)> {
    let tenants: Vec<Tenant> =
        told.get("tenants")?.as_array()?.iter().filter_map(|tenant| stage.lent(tenant)).collect();
    <[Tenant; 2]>::try_from(tenants).ok().map(|[a, b]| (a, b))
}

/// Checks that a visitor cannot look at.
fn unlooked(claims: &[PageClaim], probes: &[&'static Probe], why: Option<&str>) -> Vec<Checked> {
    let named: BTreeSet<&'static str> = claims.iter().flat_map(|c| c.checks.iter().copied()).collect();
    let left = named.into_iter().filter(|check| !probes.iter().any(|p| p.check == *check));
    left.map(|check| {
        let note = match (check == WALLS.check, why) {
            (true, Some(why)) => why.to_owned(),
            _ => "a visitor cannot test this".to_owned(),
        };
        match plan::kind(check) {
            CheckKind::Attested => crate::run::unprobed(check),
            _ => Checked { note, ..crate::run::unprobed(check) },
        }
    })
    .collect()
}

/// A tenant's wall, tried with the service's own list of doors: see [`crate::walls`].
async fn walls(scene: &Scene) -> Outcome {
    walls::tried(scene).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn promises_are_read_and_strangers_words_are_tamed() {
        let told = json!({"app": {"name": "A\u{1b}[31mcme"}, "promises": [
            {"id": "A-1", "kind": "probed", "section": "Walls", "words": "Ask and\u{7} get nothing.", "checks": [{"id": "tenant.cross_read"}, {"id": "no.such"}]},
            {"id": "A-2", "checks": ["gov.page_review"]},
            {"id": "A-3", "checks": []},
        ]});
        let claims = claims(&told);
        assert_eq!(claims.len(), 2);
        assert_eq!(
            (claims[0].checks.as_slice(), claims[0].text(&|_| None)),
            (&["tenant.cross_read"][..], "Ask and get nothing.".to_owned())
        );
        assert_eq!(claims[1].kind, CheckKind::Attested);
        assert_eq!(stand_in(&told).unwrap().name, "A[31mcme");
        let left = unlooked(&claims, &[&WALLS], None);
        assert_eq!(left.len(), 1);
    }

    #[tokio::test]
    async fn plain_http_is_for_this_machine() {
        assert_eq!(reached("http://localhost:9").await.unwrap().address, "127.0.0.1:9".parse().unwrap());
        assert!(reached("http://192.0.2.1").await.is_err());
        assert!(reached("ftp://localhost").await.is_err());
    }
}
