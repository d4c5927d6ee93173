//! The signed record of test runs, green with each control on and red with it off: whose it is, of which build, and whether
//! it says of every check of the page what it must.

use std::{collections::BTreeMap, process::Stdio};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use kernel::Time;
use manifest::CheckKind;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    probe,
    side::{Side, Start, Wish},
};
use crate::{
    checked::Place,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    jwt, plan,
    plan::Probe,
    random,
    run::Scene,
    wire::{Ask, Client},
};

pub(super) const PROBES: &[Probe] = &[probe!("gov.security_tests", Together, security_tests)];

const CHECK: &str = "gov.security_tests";
const PATH: &str = "/trust/tests.json";
/// Checks without a switch, each with its reason.
const UNSWITCHED: &str = include_str!("../../../../ledger/unswitched.tsv");

/// Version and digest of the sources of the program under test, as it tells without serving.
async fn identity(scene: &Scene) -> Result<(String, String), Miss> {
    let run = Command::new(&scene.stage.instance.setup().binary).arg("identity").stdin(Stdio::null()).output().await?;
    let told: Value = serde_json::from_slice(&run.stdout).unwrap_or_default();
    let text = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, sources) = (text("version"), text("sources"));
    if sources.len() == 64 {
        Ok((version, sources))
    } else {
        unclear("the program does not tell of which sources it is")
    }
}

/// What the server tells, once its signature was found to be by the published key.
async fn told(client: &Client) -> Result<Value, Miss> {
    let answer = client.at_root(Ask::get(PATH)).await?.decided()?;
    if answer.status != 200 {
        return broken(format!("GET {PATH}"), "200", format!("{}", answer.status));
    }
    let keys = client.at_root(Ask::get("/trust/keys.json")).await?.step("keys")?.json();
    let signature = answer.header("x-jws-signature").unwrap_or_default().to_owned();
    if !holds(&signature, &answer.body, &keys) {
        return broken(format!("GET {PATH}"), "signed by the published key", "a signature that does not hold");
    }
    let mut changed = answer.body.clone();
    if let Some(byte) = changed.get_mut(8) {
        *byte ^= 1;
    }
    if holds(&signature, &changed, &keys) {
        return broken("changed one bit of the record", "the signature breaks", "it held");
    }
    Ok(answer.json())
}

/// RFC 7515, appendix F: the payload is what the signature stands beside.
fn holds(signature: &str, payload: &[u8], keys: &Value) -> bool {
    let Some((head, signature)) = signature.split_once("..") else { return false };
    let header: Value = jwt::unpack(head).and_then(|h| serde_json::from_slice(&h).ok()).unwrap_or_default();
    let kid = header.get("kid").and_then(Value::as_str).unwrap_or_default();
    let listed = keys.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
    let key = listed.iter().find(|k| k.get("kid").and_then(Value::as_str) == Some(kid));
    let public = key.and_then(|k| jwt::unpack(k.get("x")?.as_str()?));
    let (Some(public), Some(signature)) = (public, jwt::unpack(signature)) else { return false };
    let signed = format!("{head}.{}", jwt::pack(payload));
    header.get("alg").and_then(Value::as_str) == Some("EdDSA")
        && UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &signature).is_ok()
}

/// A record of the probe's own, of these sources.
fn made_up(sources: &str, now: Time) -> Value {
    json!({
        "version": "0.0.0", "sources": sources, "began": now.plus(-3_600_000).to_string(), "ended": now.to_string(),
        "checks": {"edge.csp": {"on": "proven", "off": "failing", "app": "verify"}}, "unswitched": {},
    })
}

/// A server that is given a record shows it only when it is of its own sources, and does not start with a broken one.
async fn bound(scene: &Scene, sources: &str) -> Result<(), Miss> {
    let now = scene.stage.began.0;
    let file = scene.stage.instance.scratch().join(format!("tests-{}.json", random::hex(4)));
    let path = file.display().to_string();
    let variables = [("VOUCHSAFE_SECURITY_TESTS", path.as_str())];
    let wish = Wish { variables: &variables, ..Wish::default() };
    for (of, shown) in [(random::hex(32), false), (sources.to_owned(), true)] {
        std::fs::write(&file, made_up(&of, now).to_string())?;
        let side = Side::up(scene, &wish).await?;
        let told = told(&side.client(scene, &scene.app.domain)).await?;
        if told.get("record").is_some_and(|r| !r.is_null()) != shown {
            let whose = if shown { "its own" } else { "other" };
            let (expected, saw) = if shown { ("shown", "not shown") } else { ("not shown", "shown") };
            return broken(format!("a record of {whose} sources given to a server"), expected, saw);
        }
    }
    std::fs::write(&file, "{\"checks\": {}}")?;
    match Side::start(scene, &wish).await? {
        Start::Refused(..) => Ok(()),
        Start::Up(_) => broken("a start with a record that says nothing of its build", "refused", "it started"),
    }
}

/// What the record says of the checks of the page.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    pairs: usize,
    unswitched: usize,
    /// Checks that no probe looks at yet.
    unprobed: usize,
    /// Checks whose probe says itself that it proves half.
    half: usize,
    wrong: Vec<String>,
}

/// Pure: every check of the page that a program looks at, against the record.
fn tally(checks: &[&'static str], record: &Value) -> Tally {
    let known: BTreeMap<&str, &str> = UNSWITCHED.lines().skip(1).filter_map(|l| l.split_once('\t')).collect();
    let built: Vec<&str> = plan::built().collect();
    let verdict = |check: &str, run: &str| {
        let pair = record.get("checks")?.get(check)?;
        pair.get(run)?.as_str().map(str::to_owned)
    };
    let mut tally = Tally::default();
    for check in checks.iter().filter(|c| **c != CHECK && plan::kind(c) != CheckKind::Attested) {
        match (verdict(check, "on").as_deref(), verdict(check, "off").as_deref()) {
            (Some("proven"), Some("failing")) => tally.pairs += 1,
            (Some("unproven"), Some("failing" | "unproven")) => tally.half += 1,
            (Some(on), Some(off)) => tally.wrong.push(format!("{check} {on} and {off}")),
            _ if known.contains_key(check) => tally.unswitched += 1,
            _ if built.contains(check) => tally.wrong.push(format!("{check} without a pair")),
            _ => tally.unprobed += 1,
        }
    }
    tally
}

/// Checks whose last look on a live server is too old, and those that nobody looked at since it started.
fn looked(scene: &Scene, told: &Value, now: Time) -> (usize, usize) {
    let (mut old, mut never) = (0, 0);
    let pairs = told.pointer("/record/checks").and_then(Value::as_object).cloned().unwrap_or_default();
    let ours = |check: &&String| scene.page.claims.iter().any(|c| c.checks.contains(&check.as_str()));
    for check in pairs.keys().filter(ours) {
        let at = told.get("last_probe").and_then(|l| Time::parse(l.get(check)?.get("at")?.as_str()?));
        let age = scene.app.verify.ages.get(check.as_str()).map_or(scene.app.verify.every.0.saturating_mul(2), |a| a.0);
        match at {
            None => never += 1,
            Some(at) if now.since(at) > age => old += 1,
            Some(_) => {}
        }
    }
    (old, never)
}

async fn security_tests(scene: &Scene) -> Outcome {
    let (version, sources) = identity(scene).await?;
    let own = scene.stage.instance.place == Place::Own;
    if own {
        bound(scene, &sources).await?;
    }
    let client = scene.stage.client(&scene.stage.apex(), "");
    let told = told(&client).await?;
    let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let health = client.at_root(Ask::get("/healthz")).await?.step("health")?.json();
    if health.get("version").and_then(Value::as_str) != Some(text("/build")) || text("/build") != version {
        return broken(format!("GET {PATH}"), "the running build", "another");
    }
    if told.get("record").is_none_or(Value::is_null) {
        return Err(Miss::Unbuilt("no signed run for this build: nobody gave the server the record of one"));
    }
    if text("/sources") != sources || text("/record/sources") != sources {
        return broken(format!("GET {PATH}"), "a record of the sources of the running build", "of others");
    }
    let mut checks: Vec<&'static str> = scene.page.claims.iter().flat_map(|c| c.checks.iter().copied()).collect();
    checks.sort_unstable();
    checks.dedup();
    let tally = tally(&checks, told.get("record").unwrap_or(&Value::Null));
    if let Some(first) = tally.wrong.first() {
        return broken(
            "reading the two runs of each check of the page",
            "green with the control on, red with it off",
            format!("{} otherwise; the first: {first}", tally.wrong.len()),
        );
    }
    let (old, never) = if own { (0, 0) } else { looked(scene, &told, scene.stage.now()) };
    if old > 0 {
        return broken(
            "reading when each check was looked at here",
            "within its interval",
            format!("{old} longer ago"),
        );
    }
    if never > 0 {
        return unclear(format!("{never} checks were not looked at yet since this server started"));
    }
    if tally.unprobed + tally.half > 0 {
        return Err(Miss::Unbuilt(
            "the record is signed and of this build, but some checks of this page have no probe yet, or one that proves half",
        ));
    }
    let evidence = Evidence::new().count("pairs of runs", tally.pairs).count("without a switch", tally.unswitched);
    let evidence = evidence.word("signature", "holds, by the published key").version("build", &version);
    Ok(if own { evidence } else { evidence.word("live probes", "each within its interval") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_of_the_page_is_told_of_or_missed() {
        let record = json!({"checks": {
            "edge.csp": {"on": "proven", "off": "failing"},
            "edge.hsts": {"on": "proven", "off": "proven"},
            "edge.sanitise": {"on": "unproven", "off": "failing"},
        }});
        let page = ["edge.csp", "edge.hsts", "edge.sanitise", "edge.framing", "ops.topology", "auth.no_such", CHECK];
        let seen = tally(&page, &record);
        assert_eq!((seen.pairs, seen.unswitched, seen.unprobed, seen.half), (1, 1, 1, 1));
        assert_eq!(seen.wrong, ["edge.hsts proven and proven", "edge.framing without a pair"]);
    }
}
