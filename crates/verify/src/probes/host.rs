//! What the machine shows: starts that must fail, files, logs, the program itself.

use std::{path::Path, process::Stdio, time::Duration};

use kernel::DAY;
use manifest::Pointer;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    probe,
    side::{Side, Start, Wish, edited},
};
use crate::{
    copy,
    disk::Disk,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    plan::Probe,
    random,
    run::Scene,
    wire::{Ask, find},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("ops.config_validation", Together, config_validation),
    probe!("ops.topology", Together, topology),
    probe!("ops.build_identity", Together, build_identity),
    probe!("vault.keys_outside_db", Together, keys_outside_db),
    probe!("obs.json_logs", Together, json_logs),
    probe!("obs.error_scrub", Together, error_scrub),
    probe!("pay.hosted", Together, hosted),
    probe!("gov.claims_bound", Together, claims_bound),
    probe!("gov.page_review", Together, page_review),
];

/// Exit code and words of `check` on an app's folder.
async fn check(scene: &Scene, folder: &Path) -> Result<(i32, String), Miss> {
    let run = Command::new(&scene.stage.instance.setup().binary)
        .arg("check")
        .arg(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let out = tokio::time::timeout(Duration::from_secs(20), run)
        .await
        .map_err(|_| Miss::Unclear("`check` did not end in 20 s".to_owned()))??;
    let words = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    Ok((out.status.code().unwrap_or(-1), words))
}

/// Exit code of a start with some variables set otherwise (empty: removed); none when it listens.
pub(super) async fn refused_start(
    scene: &Scene,
    variables: &[(&str, &str)],
    folder: Option<&Path>,
) -> Result<Option<i32>, Miss> {
    Ok(started(scene, variables, folder).await?.0)
}

async fn started(
    scene: &Scene,
    variables: &[(&str, &str)],
    folder: Option<&Path>,
) -> Result<(Option<i32>, String), Miss> {
    Ok(match Side::start(scene, &Wish { folder, variables, ..Wish::default() }).await? {
        Start::Up(_) => (None, String::new()),
        Start::Refused(code, said) => (Some(code), said),
    })
}

/// How many files of the data folder hold one of these texts.
pub(super) async fn count_like(scene: &Scene, texts: &[&str]) -> Result<usize, Miss> {
    let forms: Vec<Vec<u8>> = texts.iter().map(|t| t.as_bytes().to_vec()).collect();
    Ok(copy::search(&Disk::of(&scene.stage.instance), forms.clone()).await?.0.len())
}

/// The leaves of the house's own log: from a copy of its database, or as the database server shows them.
pub(super) async fn house_leaves(scene: &Scene) -> Result<Vec<Value>, Miss> {
    if let Some(client) = super::served::connect(scene).await? {
        return super::served::house_leaves(&client).await;
    }
    let control = copy::files(scene.stage.instance.data())?
        .into_iter()
        .find(|f| f.file_name().is_some_and(|n| n == "control.db"));
    let control = control.ok_or_else(|| Miss::Unclear("there is no control.db".to_owned()))?;
    let to = scene.stage.instance.scratch().join(format!("house-{}.db", random::hex(4)));
    let disk = Disk::of(&scene.stage.instance);
    let read = move || -> rusqlite::Result<Vec<Value>> {
        copy::database(&disk, &control, &to).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        let db = rusqlite::Connection::open(&to)?;
        let mut query = db.prepare("SELECT body FROM _leaf ORDER BY seq")?;
        let rows = query.query_map([], |r| r.get::<_, Vec<u8>>(0))?;
        rows.map(|body| Ok(serde_json::from_slice(&body?).unwrap_or(Value::Null))).collect()
    };
    copy::aside(read).await?.map_err(|e| Miss::Unclear(format!("sqlite: {e}")))
}

async fn config_validation(scene: &Scene) -> Outcome {
    let mut tried = 0;
    // Each required secret missing, too short, and not of its alphabet.
    for region in &scene.app.regions {
        let fallback = format!("VOUCHSAFE_ROOT_{}", region.id.to_uppercase().replace('-', "_"));
        let named = if let Pointer::Env(name) = &region.root_key { name.clone() } else { fallback.clone() };
        for value in ["", "00ff", "not hexadecimal at all, but long enough to be a key of 64 digits"] {
            let (code, said) = started(scene, &[(&named, value), (&fallback, value)], None).await?;
            tried += 1;
            if code != Some(2) {
                return broken(
                    format!("starting with a bad root key of region {}", region.id),
                    "exit 2, nothing listening",
                    ended(code),
                );
            }
            if !said.contains(&named) && !said.contains(&fallback) && !said.contains(region.id) {
                return broken("starting with a bad root key", "a message that names the key", "one that does not");
            }
        }
    }
    // A manifest with one mistake each: named, and nothing starts.
    type Edit = fn(String) -> String;
    let mistakes: [(&str, Edit); 7] = [
        ("an unknown key", |t| t.replacen("[app]", "[app]\nno_such_key = 1", 1)),
        ("a literal secret", |t| format!("{t}\n[secrets.planted]\nfrom = \"0123456789abcdef0123456789abcdef\"\n")),
        ("a table that is none", |t| t.replacen("[tenant]", "[tennant]", 1)),
        ("an unknown verb", |t| {
            format!("{t}\n[roles.broken]\nlabel = \"x\"\n[roles.broken.floor]\n\"*\" = \"raed\"\n")
        }),
        ("a rate that is none", |t| format!("{t}\n[submissions.broken]\ncreates = \"no_such_collection\"\n")),
        ("text that is no TOML", |t| format!("{t}\n[[[\n")),
        ("a table given twice", |t| format!("{t}\n[app]\nname = \"again\"\n")),
    ];
    for (what, edit) in mistakes {
        let folder = edited(scene, |app, page| (edit(app), page))?;
        let (code, said) = started(scene, &[], Some(&folder)).await?;
        let (checked, _) = check(scene, &folder).await?;
        tried += 1;
        if code != Some(2) || checked != 2 {
            return broken(format!("starting with {what} in app.toml"), "exit 2, nothing listening", ended(code));
        }
        if !said.contains("app.toml") {
            return broken(
                format!("starting with {what} in app.toml"),
                "a message that names the file",
                "one that does not",
            );
        }
    }
    Ok(Evidence::new()
        .count("bad settings tried", tried)
        .count("of them listened", 0)
        .word("each ended with", "exit 2"))
}

fn ended(code: Option<i32>) -> String {
    code.map_or_else(|| "it started".to_owned(), |c| format!("exit {c}"))
}

async fn topology(scene: &Scene) -> Outcome {
    let status = scene.stage.instance.admin(&json!({"do": "status", "as": "verify"})).await?;
    let nodes = status.get("nodes").and_then(Value::as_u64).unwrap_or(0);
    let regions: Vec<&str> =
        status.get("regions").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let declared: Vec<&str> = scene.app.regions.iter().map(|r| r.id).collect();
    if nodes != 1 || regions != declared {
        return broken(
            "asking the running server for its nodes and regions",
            "1 node and the manifest's regions",
            format!("{nodes} and {} regions", regions.len()),
        );
    }
    let evidence = Evidence::new().count("node", 1);
    Ok(regions.iter().fold(evidence, |e, region| e.version("region", region)))
}

async fn build_identity(scene: &Scene) -> Outcome {
    let health = scene.stage.at(&scene.a).at_root(Ask::get("/healthz")).await?.decided()?.json();
    let running = health.get("version").and_then(Value::as_str).unwrap_or_default().to_owned();
    let run = Command::new(&scene.stage.instance.setup().binary).arg("--version").stdin(Stdio::null()).output().await?;
    let said = String::from_utf8_lossy(&run.stdout).trim().to_owned();
    if running.is_empty() || !said.ends_with(&running) {
        return broken("asking the running server for its build", "that of the program", "another or none");
    }
    let program = random::sha256(&std::fs::read(&scene.stage.instance.setup().binary)?);
    Ok(Evidence::new().version("build", &running).hash("program", program))
}

async fn keys_outside_db(scene: &Scene) -> Outcome {
    let instance = &scene.stage.instance;
    let (at, field) = scene.carrier()?;
    scene.make(&scene.a, at, Some((field, "keys"))).await?;
    let mut answers = Vec::new();
    for path in [
        "/api/v1/openapi.json",
        "/api/v1/tenant",
        "/api/v1/me",
        "/api/v1/audit",
        "/healthz",
        "/trust.json",
        "/no/such/path",
    ] {
        answers.push(scene.read(&scene.a, scene.a.owner()?, path).await?.body);
    }
    let (log, err) = instance.logs();
    let mut searched = 0;
    for (name, secret) in instance.secrets.iter().filter(|(name, _)| !name.contains("SMTP")) {
        let mut forms = copy::forms(secret);
        forms.extend(hex::decode(secret));
        if let Ok(raw) = hex::decode(secret) {
            forms.push(crate::jwt::pack(&raw).into_bytes());
        }
        let (in_data, files) = copy::search(&Disk::of(instance), forms.clone()).await?;
        let (in_app, more) = copy::search_raw(&instance.setup().folder, forms.clone()).await?;
        searched = files + more;
        let said = answers.iter().map(Vec::as_slice).chain([log.as_bytes(), err.as_bytes()]);
        let told = said.filter(|text| forms.iter().any(|f| find(text, f).is_some())).count();
        if !in_data.is_empty() || !in_app.is_empty() || told > 0 {
            return broken(
                format!("searching files, logs and answers for the value of {name}"),
                "0 hits",
                format!("{} files, {told} texts", in_data.len() + in_app.len()),
            );
        }
    }
    // The same value in the manifest itself is refused.
    let literal = random::hex(32);
    let folder = edited(scene, |app, page| (format!("{app}\n[secrets.planted]\nfrom = \"{literal}\"\n"), page))?;
    let (code, said) = check(scene, &folder).await?;
    if code != 2 || said.contains(&literal) {
        return broken("a secret written into app.toml", "refused, and not repeated", ended(Some(code)));
    }
    let started = refused_start(scene, &[], Some(&folder)).await?;
    if started != Some(2) {
        return broken("starting with a secret in app.toml", "exit 2", ended(started));
    }
    Ok(Evidence::new()
        .count("secrets", instance.secrets.len() - 1)
        .count("files searched", searched)
        .count("hits in files, logs or answers", 0)
        .word("a literal secret", "refused at start"))
}

async fn json_logs(scene: &Scene) -> Outcome {
    let client = scene.stage.at(&scene.a);
    for ask in [
        Ask::get("/no/such/path"),
        Ask::get("/healthz?a=1&a=2"),
        Ask::get("/api/v1/me").header("authorization", "Bearer x"),
    ] {
        client.send(ask).await?;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (log, _) = scene.stage.instance.logs();
    let (mut lines, mut with_id, mut with_tenant) = (0, 0, 0);
    for line in log.lines().filter(|l| !l.is_empty()) {
        let Ok(Value::Object(members)) = serde_json::from_str::<Value>(line) else {
            return broken("reading every line of the log", "JSON", format!("line {} is not", lines + 1));
        };
        if let Some(name) = ["time", "level", "request_id", "tenant"].into_iter().find(|n| !members.contains_key(*n)) {
            return broken(
                "reading every line of the log",
                "time, level, request_id and tenant on each",
                format!("line {} has no {name}", lines + 1),
            );
        }
        lines += 1;
        with_id += usize::from(members.get("request_id").is_some_and(Value::is_string));
        with_tenant += usize::from(members.get("tenant").is_some_and(Value::is_string));
    }
    if with_id == 0 || with_tenant == 0 {
        return broken(
            "reading every line of the log",
            "request ids and tenants on those of requests",
            format!("{with_id} and {with_tenant} of {lines}"),
        );
    }
    // Without a file they go to standard error, and nothing else may stand between them.
    let side = Side::up(scene, &Wish { said: true, ..Wish::default() }).await?;
    let client = side.client(scene, &scene.app.domain);
    for path in ["/healthz", "/no/such/path", "/api/v1/me", "/?q=%3Cscript%3E"] {
        client.at_root(Ask::get(path)).await?;
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    let said = std::fs::read_to_string(&side.err)?;
    let odd = said.lines().filter(|l| !l.is_empty() && serde_json::from_str::<Value>(l).is_err()).count();
    let told = said.lines().filter(|l| l.starts_with('{')).count();
    if odd > 0 || told < 4 {
        return broken(
            "reading standard error of a server without a log file",
            "JSON lines only",
            format!("{odd} others among {told}"),
        );
    }
    lines += told;
    Ok(Evidence::new()
        .count("log lines, all JSON", lines)
        .count("with a request id", with_id)
        .count("with a tenant", with_tenant))
}

async fn error_scrub(scene: &Scene) -> Outcome {
    let a = &scene.a;
    let token = scene.stage.token(a, a.owner()?).await?;
    let tag = random::hex(6);
    let planted = [
        format!("mail{tag}@canary.example"),
        format!("Pass-{tag}-word"),
        format!("4242 4242 4242 4242 {tag}"),
        format!("personal{tag}"),
        format!("eyJhbGciOiJIUzI1NiJ9.{tag}.sig{tag}"),
    ];
    let [mail, password, card, personal, jwt] = &planted;
    let body = json!({"email": mail, "password": password, "card": card, "name": personal, "token": jwt});
    let client = scene.stage.at(a);
    let collection = scene.carrier().ok().and_then(|(at, _)| scene.app.collections.get(at)).map_or("", |c| c.id);
    let base = crate::act::records(collection);
    let asks = [
        Ask::post(base.clone(), &body).bearer(&token),
        Ask::post("/api/v1/auth/sign-in", &body),
        Ask::post("/api/v1/auth/reset", &body),
        Ask::post("/api/v1/members/invitations", &body).bearer(&token),
        Ask::get(format!("{base}?filter={mail}&cursor={personal}&sort={jwt}")).bearer(&token),
        Ask::get(format!("/no/{personal}/{mail}?token={jwt}")),
        Ask::get("/healthz")
            .header("authorization", &format!("Bearer {jwt}"))
            .header("user-agent", personal)
            .header("referer", &format!("https://x.example/{mail}"))
            .header("cookie", &format!("__Host-session={jwt}")),
        Ask::new("POST", base)
            .bytes("application/json", format!("{{\"x\": \"{personal} {mail} {card}\"").into_bytes())
            .bearer(&token),
        Ask::new("DELETE", format!("/api/v1/members/{mail}")).bearer(&token),
    ];
    let n = asks.len();
    for ask in asks {
        let said = ask.said();
        let answer = client.send(ask).await?;
        let (page, head) = (answer.page(), format!("{:?}", answer.headers));
        if planted.iter().chain([&token]).any(|p| page.contains(p.as_str()) || head.contains(p.as_str())) {
            let path = said.split([' ', '?']).next().unwrap_or_default().to_owned();
            return broken(
                format!("a failing {path} full of addresses, tokens, cards and personal values"),
                "an answer without any",
                "some came back",
            );
        }
    }
    // A member's name is told back, so that its sender finds it; the log has no use for it.
    client.send(Ask::get(format!("{}?{personal}={jwt}", crate::act::records(collection))).bearer(&token)).await?;
    // Error pages for people are answers too.
    for path in [
        format!("/no/{personal}/{mail}"),
        format!("/console/{personal}?token={jwt}"),
        format!("/sign-in?next={personal}&token={jwt}"),
    ] {
        let answer = scene.stage.at(a).send(Ask::get(path).header("accept", "text/html")).await?;
        if answer.status >= 400 && planted.iter().any(|p| answer.page().contains(p.as_str())) {
            return broken("an error page", "nothing of what was asked", "some of it came back");
        }
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (log, err) = scene.stage.instance.logs();
    let hits = planted.iter().chain([&token]).filter(|p| log.contains(p.as_str()) || err.contains(p.as_str())).count()
        + usize::from(log.contains(&tag));
    if hits > 0 {
        return broken(
            format!("{n} failing calls full of addresses, tokens, cards and personal values, then the log"),
            "none of them",
            format!("{hits} kinds"),
        );
    }
    let lines = log.lines().count();
    if lines < n {
        return unclear("the log has too few lines to judge by");
    }
    Ok(Evidence::new()
        .count("failing calls", n + 3)
        .count("log lines", lines)
        .count("planted values in logs or answers", 0))
}

async fn hosted(scene: &Scene) -> Outcome {
    let mut refused = 0;
    for field in ["iban", "account_number", "routing_number", "card_number", "cvc"] {
        let extra = format!(
            "\n[collections.verify_probe]\nlabel = \"Probe\"\n[collections.verify_probe.fields]\n{field} = \"text\"\n"
        );
        let folder = edited(scene, |app, page| (format!("{app}{extra}"), page))?;
        let (code, _) = check(scene, &folder).await?;
        if code != 2 {
            return broken(format!("`check` of a manifest with a field `{field}`"), "exit 2", ended(Some(code)));
        }
        refused += 1;
    }
    let folder = edited(scene, |app, page| {
        (
            format!(
                "{app}\n[collections.verify_probe]\nlabel = \"Probe\"\n[collections.verify_probe.fields]\nnote = \"text\"\n"
            ),
            page,
        )
    })?;
    let (code, _) = check(scene, &folder).await?;
    if code != 0 {
        return unclear(format!("`check` of the same manifest with a harmless field ends with {code}"));
    }
    let pages = super::card::card_inputs(scene).await?;
    let policy = scene
        .stage
        .at(&scene.a)
        .send(Ask::get("/"))
        .await?
        .decided()?
        .header("content-security-policy")
        .unwrap_or_default()
        .to_owned();
    let form = policy.split(';').any(|d| matches!(d.trim(), "form-action 'self'" | "form-action 'none'"));
    if !form {
        return broken("reading form-action of the policy", "'self' or 'none'", "another");
    }
    Ok(Evidence::new()
        .count("card and bank fields refused by `check`", refused)
        .count("pages without such a field", pages))
}

async fn claims_bound(scene: &Scene) -> Outcome {
    let unbound = "\n\nWe promise that nothing bad can ever happen here.\n";
    let unknown = "\n\nWe promise this. [VERIFY-1](#no.such_check)\n";
    let digit = "\n\nWe answer within 7 days. [VERIFY-1](#tenant.cross_read)\n";
    for (what, text) in [
        ("a sentence without a mark", unbound),
        ("a mark with an unknown check", unknown),
        ("a figure that the manifest does not have", digit),
    ] {
        let folder = edited(scene, |app, page| (app, format!("{page}{text}")))?;
        let (code, _) = check(scene, &folder).await?;
        if code != 2 {
            return broken(format!("`check` of the page with {what}"), "exit 2", ended(Some(code)));
        }
    }
    let loose = scene.page.claims.iter().filter(|c| c.checks.is_empty()).count();
    if loose > 0 {
        return broken("reading every promise", "a check for each", format!("{loose} without"));
    }
    Ok(Evidence::new()
        .count("promises, each with a check", scene.page.claims.len())
        .count("kinds of loose text refused", 3))
}

async fn page_review(scene: &Scene) -> Outcome {
    let days = |date: &str| {
        date.parse::<jiff::civil::Date>()
            .ok()
            .and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC).ok())
            .map(|z| z.timestamp().as_millisecond() / DAY)
    };
    let today = scene.stage.began.0.0 / DAY;
    let Some(reviewed) = days(&scene.app.page.reviewed) else {
        return Err(Miss::Person(Evidence::new().word("reviewed", "no date")));
    };
    let age = usize::try_from(today - reviewed).unwrap_or(0);
    let evidence = Evidence::new().count("days since the review", age).version("page version", &scene.app.page.version);
    let most = scene.app.page.cadence.map(|cadence| usize::try_from(cadence.0 / DAY).unwrap_or(usize::MAX));
    Err(if most.is_some_and(|most| age > most) { Miss::Lapsed(evidence) } else { Miss::Person(evidence) })
}
