//! Where a request says it comes from and goes to: request ids, hosts, origins.

use std::collections::BTreeSet;

use serde_json::json;

use super::probe;
use crate::{
    act::records,
    evidence::{Evidence, Miss, Outcome, broken},
    plan::Probe,
    random,
    run::Scene,
    stage::Door,
    wire::{Answer, Ask},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("obs.request_id", Together, request_id),
    probe!("tenant.resolve", Together, resolve),
    probe!("edge.csrf", Together, csrf),
];

fn id_of(did: &str, answer: &Answer) -> Result<String, Miss> {
    let mut all = answer.all("x-request-id");
    match (all.next(), all.next()) {
        (Some(id), None) if id.len() >= 16 => Ok(id.to_owned()),
        (first, second) => broken(
            did,
            "one x-request-id",
            format!("{} of them", usize::from(first.is_some()) + usize::from(second.is_some())),
        ),
    }
}

async fn request_id(scene: &Scene) -> Outcome {
    let mut seen = BTreeSet::new();
    let mut total = 0;
    let hostile = [
        "00000000-0000-0000-0000-000000000000".to_owned(),
        "x\" onload=1".to_owned(),
        "a".repeat(4000),
        "../../etc".to_owned(),
    ];
    for inbound in &hostile {
        let ask = Ask::get("/healthz").header("x-request-id", inbound).header("x-request-id", "second");
        let answer = scene.stage.at(&scene.a).at_root(ask).await?;
        let id = id_of("GET /healthz with an x-request-id of the client's", &answer)?;
        if id == *inbound || id == "second" || answer.page().contains(inbound.as_str()) {
            return broken("GET /healthz with an x-request-id of the client's", "another id", "the client's");
        }
        total += 1;
        seen.insert(id);
    }
    // Answers of every kind, over kept connections, from many addresses.
    let paths = ["/healthz", "/no/such/path", "/api/v1/audit", "/", "/healthz?a=1&a=2"];
    let rounds = (0..8).map(|_| async {
        let mut ids = Vec::new();
        for _ in 0..5 {
            let client = scene.stage.at(&scene.a);
            for n in 0..50 {
                let path = paths.get(n % paths.len()).copied().unwrap_or("/");
                ids.push(id_of(path, &client.at_root(Ask::get(path)).await?)?);
            }
        }
        Ok::<_, Miss>(ids)
    });
    for ids in futures_util::future::join_all(rounds).await {
        for id in ids? {
            total += 1;
            if !seen.insert(id) {
                return broken("answers of every kind", "a new id on each", "one seen twice");
            }
        }
    }
    // The same id stands in the log and in the audit row.
    let (at, field) = scene.carrier()?;
    let owner = scene.a.owner()?;
    let links = scene.links(&scene.a, at).await?;
    let mut body = scene.body(at, &links, &[])?;
    body.insert(field.to_owned(), "request id".into());
    let (_, made) = scene.try_insert(&scene.a, owner, at, body).await?;
    let id = id_of("creating a record", &made.decided()?.step("create")?)?;
    let leaves = scene.leaves(&scene.a).await?;
    let audited = leaves.iter().filter(|l| l.get("req_id").and_then(|v| v.as_str()) == Some(&id)).count();
    if audited != 1 {
        return broken("creating a record", "its request id in one audit row", format!("{audited} rows"));
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let logged = scene.stage.instance.logs().0.lines().filter(|l| l.contains(&id)).count();
    if logged == 0 {
        return broken("creating a record", "its request id in the log", "no such line");
    }
    Ok(Evidence::new()
        .count("answers", total)
        .count("distinct ids", seen.len())
        .count("hostile ids replaced", hostile.len())
        .count("audit row and log line with the same id", 1))
}

/// What must be equal between two refusals: everything but ids, nonces, dates and sizes of other things.
pub(super) fn shape(answer: &Answer) -> (u16, Vec<u8>) {
    (answer.status, answer.body.clone())
}

async fn resolve(scene: &Scene) -> Outcome {
    let (a, b) = (&scene.a, &scene.b);
    let unknown = scene.stage.on(&format!("nobody-{}.{}", random::hex(4), scene.app.domain));
    let client = scene.stage.client(&a.host, "");
    let mut tries = 0;
    let mut same: Option<(u16, Vec<u8>)> = None;
    for path in [
        "/",
        "/healthz",
        "/sign-in",
        "/console",
        "/trust",
        "/api/v1/openapi.json",
        "/api/v1/audit",
        "/.well-known/security.txt",
        "/no/such/path",
    ] {
        for host in [unknown.as_str(), "nobody.invalid", "127.0.0.1", "[::1]", "localhost"] {
            let answer = client.at_root(Ask::get(path).host(host)).await?;
            tries += 1;
            if answer.status != 421 {
                return broken(format!("GET {path} of an unknown host"), "421", format!("{}", answer.status));
            }
            if same.get_or_insert_with(|| shape(&answer)) != &shape(&answer) {
                return broken(
                    format!("GET {path} of an unknown host"),
                    "the same bytes as on any path",
                    "other bytes",
                );
            }
        }
    }
    // Whose tenant answered? A record of A's, asked for with A's token, while the headers name B.
    let (at, field) = scene.carrier()?;
    let made = scene.make(a, at, Some((field, "resolve"))).await?;
    let token = scene.stage.token(a, a.owner()?).await?;
    let home = scene.stage.at(a);
    for name in [
        "x-forwarded-host",
        "forwarded",
        "x-host",
        "x-original-host",
        "x-forwarded-server",
        "x-http-host-override",
        "x-original-url",
        "x-rewrite-url",
    ] {
        let value = if name == "forwarded" { format!("host={}", b.host) } else { b.host.clone() };
        let answer = home.send(Ask::get(made.path()).bearer(&token).header(name, &value)).await?;
        tries += 1;
        if !answer.good() && answer.status != 400 {
            return broken(
                format!("GET of A's record at A's host with {name} naming B"),
                "A's record (or 400)",
                format!("{}", answer.status),
            );
        }
    }
    // Two hosts at once, or one that the authority contradicts, are refused or go to the authority's; never to both.
    let twice = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nhost: {}\r\n\r\n", a.host, b.host);
    let answer = client.raw(twice.as_bytes(), false).await?;
    if answer.status != 400 {
        return broken("GET with two Host headers", "400", format!("{}", answer.status));
    }
    if a.host != b.host {
        let path = made.path();
        let text = format!(
            "GET https://{}{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
            b.host, a.host
        );
        let answer = scene.stage.client(&a.host, "").raw(text.as_bytes(), false).await?;
        if answer.good() {
            return broken(
                "GET of B's absolute address with A's Host and token",
                "B's answer to a stranger, or 400",
                format!("{}", answer.status),
            );
        }
        let stranger = scene.stage.at(b).send(Ask::get(made.path()).bearer(&token)).await?;
        if stranger.good() {
            return broken("A's token at B's host", "a stranger's answer", format!("{}", stranger.status));
        }
        tries += 2;
    }
    Ok(Evidence::new()
        .count("unknown hosts and paths answered 421 with the same bytes", tries)
        .count("headers that moved a request to another tenant", 0))
}

async fn csrf(scene: &Scene) -> Outcome {
    if scene.stage.door() == Door::Delegated {
        return bearer_only(scene).await;
    }
    let (a, b) = (&scene.a, &scene.b);
    let (at, field) = scene.carrier()?;
    let links = scene.links(a, at).await?;
    let made = scene.make(a, at, Some((field, "csrf"))).await?;
    let token = scene.stage.token(a, a.owner()?).await?;
    let client = scene.stage.at(a);
    let own = origin_of(&a.host);
    let sibling = if a.host == b.host { format!("https://nobody.{}", scene.app.domain) } else { origin_of(&b.host) };
    let foreign: Vec<Vec<(&str, String)>> = vec![
        vec![("origin", "https://evil.example".into())],
        vec![("origin", sibling), ("sec-fetch-site", "same-site".into())],
        vec![("origin", "null".into())],
        vec![],
        vec![("origin", own.clone()), ("sec-fetch-site", "cross-site".into())],
        vec![("origin", format!("{own}.evil.example"))],
    ];
    let mut refused = 0;
    let doors =
        [("POST", records(made.collection)), ("PATCH", made.path()), ("DELETE", made.path()), ("PUT", made.path())];
    for headers in &foreign {
        for (method, path) in &doors {
            let body = if *method == "POST" { json!(scene.body(at, &links, &[])?) } else { json!({field: "changed"}) };
            let mut ask = Ask::new(method, path.clone()).json(&body).cookie(&token);
            for (name, value) in headers {
                ask = ask.header(name, value);
            }
            let answer = client.send(ask).await?.decided()?;
            // A method that the path does not have at all is refused before anything else.
            if answer.status != 403 && !(answer.status == 405 && *method == "PUT") {
                let from = headers.first().map_or("no origin", |_| "a foreign origin");
                return broken(
                    format!("{method} with a session cookie and {from}"),
                    "403",
                    format!("{}", answer.status),
                );
            }
            refused += 1;
        }
    }
    let still = scene.read(a, a.owner()?, &made.path()).await?;
    if !still.page().contains("csrf") {
        return broken("forged requests", "the record unchanged", "it changed");
    }
    let good = Ask::post(records(made.collection), &json!(scene.body(at, &links, &[])?))
        .cookie(&token)
        .header("origin", &own)
        .header("sec-fetch-site", "same-origin");
    let answer = client.send(good).await?.decided()?;
    if !answer.good() {
        return broken("POST with a session cookie from the own origin", "201", format!("{}", answer.status));
    }
    Ok(Evidence::new()
        .count("forged cookie requests refused with 403", refused)
        .count("same-origin passed", 1)
        .and(bearer_only(scene).await?))
}

/// Browsers leave out the default port and keep every other.
fn origin_of(host: &str) -> String {
    format!("https://{host}")
}

/// Without a cookie there is no ambient authority; still, a page of somebody else's is refused.
async fn bearer_only(scene: &Scene) -> Outcome {
    let a = &scene.a;
    let (at, _) = scene.carrier()?;
    let links = scene.links(a, at).await?;
    let token = scene.stage.token(a, a.owner()?).await?;
    let collection = scene.app.collections.get(at).map_or("", |c| c.id);
    let post = |body| Ask::post(records(collection), &json!(body)).bearer(&token);
    let foreign = post(scene.body(at, &links, &[])?).header("origin", "https://evil.example");
    let answer = scene.stage.at(a).send(foreign).await?.decided()?;
    if answer.status != 403 {
        return broken("POST with a bearer token and a foreign Origin", "403", format!("{}", answer.status));
    }
    let answer = scene.stage.at(a).send(post(scene.body(at, &links, &[])?)).await?.decided()?;
    if !answer.good() {
        return broken("POST with a bearer token and no Origin", "201", format!("{}", answer.status));
    }
    Ok(Evidence::new().count("bearer request with a foreign origin refused", 1))
}
