//! What the team tells the world about itself: how to reach it, and what it keeps.

use std::collections::{BTreeMap, BTreeSet};

use kernel::DAY;
use manifest::App;
use serde_json::{Value, json};

use super::probe;
use crate::{
    evidence::{Evidence, Miss, Outcome, broken},
    openpgp::{Key, Signed},
    plan::Probe,
    random,
    run::Scene,
    wire::{Answer, Ask},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("gov.disclosure_channel", Together, disclosure_channel),
    probe!("data.inventory", Together, inventory),
    probe!("gov.subprocessors", Together, subprocessors),
];

const PATH: &str = "/.well-known/security.txt";

async fn fetch(scene: &Scene, host: &str, path: &str) -> Result<Answer, Miss> {
    let answer = scene.stage.client(host, "").at_root(Ask::get(path)).await?.decided()?;
    if answer.status == 200 {
        return Ok(answer);
    }
    broken(format!("GET https://{host}{path}"), "200", format!("{}", answer.status))
}

/// Field names of RFC 9116 are compared without case.
fn fields(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let lines = text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once(':'));
    for (name, value) in lines {
        out.entry(name.trim().to_ascii_lowercase()).or_default().push(value.trim().to_owned());
    }
    out
}

async fn disclosure_channel(scene: &Scene) -> Outcome {
    let hosts = scene.stage.hosts(&scene.a);
    let mut contacts = 0;
    for host in &hosts {
        let answer = fetch(scene, host, PATH).await?;
        let kind = answer.header("content-type").unwrap_or_default().to_ascii_lowercase();
        if !kind.starts_with("text/plain") || !kind.contains("utf-8") {
            return broken(format!("GET {PATH}"), "text/plain; charset=utf-8", kind);
        }
        let message = answer.page();
        let key = fetch(scene, host, "/trust/security-key.asc").await?.page();
        contacts += signed(&message, &key, scene, host)?;
    }
    let clock = report(scene).await?;
    Ok(Evidence::new()
        .count("hosts", hosts.len())
        .count("contacts", contacts)
        .count("reports taken", 1)
        .word("receipt", clock))
}

/// The file as RFC 9116 wants it, and its signature; how many contacts it has.
fn signed(message: &str, key: &str, scene: &Scene, host: &str) -> Result<usize, Miss> {
    let did = format!("GET https://{host}{PATH}");
    let Some(signed) = Signed::read(message) else {
        return broken(did, "an OpenPGP cleartext signature", "none that can be read");
    };
    let Some(key) = Key::read(key) else {
        return broken("GET /trust/security-key.asc", "an Ed25519 key", "none that can be read");
    };
    if !signed.by(&key) {
        return broken(did, "signed by the published key", "a signature that does not hold");
    }
    let changed = Signed::read(&message.replacen("mailto:", "mailtu:", 1));
    if changed.is_none_or(|c| c.by(&key)) {
        return broken("changed one letter", "the signature breaks", "it held");
    }
    let fields = fields(&signed.text);
    let none = Vec::new();
    let of = |name: &str| fields.get(name).unwrap_or(&none);
    let [expires] = of("expires").as_slice() else {
        return broken(did, "exactly one Expires", format!("{}", of("expires").len()));
    };
    let now = scene.stage.now();
    let left = expires.parse::<jiff::Timestamp>().map_or(-1, |t| t.as_millisecond() - now.0);
    if !(7 * DAY..=366 * DAY).contains(&left) {
        return broken(did, "Expires in 7 to 366 days", format!("in {} days", left.div_euclid(DAY)));
    }
    let canonical = format!("https://{host}{PATH}");
    if !of("canonical").contains(&canonical) {
        return broken(did, "Canonical names this address", "another, or none");
    }
    let mail = format!("mailto:{}", scene.app.disclosure.contact);
    if !of("contact").contains(&mail) {
        return broken(did, "Contact names the page's mail address", "it does not");
    }
    Ok(of("contact").len())
}

/// The form takes a report, the team is told, and the reporter can see the clock.
async fn report(scene: &Scene) -> Result<&'static str, Miss> {
    let stage = &scene.stage;
    let client = stage.client(&scene.a.host, "");
    fetch(scene, &scene.a.host, "/trust/report").await?;
    let team = scene.app.disclosure.contact.clone();
    let before = stage.instance.mail.count(&team);
    let secret = format!("door-{}", random::hex(12));
    let sent = json!({"summary": format!("a test of the channel {secret}"), "contact": "prober@canary.example"});
    let answer = client.at_root(Ask::post("/trust/report", &sent)).await?.decided()?;
    if answer.status != 201 {
        return broken("POST /trust/report", "201", format!("{}", answer.status));
    }
    let url = answer.text("url");
    let Some(at) = url.find("/trust/report/") else {
        return broken("POST /trust/report", "an address where its state can be read", "none");
    };
    let path = url.get(at..).unwrap_or_default().to_owned();
    let page = fetch(scene, &scene.a.host, &path).await?.page();
    if page.contains(&secret) {
        return broken(format!("GET {}", "/trust/report/..."), "its state, not its content", "the content");
    }
    let due = answer.text("acknowledge_by").parse::<jiff::Timestamp>().map_or(0, |t| t.as_millisecond());
    if due <= stage.now().0 || due > stage.now().plus(32 * DAY).0 {
        return broken("POST /trust/report", "a day by which a person confirms", "none within a month");
    }
    let mail = stage.instance.mail.wait(&team, before).await?;
    if mail.text.contains(&secret) {
        return broken("read the mail to the team", "that there is a report", "its content");
    }
    let unknown = client.at_root(Ask::get(format!("/trust/report/{}", random::hex(32)))).await?.decided()?;
    if unknown.status != 404 {
        return broken("GET /trust/report/<another>", "404", format!("{}", unknown.status));
    }
    Ok("shows the clock")
}

/// What the server says it keeps, against what the manifest declares and the disk holds.
async fn inventory(scene: &Scene) -> Outcome {
    let told = fetch(scene, &scene.a.host, "/trust/inventory.json").await?.json();
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let name = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut said = BTreeSet::new();
    for collection in list(&told, "collections") {
        for field in list(&collection, "fields") {
            said.insert((name(&collection, "collection"), name(&field, "field")));
        }
    }
    let declared: BTreeSet<(String, String)> = scene
        .app
        .collections
        .iter()
        .flat_map(|c| c.fields.iter().map(|f| (c.id.to_owned(), f.id.to_owned())))
        .collect();
    let unlike = said.symmetric_difference(&declared).count();
    if unlike > 0 {
        return broken(
            "GET /trust/inventory.json",
            "every declared field, and no other",
            format!("{unlike} differences"),
        );
    }
    let regions: BTreeSet<String> = list(&told, "regions").iter().map(|r| name(r, "id")).collect();
    if regions != scene.app.regions.iter().map(|r| r.id.to_owned()).collect() {
        return broken("GET /trust/inventory.json", "the declared regions", "others");
    }
    let stores = told.get("stores").cloned().unwrap_or_default();
    let files = databases(scene);
    let embedded = name(&stores, "records").contains("SQLite");
    let postgres = scene.stage.instance.setup().database.is_some();
    if embedded == postgres || embedded != (files > 0) {
        return broken("read the data folder", "records where the inventory says", format!("{files} database files"));
    }
    let empty: Vec<&str> =
        ["records", "files", "cache", "mail", "log"].into_iter().filter(|s| name(&stores, s).is_empty()).collect();
    if !empty.is_empty() {
        return broken(
            "GET /trust/inventory.json",
            "every store has a place",
            format!("none for {}", empty.join(", ")),
        );
    }
    Ok(Evidence::new().count("fields", said.len()).count("regions", regions.len()).count("database files", files))
}

/// The list of outside services, against the settings that bring each in: the manifest's, and the mail server that this
/// instance was told to use.
async fn subprocessors(scene: &Scene) -> Outcome {
    let told = fetch(scene, &scene.a.host, "/trust/inventory.json").await?.json();
    let listed = told.get("subprocessors").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let said: BTreeSet<String> = listed.iter().map(|s| text(s, "setting")).collect();
    let wanted = bringing_in(&scene.app);
    if said != wanted || said.len() != listed.len() {
        return broken(
            "GET /trust/inventory.json",
            format!("the {} services that settings bring in", wanted.len()),
            format!("{} entries, {} of them so", listed.len(), said.intersection(&wanted).count()),
        );
    }
    let mail = listed.iter().find(|s| text(s, "setting") == "mail").map(|s| text(s, "name")).unwrap_or_default();
    let given = scene.stage.instance.secrets.get("VOUCHSAFE_SMTP_URL").cloned().unwrap_or_default();
    let host = given.trim_start_matches("smtp://").split(':').next().unwrap_or_default().to_owned();
    if !mail.contains(&host) {
        return broken("looking for the mail server in the list", host, mail);
    }
    if let Some(region) = &scene.app.mail.region
        && !mail.contains(region.as_str())
    {
        return broken("looking for the mail server's region in the list", region.clone(), mail);
    }
    let page = fetch(scene, &scene.a.host, "/trust/inventory").await?.page();
    let shown = listed.iter().filter(|s| page.contains(&escaped(&text(s, "name")))).count();
    if shown < listed.len() {
        return broken("GET /trust/inventory", format!("{} services by name", listed.len()), format!("{shown}"));
    }
    Ok(Evidence::new().count("outside services listed", listed.len()).count("brought in by no setting", 0))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn databases(scene: &Scene) -> usize {
    let mut found = 0;
    let mut folders = vec![scene.stage.instance.data().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "db") {
                found += 1;
            }
        }
    }
    found
}

/// The settings that bring an outside service in, read from the manifest alone.
fn bringing_in(app: &App) -> BTreeSet<String> {
    let mut settings = BTreeSet::from(["mail".to_owned()]);
    let mut add = |there: bool, setting: &str| {
        if there {
            settings.insert(setting.to_owned());
        }
    };
    add(app.auth.issuer.is_some(), "auth.issuer");
    add(app.payments.is_some(), "payments");
    add(app.observability.sentry.is_some(), "observability.sentry");
    add(app.observability.otlp.is_some(), "observability.otlp");
    settings.extend(app.connectors.iter().map(|c| format!("connectors.{}", c.id)));
    settings.extend(app.webhooks_in.iter().map(|w| format!("webhooks.in.{}", w.id)));
    settings
}
