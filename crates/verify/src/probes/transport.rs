//! TLS, plain HTTP, and caps on connections.

use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    plain_with, probe,
    side::{Side, Wish, edited},
};
use crate::{
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    hello::{self, Said},
    plan::Probe,
    random,
    run::Scene,
    wire::Ask,
};

pub(super) const PROBES: &[Probe] = &[
    probe!("edge.tls", Together, tls),
    probe!("edge.https_redirect", Together, https_redirect),
    probe!("edge.flood_caps", Together, flood_caps),
];

fn name(host: &str) -> &str {
    host.split(':').next().unwrap_or(host)
}

async fn greet(scene: &Scene, host: &str, version: u16, suites: &[u16]) -> Result<Said, Miss> {
    let net = &scene.stage.instance.net;
    let mut stream = net.plain(scene.stage.source(), net.address).await?;
    stream.write_all(&hello::client_hello(name(host), version, suites, random::bytes())).await?;
    let mut answer = vec![0; 4096];
    let n = match tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer)).await {
        Ok(read) => read.unwrap_or(0),
        Err(_) => return unclear("no answer to a TLS greeting in 5 s"),
    };
    Ok(hello::said(answer.get(..n).unwrap_or_default()))
}

async fn tls(scene: &Scene) -> Outcome {
    let hosts = scene.stage.hosts(&scene.a);
    let everything: Vec<u16> =
        hello::STRONG.into_iter().chain(hello::WEAK.iter().flat_map(|(_, s)| s.iter().copied())).collect();
    let floor: u16 = if scene.app.edge.tls_min == "1.3" { 0x0304 } else { 0x0303 };
    for host in &hosts {
        for (version, words) in [(0x0300, "SSL 3.0"), (0x0301, "TLS 1.0"), (0x0302, "TLS 1.1")] {
            if let Said::Hello(got) = greet(scene, host, version, &everything).await? {
                return broken(
                    format!("greeting with {words}"),
                    "an alert or a closed connection",
                    format!("a ServerHello of version {got:#06x}"),
                );
            }
        }
        let plain = greet(scene, host, 0x0303, &hello::STRONG).await?;
        match (floor, plain) {
            (0x0303, Said::Hello(0x0303)) | (0x0304, Said::Alert(_) | Said::Nothing) => {}
            (_, other) => {
                return broken(
                    "greeting with TLS 1.2 and strong suites",
                    "what the manifest's floor says",
                    format!("{other:?}"),
                );
            }
        }
        for (what, suites) in hello::WEAK {
            for suite in suites {
                if let Said::Hello(_) = greet(scene, host, 0x0303, &[*suite]).await? {
                    return broken(format!("offering {what} alone ({suite:#06x})"), "an alert", "a ServerHello");
                }
            }
        }
        let net = &scene.stage.instance.net;
        let both = net.secure(scene.stage.source(), host, net.tls.clone()).await?;
        if both.get_ref().1.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
            return broken("a handshake offering 1.2 and 1.3", "1.3", "1.2");
        }
        let config = scene.stage.instance.authority.client(&[&TLS12], &["http/1.1"])?;
        let old = net.secure(scene.stage.source(), host, config).await;
        if old.is_ok() != (floor == 0x0303) {
            return broken(
                "a whole handshake with 1.2",
                "what the manifest's floor says",
                if old.is_ok() { "accepted" } else { "refused" },
            );
        }
        let config = scene.stage.instance.authority.client(&[&TLS13], &["http/1.1"])?;
        if net.secure(scene.stage.source(), host, config).await.is_err() {
            return broken("a handshake with 1.3", "accepted", "refused");
        }
    }
    let weak: usize = hello::WEAK.iter().map(|(_, s)| s.len()).sum();
    Ok(Evidence::new()
        .count("host classes", hosts.len())
        .count("old versions refused", 3)
        .count("weak suites refused", weak)
        .word("offered both, got", "1.3"))
}

async fn https_redirect(scene: &Scene) -> Outcome {
    let mut hosts = 0;
    for host in scene.stage.hosts(&scene.a) {
        let path = "/trust?x=1";
        let Some(answer) =
            plain_with(scene, &host, &format!("GET {path} HTTP/1.1"), "accept: text/html\r\ncookie: a=b\r\n").await?
        else {
            return Err(Miss::Unbuilt("the instance has no plain listener"));
        };
        let to = answer.header("location").unwrap_or_default();
        let good = (answer.status == 301 || answer.status == 308)
            && to.starts_with(&format!("https://{}", name(&host)))
            && to.ends_with(path);
        if !good || !answer.body.is_empty() || answer.header("set-cookie").is_some() {
            let saw =
                format!("{}, {} bytes, {} cookies", answer.status, answer.body.len(), answer.all("set-cookie").count());
            return broken(
                "GET of a page over http",
                "301 or 308 to the same host and path over https, no body, no cookie",
                saw,
            );
        }
        hosts += 1;
        let quiet = scene.stage.lone_canary().await?;
        let token = scene.stage.token(&quiet, quiet.owner()?).await?;
        let before = scene.leaves(&quiet).await?.len();
        for (line, body) in [
            ("POST /api/v1/auth/sign-in HTTP/1.1", "{}"),
            ("GET /api/v1/audit HTTP/1.1", ""),
            ("POST /sign-in HTTP/1.1", "{}"),
        ] {
            let headers = format!(
                "authorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            );
            let Some(answer) = plain_with(scene, &host, line, &headers).await? else { continue };
            if answer.status < 400 || answer.header("set-cookie").is_some() {
                return broken(format!("{line} over plain http"), "refused", format!("{}", answer.status));
            }
        }
        let after = scene.leaves(&quiet).await?.len();
        if after != before {
            return broken("calls over plain http", "nothing run", format!("{} more leaves", after - before));
        }
    }
    let Some(answer) = plain_with(scene, "nobody.invalid", "GET / HTTP/1.1", "accept: text/html\r\n").await? else {
        return Err(Miss::Unbuilt("the instance has no plain listener"));
    };
    if answer.header("location").is_some() {
        return broken("GET of an unknown host over http", "no redirect", "one: an open redirect");
    }
    Ok(Evidence::new()
        .count("host classes redirected to the same path", hosts)
        .count("calls refused unrun", hosts * 3)
        .count("cookies", 0))
}

/// Whether the other side has closed.
async fn ended(stream: &mut tokio::net::TcpStream) -> bool {
    let mut byte = [0];
    matches!(tokio::time::timeout(Duration::from_millis(10), stream.read(&mut byte)).await, Ok(Ok(0) | Err(_)))
}

/// Bodies that stall, and bodies that trickle, on a server of the same app with shorter times: how long each was suffered.
async fn slow_bodies(scene: &Scene) -> Result<(Duration, Duration), Miss> {
    let folder = edited(scene, |app, page| {
        let short = |line: &str| {
            let Some(rest) = line.trim_start().strip_prefix("flood").filter(|r| r.trim_start().starts_with("= {"))
            else {
                return line.to_owned();
            };
            let kept = rest.split_once('{').map_or("", |(_, r)| r).split('}').next().unwrap_or_default();
            let kept: Vec<&str> =
                kept.split(',').filter(|p| !p.contains("body_idle") && !p.contains("total")).collect();
            format!("flood = {{ {}, body_idle = \"2 s\", total = \"5 s\" }}", kept.join(",").trim())
        };
        (app.lines().map(short).collect::<Vec<_>>().join("\n"), page)
    })?;
    let side = Side::up(scene, &Wish { folder: Some(&folder), ..Wish::default() }).await?;
    let client = side.client(scene, &scene.app.domain);
    let head = format!(
        "POST /csp-report HTTP/1.1\r\nhost: {}\r\ncontent-type: application/csp-report\r\ncontent-length: 900\r\n\r\n{{",
        client.host
    );
    let cut = async |every: Duration, limit: Duration, what: &str| {
        let mut link = client.link().await?;
        let began = Instant::now();
        link.send(head.as_bytes()).await?;
        while began.elapsed() < limit {
            if link.closed_within(every).await || link.send(b" ").await.is_err() {
                return Ok(began.elapsed());
            }
        }
        broken(what, "cut off at its deadline", format!("still taken after {} s", limit.as_secs()))
    };
    let stalled = async {
        let mut link = client.link().await?;
        let began = Instant::now();
        link.send(head.as_bytes()).await?;
        match tokio::time::timeout(Duration::from_secs(6), link.answer(false)).await {
            Ok(Ok(answer)) if answer.status != 408 => broken("a body that stalls", "408", format!("{}", answer.status)),
            Ok(_) => Ok(began.elapsed()),
            Err(_) => broken("a body that stalls for 6 s where 2 s are allowed", "408 or closed", "still open"),
        }
    };
    let (idle, total) =
        tokio::join!(stalled, cut(Duration::from_millis(700), Duration::from_secs(9), "a body sent byte by byte"));
    Ok((idle?, total?))
}

async fn flood_caps(scene: &Scene) -> Outcome {
    let flood = scene.app.edge.flood;
    let net = &scene.stage.instance.net;
    let host = &scene.a.host;
    let (limit, crowd) = (usize::try_from(flood.connections_per_ip).unwrap_or(0), scene.stage.source());
    // One address opens more idle connections than it may; those beyond the cap are closed at once.
    let mut kept = Vec::new();
    for _ in 0..limit + 5 {
        kept.push(net.plain(crowd, net.address).await?);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut closed = 0;
    for stream in &mut kept {
        closed += usize::from(ended(stream).await);
    }
    if closed != 5 {
        return broken(format!("{} connections from one address", limit + 5), "5 closed", format!("{closed} closed"));
    }
    // Meanwhile somebody else is served.
    let meanwhile = scene.stage.at(&scene.a).at_root(Ask::get("/healthz")).await?;
    if !meanwhile.good() {
        return broken("GET /healthz from another address meanwhile", "200", format!("{}", meanwhile.status));
    }
    // A header that never ends is cut off by the deadline, as are connections that never greet.
    let started = Instant::now();
    let mut slow = scene.stage.client(host, "").link().await?;
    slow.send(format!("GET / HTTP/1.1\r\nhost: {host}\r\nx-slow: ").as_bytes()).await?;
    let deadline = Duration::from_millis(flood.header.0.unsigned_abs());
    let slow_done = async {
        let mut waited = None;
        while started.elapsed() < deadline + Duration::from_secs(3) {
            if slow.send(b"a").await.is_err() || slow.closed_within(Duration::from_millis(500)).await {
                waited = Some(started.elapsed());
                break;
            }
        }
        waited
    };
    let idle_done = async {
        let mut open = 0;
        tokio::time::sleep(deadline.saturating_sub(started.elapsed()) + Duration::from_secs(1)).await;
        for stream in &mut kept {
            open += usize::from(!ended(stream).await);
        }
        open
    };
    let (cut, open, bodies) = tokio::join!(slow_done, idle_done, slow_bodies(scene));
    let (idle, total) = bodies?;
    let Some(took) = cut else {
        return broken(
            "a header sent byte by byte",
            format!("cut off after {} s", deadline.as_secs()),
            "still open 3 s later",
        );
    };
    if open > 0 {
        return broken(
            "connections that never greet",
            format!("closed after {} s", deadline.as_secs()),
            format!("{open} still open"),
        );
    }
    // Too large a header, and too large a body, are refused.
    let mut big = scene.stage.client(host, "").link().await?;
    let fat = "a".repeat(usize::try_from(flood.header_bytes).unwrap_or(16_384) + 4096);
    let head = big.exchange(format!("GET / HTTP/1.1\r\nhost: {host}\r\nx-fat: {fat}\r\n\r\n").as_bytes(), false).await;
    if head.as_ref().is_ok_and(|a| !(400..500).contains(&a.status)) {
        return broken("a header above the cap", "431 or a closed connection", "an answer");
    }
    let mut fat = scene.stage.client(host, "").link().await?;
    let path = "/api/v1/auth/sign-in";
    let claim = flood.body.saturating_add(1);
    let body = fat.exchange(format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {claim}\r\n\r\n").as_bytes(), false).await;
    if body.as_ref().is_ok_and(|a| a.status < 400) {
        return broken("a body above the cap", "413 or a closed connection", "taken");
    }
    Ok(Evidence::new()
        .count("connections from one address", limit)
        .count("more closed at once", closed)
        .millis("slow header cut after", took)
        .millis("stalled body cut after", idle)
        .millis("trickling body cut after", total)
        .count("others refused meanwhile", 0))
}
