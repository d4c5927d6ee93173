//! Headers that every answer must bear.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::probe;
use crate::{
    evidence::{Evidence, Miss, Outcome, broken},
    plan::Probe,
    run::Scene,
    wire::{Answer, Ask},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("edge.hsts", Together, hsts),
    probe!("edge.csp", Together, csp),
    probe!("edge.framing", Together, framing),
    probe!("edge.referrer", Together, referrer),
    probe!("edge.permissions", Together, permissions),
];

/// Answers of every kind, on each class of host: a page, an API answer, 401, 404, 405, 400, 421.
async fn answers(scene: &Scene) -> Result<Vec<(String, Answer)>, Miss> {
    let tenant = &scene.a;
    let mut out = Vec::new();
    for host in scene.stage.hosts(tenant) {
        let client = scene.stage.client(&host, "");
        for ask in [
            Ask::get("/"),
            Ask::get("/healthz"),
            Ask::get("/sign-in"),
            Ask::get("/trust"),
            Ask::get("/no/such/path"),
            Ask::get("/api/v1/audit"),
            Ask::new("DELETE", "/healthz"),
            Ask::get("/healthz?a=1&a=2"),
            Ask::get("/healthz").header("authorization", "Bearer nonsense"),
            Ask::get("/healthz").host("nobody.invalid"),
        ] {
            let said = ask.said();
            out.push((
                format!("{said} at {}", if host == tenant.host { "a tenant's host" } else { "the apex" }),
                client.at_root(ask).await?,
            ));
        }
    }
    Ok(out)
}

/// Every answer must pass `fits`; returns how many did.
async fn every(scene: &Scene, expected: &str, header: &str, fits: impl Fn(&Answer) -> bool) -> Result<usize, Miss> {
    let answers = answers(scene).await?;
    for (did, answer) in &answers {
        if !fits(answer) {
            let n = answer.all(header).count();
            return broken(did, expected, format!("{} with {n} such headers, none of that value", answer.status));
        }
    }
    Ok(answers.len())
}

fn only<'a>(answer: &'a Answer, name: &'a str) -> Option<&'a str> {
    let mut all = answer.all(name);
    all.next().filter(|_| all.next().is_none())
}

async fn hsts(scene: &Scene) -> Outcome {
    let wanted = scene.app.edge.hsts;
    let seconds = wanted.max_age.0 / 1000;
    let fits = |answer: &Answer| {
        let Some(value) = only(answer, "strict-transport-security") else { return false };
        let parts: Vec<String> = value.split(';').map(|p| p.trim().to_ascii_lowercase()).collect();
        let age = parts.iter().find_map(|p| p.strip_prefix("max-age=")?.parse::<i64>().ok());
        let has = |name: &str| parts.iter().any(|p| p == name);
        age == Some(seconds)
            && has("includesubdomains") == wanted.include_subdomains
            && has("preload") == wanted.preload
    };
    let n =
        every(scene, &format!("strict-transport-security with max-age={seconds}"), "strict-transport-security", fits)
            .await?;
    let mut evidence =
        Evidence::new().count("answers", n).count("days", usize::try_from(seconds / 86_400).unwrap_or(0));
    if let Some(plain) = super::plain(scene, "GET", "/healthz").await? {
        if plain.header("strict-transport-security").is_some() {
            return broken("GET /healthz over plain http", "no strict-transport-security", "the header");
        }
        evidence = evidence.count("over plain http", 0);
    }
    Ok(evidence)
}

/// Values of a directive in a policy.
fn directive<'p>(policy: &'p str, name: &str) -> Option<Vec<&'p str>> {
    policy
        .split(';')
        .map(str::split_whitespace)
        .find_map(|mut words| (words.next() == Some(name)).then(|| words.collect()))
}

fn nonce(policy: &str) -> Option<String> {
    let scripts = directive(policy, "script-src")?;
    scripts.iter().find_map(|s| s.strip_prefix("'nonce-")?.strip_suffix('\'')).map(str::to_owned)
}

/// Whether a policy lets only scripts with this answer's nonce run.
fn strict(policy: &str) -> bool {
    let scripts = directive(policy, "script-src").unwrap_or_default();
    let trusted = |s: &str| s == "'strict-dynamic'" || s.starts_with("'nonce-");
    scripts.contains(&"'strict-dynamic'")
        && scripts.iter().all(|s| trusted(s))
        && directive(policy, "object-src").or_else(|| directive(policy, "default-src")) == Some(vec!["'none'"])
        && directive(policy, "base-uri") == Some(vec!["'none'"])
        && directive(policy, "upgrade-insecure-requests").is_some()
}

/// Script tags without `nonce="value"`.
fn bare_scripts(page: &str, nonce: &str) -> usize {
    let tags = page.to_ascii_lowercase();
    tags.match_indices("<script")
        .filter(|(at, _)| {
            let tag = page.get(*at..).and_then(|t| t.split('>').next()).unwrap_or_default();
            !tag.contains(&format!("nonce=\"{nonce}\""))
        })
        .count()
}

async fn csp(scene: &Scene) -> Outcome {
    let (mut nonces, mut scripts, mut total) = (BTreeSet::new(), 0, 0);
    for round in 0..6 {
        for (did, answer) in answers(scene).await? {
            total += 1;
            let policy = answer.header("content-security-policy").unwrap_or_default().to_owned();
            if !strict(&policy) {
                return broken(
                    did,
                    "a strict policy with upgrade-insecure-requests",
                    format!("{} without one", answer.status),
                );
            }
            let Some(nonce) = nonce(&policy) else { return broken(did, "a nonce in script-src", "none") };
            let bits = BASE64_STANDARD.decode(&nonce).map_or(nonce.len() * 4, |b| b.len() * 8);
            if bits < 128 {
                return broken(did, "a nonce of 128 bits or more", format!("{bits} bits"));
            }
            let page = answer.page();
            let bare = if answer.header("content-type").is_some_and(|t| t.starts_with("text/html")) {
                bare_scripts(&page, &nonce)
            } else {
                0
            };
            if bare > 0 {
                return broken(did, "every script tag bears the answer's nonce", format!("{bare} that do not"));
            }
            scripts += page.matches("<script").count();
            if !nonces.insert(nonce) {
                return broken(did, "a nonce never seen before", format!("one seen before, in round {round}"));
            }
        }
    }
    Ok(Evidence::new()
        .count("answers", total)
        .count("distinct nonces", nonces.len())
        .count("script tags, each with its nonce", scripts))
}

async fn framing(scene: &Scene) -> Outcome {
    let fits = |a: &Answer| {
        let policy = a.header("content-security-policy").unwrap_or_default();
        only(a, "x-frame-options").is_some_and(|v| v.eq_ignore_ascii_case("deny"))
            && directive(policy, "frame-ancestors") == Some(vec!["'none'"])
    };
    let n = every(scene, "x-frame-options: DENY and frame-ancestors 'none'", "x-frame-options", fits).await?;
    Ok(Evidence::new().count("answers with DENY and frame-ancestors 'none'", n))
}

async fn referrer(scene: &Scene) -> Outcome {
    let fits = |a: &Answer| only(a, "referrer-policy") == Some("strict-origin-when-cross-origin");
    let n = every(scene, "referrer-policy: strict-origin-when-cross-origin", "referrer-policy", fits).await?;
    Ok(Evidence::new().count("answers with strict-origin-when-cross-origin", n))
}

async fn permissions(scene: &Scene) -> Outcome {
    let fits = |a: &Answer| {
        let value = a.header("permissions-policy").unwrap_or_default();
        let off = |feature: &str| value.split(',').any(|p| p.trim() == format!("{feature}=()"));
        ["camera", "microphone", "geolocation"].into_iter().all(off)
    };
    let n = every(scene, "camera, microphone and geolocation off", "permissions-policy", fits).await?;
    Ok(Evidence::new().count("answers", n).count("features off", 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_policies_are_told_from_strict_ones() {
        let good = "default-src 'none'; script-src 'nonce-AAAAAAAAAAAAAAAAAAAAAA==' 'strict-dynamic'; base-uri 'none'; upgrade-insecure-requests";
        assert!(strict(good));
        assert_eq!(nonce(good).unwrap().len(), 24);
        for (from, to) in [
            ("'strict-dynamic'", "'unsafe-inline'"),
            (" 'strict-dynamic'", ""),
            ("'strict-dynamic'", "'strict-dynamic' https://cdn.evil.example"),
            ("'strict-dynamic'", "'strict-dynamic' blob:"),
            ("'strict-dynamic'", "'strict-dynamic' 'unsafe-hashes'"),
            ("base-uri 'none'", "base-uri 'self'"),
            ("; upgrade-insecure-requests", ""),
        ] {
            assert!(!strict(&good.replace(from, to)), "{to}");
        }
        assert_eq!(bare_scripts("<script nonce=\"x\"></script><SCRIPT>", "x"), 1);
    }
}
