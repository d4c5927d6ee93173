//! The walls between tenants.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{origin::shape, probe};
use crate::{
    act::records,
    copy,
    disk::Disk,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    openapi::Operation,
    pick,
    plan::Probe,
    random,
    run::Scene,
    stage::{Door, Tenant},
    wire::Ask,
};

pub(super) const PROBES: &[Probe] = &[
    probe!("tenant.cross_read", Together, cross_read),
    probe!("tenant.query_scope", Together, query_scope),
    probe!("tenant.hard_wall", Together, hard_wall),
    probe!("tenant.slug_membership", Together, slug_membership),
    probe!("tenant.suspension", Together, suspension),
    probe!("tenant.reserved_names", Together, reserved_names),
];

/// A well-formed id that nothing has.
pub(super) fn unknown_id() -> String {
    let h = random::hex(16);
    let part = |from: usize, to: usize| h.get(from..to).unwrap_or("00000000").to_owned();
    format!("{}-{}-7{}-9{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Ids of things that exist at `tenant`, by the collection that a path names; the owner's for members.
pub(super) struct Things {
    records: Vec<(&'static str, String)>,
    member: String,
}

impl Things {
    pub(super) async fn of(scene: &Scene, tenant: &Tenant) -> Result<Self, Miss> {
        let mut records = Vec::new();
        for at in pick::makeable(&scene.app) {
            let made = scene.make(tenant, at, None).await?;
            records.push((made.collection, made.id));
        }
        Ok(Self { records, member: tenant.people.last().map(|p| p.user.clone()).unwrap_or_default() })
    }
    /// An id for the segment `name` of a path.
    pub(super) fn id(&self, path: &str, name: &str) -> Option<String> {
        if name == "user" {
            return Some(self.member.clone());
        }
        let record = |(collection, id): &(&str, String)| {
            path.contains(&format!("/collections/{collection}/")).then(|| id.clone())
        };
        self.records.iter().find_map(record)
    }
}

/// A request for an operation with ids from `id`, with what a change would say.
fn ask(operation: &Operation, id: &str) -> Ask {
    let ask = Ask::new(operation.method, operation.at(|_| id.to_owned()));
    match operation.method {
        "GET" | "DELETE" => ask,
        _ => ask.json(&json!({})),
    }
}

async fn cross_read(scene: &Scene) -> Outcome {
    let (a, b) = (&scene.a, &scene.b);
    let theirs = Things::of(scene, b).await?;
    let token = scene.stage.token(a, a.owner()?).await?;
    let (mut tried, mut skipped) = (0, 0);
    let api = scene.stage.openapi(a).await?;
    let mut client = scene.stage.at(a);
    for operation in api.operations.iter().filter(|o| o.segments().count() == 1) {
        let name = operation.segments().next().unwrap_or_default();
        let Some(foreign) = theirs.id(&operation.path, name) else {
            skipped += 1;
            continue;
        };
        if tried % 40 == 39 {
            client = scene.stage.at(a);
        }
        for with_tag in [false, true] {
            let tagged = |ask: Ask| if with_tag { ask.header("if-match", "\"1\"") } else { ask };
            let asked = client.send(tagged(ask(operation, &foreign)).bearer(&token)).await?;
            let unknown = client.send(tagged(ask(operation, &unknown_id())).bearer(&token)).await?;
            if asked.status == 429 || unknown.status == 429 {
                return unclear("429 where an answer was wanted");
            }
            tried += 1;
            if shape(&asked) != shape(&unknown) {
                return broken(
                    format!("{} {} with an id of another tenant", operation.method, operation.path),
                    format!("as for an unknown id: {}, {} bytes", unknown.status, unknown.body.len()),
                    format!("{}, {} bytes", asked.status, asked.body.len()),
                );
            }
            if asked.good() {
                return broken(
                    format!("{} {} with an unknown id", operation.method, operation.path),
                    "a refusal",
                    format!("{}", asked.status),
                );
            }
        }
        // At the neighbour's own host, too, the token opens nothing.
        if a.host != b.host {
            let there = scene.stage.at(b).send(ask(operation, &foreign).bearer(&token)).await?;
            if there.good() && operation.signed {
                return broken(
                    format!("{} {} at the other tenant's host", operation.method, operation.path),
                    "a stranger's answer",
                    format!("{}", there.status),
                );
            }
        }
    }
    // Positive control: the ids are real where they belong.
    let owner = scene.stage.token(b, b.owner()?).await?;
    let (collection, id) = theirs.records.first().ok_or(Miss::Unbuilt("no record can be made"))?;
    let own = scene.stage.at(b).send(Ask::get(format!("{}/{id}", records(collection))).bearer(&owner)).await?;
    if !own.good() {
        return unclear("the other tenant cannot read its own record");
    }
    Ok(Evidence::new()
        .count("foreign ids", tried)
        .count("answers unlike those to unknown ids", 0)
        .count("routes without such ids", skipped))
}

/// What a tenant says when asked for its records, in every way there is.
async fn everything(
    scene: &Scene,
    tenant: &Tenant,
    collection: &str,
    field: &str,
    marker: &str,
) -> Result<Vec<String>, Miss> {
    let base = records(collection);
    let filter = format!("{field} = \"{marker}\"").replace(' ', "%20").replace('"', "%22");
    let mut out = Vec::new();
    let exports = scene.stage.openapi(tenant).await?.has("GET", &format!("{base}/export"));
    let mut paths = vec![
        format!("{base}?limit=200"),
        format!("{base}?filter={filter}&count=true"),
        format!("{base}?sort={field}&limit=200"),
        format!("{base}?sort=-{field}&count=true"),
    ];
    if exports {
        paths.extend(scene.app.data.formats.iter().map(|f| format!("{base}/export?format={f}")));
    }
    for path in paths {
        out.push(scene.read(tenant, tenant.owner()?, &path).await?.decided()?.step("list")?.page());
    }
    Ok(out)
}

async fn query_scope(scene: &Scene) -> Outcome {
    // Tenants of its own: exports have a small budget per tenant.
    let (a, b) = (&scene.stage.lone_canary().await?, &scene.stage.lone_canary().await?);
    let (at, field) = scene.carrier()?;
    let (mine, theirs) = (format!("mark-{}", random::hex(8)), format!("mark-{}", random::hex(8)));
    let made = scene.make(a, at, Some((field, &mine))).await?;
    scene.make(b, at, Some((field, &theirs))).await?;
    let (mut answers, mut counted) = (0, 0);
    for page in everything(scene, a, made.collection, field, &theirs).await? {
        answers += 1;
        if page.contains(&theirs) {
            return broken("lists, filters, sorts, counts and exports of A", "no row of B", "B's marker");
        }
        if let Some(n) = serde_json::from_str::<Value>(&page).ok().and_then(|v| v.get("count").and_then(Value::as_u64))
        {
            counted += 1;
            if n > 1 {
                return broken("counting A's records", "A's alone", format!("{n}"));
            }
        }
    }
    let control = everything(scene, a, made.collection, field, &mine).await?;
    if !control.iter().all(|page| page.contains(&mine)) {
        return unclear("A does not find its own row in every list");
    }
    let files = on_disk(scene, a, &mine, b, &theirs).await?;
    Ok(Evidence::new()
        .count("lists, filters, sorts and exports", answers)
        .count("counts", counted)
        .count("rows of the neighbour", 0)
        .and(files))
}

/// A's file holds A's marker and nothing of B; the shared file holds neither. On a database server: the same of scopes.
async fn on_disk(scene: &Scene, a: &Tenant, mine: &str, b: &Tenant, theirs: &str) -> Outcome {
    if let Some(client) = super::served::connect(scene).await? {
        return super::served::walled(&client, a, mine, b, theirs).await;
    }
    let data = scene.stage.instance.data();
    let scratch = scene.stage.instance.scratch();
    let disk = Disk::of(&scene.stage.instance);
    let read = |file: &std::path::Path| bytes_of(disk.clone(), file.to_owned(), scratch.to_owned());
    let file = |tenant: &Tenant| match copy::of_tenant(data, &tenant.id)? {
        Some(file) => Ok(file),
        None => broken("looking for a tenant's database", "a file of its own", "none"),
    };
    let has = |bytes: &[u8], text: &str| crate::wire::find(bytes, text.as_bytes()).is_some();
    let (of_a, of_b) = (read(&file(a)?).await?, read(&file(b)?).await?);
    if !has(&of_a, mine) || !has(&of_b, theirs) {
        return unclear("a tenant's file does not hold its own row in the open: no positive control");
    }
    for (name, bytes, foreign) in [("A", &of_a, [theirs, &b.id]), ("B", &of_b, [mine, &a.id])] {
        if foreign.iter().any(|text| has(bytes, text)) {
            return broken(
                format!("reading the bytes of {name}'s file"),
                "nothing of the other's",
                "the other's marker or id",
            );
        }
    }
    let mut others = 0;
    for path in copy::files(data)?.into_iter().filter(|f| f.extension().is_some_and(|e| e == "db")) {
        if path != file(a)? && path != file(b)? {
            others += 1;
            let bytes = read(&path).await?;
            if has(&bytes, mine) || has(&bytes, theirs) {
                return broken("reading the bytes of every other database", "no record of a tenant", "one");
            }
        }
    }
    Ok(Evidence::new().count("other databases searched", others).count("hits in another's file", 0))
}

/// The bytes of a live database, by way of a copy.
async fn bytes_of(disk: Disk, file: std::path::PathBuf, scratch: std::path::PathBuf) -> Result<Vec<u8>, Miss> {
    copy::aside(move || {
        let to = scratch.join(format!("copy-{}.db", random::hex(4)));
        copy::database(&disk, &file, &to).map_err(|e| Miss::Unclear(format!("sqlite: {e}")))?;
        let bytes = std::fs::read(&to)?;
        std::fs::remove_file(to)?;
        Ok(bytes)
    })
    .await?
}

async fn hard_wall(scene: &Scene) -> Outcome {
    let (a, b) = (&scene.a, &scene.b);
    let (at, field) = scene.carrier()?;
    let (mine, theirs) = (format!("mark-{}", random::hex(8)), format!("mark-{}", random::hex(8)));
    scene.make(a, at, Some((field, &mine))).await?;
    scene.make(b, at, Some((field, &theirs))).await?;
    let evidence = on_disk(scene, a, &mine, b, &theirs).await?;
    // Whatever statement runs for A runs on A's file: it has no table of B's and no way to attach one.
    let status = scene.stage.instance.admin(&json!({"do": "status", "as": "verify"})).await?;
    let engine = if status.get("engine").and_then(Value::as_str) == Some("postgres") { "postgres" } else { "sqlite" };
    let files =
        if engine == "sqlite" { Evidence::new().count("files, one for each tenant", 2) } else { Evidence::new() };
    Ok(Evidence::new().word("engine", engine).and(files).and(evidence))
}

async fn slug_membership(scene: &Scene) -> Outcome {
    if !scene.app.tenant.membership_slug {
        return Err(Miss::Absent("tenants are found by host name"));
    }
    let (a, b) = (&scene.a, &scene.b);
    let token = scene.stage.token(a, a.owner()?).await?;
    let client = scene.stage.client(&a.host, "");
    let mut tried = 0;
    for path in ["/api/v1/tenant", "/api/v1/members", "/api/v1/audit", "/api/v1/me/rights"] {
        for (foreign, unknown) in [(b.slug.clone(), format!("canary-{}", random::hex(5))), (b.id.clone(), unknown_id())]
        {
            let theirs = client.at_root(Ask::get(format!("/w/{foreign}{path}")).bearer(&token)).await?.decided()?;
            let none = client.at_root(Ask::get(format!("/w/{unknown}{path}")).bearer(&token)).await?.decided()?;
            tried += 1;
            if shape(&theirs) != shape(&none) || theirs.good() {
                return broken(
                    format!("GET /w/<another's workspace>{path}"),
                    format!("as for an unknown one: {}", none.status),
                    format!("{}", theirs.status),
                );
            }
        }
    }
    for (name, value) in [("x-workspace", b.slug.as_str()), ("x-tenant", &b.id), ("x-forwarded-prefix", "/w/x")] {
        let answer =
            scene.stage.at(a).send(Ask::get("/api/v1/tenant").bearer(&token).header(name, value)).await?.decided()?;
        if answer.text("id") != a.id {
            return broken(format!("GET of A's workspace with {name} naming B"), "A's", format!("{}", answer.status));
        }
    }
    // A second customer who wants the same slug.
    let owner_role = a.owner()?.role;
    let twin = scene.stage.canary_named(&a.slug, &[owner_role]).await;
    let evidence = Evidence::new().count("foreign slugs and ids answered like unknown ones", tried);
    match twin {
        Err(_) if scene.app.tenant.slug_unique => Ok(evidence.word("an equal slug", "refused before it exists")),
        Err(miss) => Err(miss),
        Ok(_) if scene.app.tenant.slug_unique => {
            broken("making a second workspace with a slug in use", "refused", "made")
        }
        Ok(twin) => {
            for (tenant, other) in [(a, &twin), (&twin, a)] {
                let token = scene.stage.token(tenant, tenant.owner()?).await?;
                let answer =
                    client.at_root(Ask::get(format!("/w/{}/api/v1/tenant", a.slug)).bearer(&token)).await?.decided()?;
                if answer.text("id") != tenant.id {
                    let saw = if answer.text("id") == other.id {
                        "the other's".to_owned()
                    } else {
                        format!("{}", answer.status)
                    };
                    return broken("the same slug asked for by each of two customers", "each one's own workspace", saw);
                }
                let by_id = client
                    .at_root(Ask::get(format!("/w/{}/api/v1/tenant", other.id)).bearer(&token))
                    .await?
                    .decided()?;
                if by_id.good() {
                    return broken("the twin's id", "as unknown", format!("{}", by_id.status));
                }
            }
            Ok(evidence.count("customers with one slug, each in their own", 2))
        }
    }
}

async fn suspension(scene: &Scene) -> Outcome {
    let tenant = scene.stage.lone_canary().await?;
    let (at, field) = scene.carrier()?;
    let made = scene.make(&tenant, at, Some((field, "suspension"))).await?;
    let owner = tenant.owner()?;
    let tokens = scene.stage.sign_in(&tenant, owner).await?;
    let before = scene.leaves(&tenant).await?.len();
    let order = |what: &str| json!({"do": what, "as": "verify", "tenant": tenant.id});
    scene.stage.instance.admin(&order("tenant.suspend")).await?;
    let mut surfaces = 0;
    let api = scene.stage.openapi(&scene.a).await?;
    let own_host = !scene.app.tenant.membership_slug;
    let mut client = scene.stage.at(&tenant);
    for operation in &api.operations {
        let path = operation.at(|_| made.id.clone());
        // On a shared host, what is not a workspace's is no surface of this tenant.
        for token in [tokens.access.as_str(), ""] {
            if token.is_empty() && !own_host {
                continue;
            }
            if surfaces % 40 == 39 {
                client = scene.stage.at(&tenant);
            }
            let ask = Ask::new(operation.method, path.clone()).bearer(token);
            let ask = if operation.changes() { ask.json(&json!({"refresh_token": tokens.refresh})) } else { ask };
            let answer = client.send(ask).await?;
            surfaces += 1;
            if answer.status != 403 || answer.text("code") != "TenantSuspendedError" {
                return broken(
                    format!("{} {} of a suspended tenant", operation.method, operation.path),
                    "403 with code TenantSuspendedError",
                    format!("{}", answer.status),
                );
            }
        }
    }
    for page in ["/", "/sign-in", "/console"] {
        if own_host {
            let answer = client.send(Ask::get(page)).await?;
            surfaces += 1;
            if answer.status != 403 {
                return broken(format!("GET {page} of a suspended tenant"), "403", format!("{}", answer.status));
            }
        }
    }
    scene.stage.instance.admin(&order("tenant.resume")).await?;
    let again = scene.stage.at(&tenant).send(Ask::get(made.path()).bearer(&tokens.access)).await?.decided()?;
    if !again.good() || !again.page().contains("suspension") {
        return broken("the same record after it was resumed", "200", format!("{}", again.status));
    }
    let leaves = scene.leaves(&tenant).await?;
    let meanwhile: BTreeSet<&str> =
        leaves.iter().skip(before).filter_map(|l| l.get("action").and_then(Value::as_str)).collect();
    if let Some(other) =
        meanwhile.iter().find(|a| !matches!(**a, "tenant.suspended" | "tenant.resumed" | "session.created"))
    {
        return broken(
            "reading the log of the suspended time",
            "nothing but the suspension itself",
            (*other).to_owned(),
        );
    }
    Ok(Evidence::new().count("surfaces with code TenantSuspendedError", surfaces).word("resumed", "works again"))
}

/// Spellings that pass for `name`.
fn spellings(name: &str) -> Vec<String> {
    let wide: String = name
        .chars()
        .map(|c| char::from_u32(u32::from(c) + 0xFEE0).filter(|_| c.is_ascii_alphanumeric()).unwrap_or(c))
        .collect();
    let cyrillic: String = name
        .chars()
        .map(|c| match c {
            'a' => '\u{430}',
            'e' => '\u{435}',
            'o' => '\u{43e}',
            'p' => '\u{440}',
            'c' => '\u{441}',
            'i' => '\u{456}',
            'w' => '\u{51d}',
            's' => '\u{455}',
            c => c,
        })
        .collect();
    let leet: String = name
        .chars()
        .map(|c| match c {
            'o' => '0',
            'i' | 'l' => '1',
            'e' => '3',
            'a' => '4',
            's' => '5',
            c => c,
        })
        .collect();
    let capital = name.to_uppercase();
    let title: String =
        name.chars().enumerate().map(|(i, c)| if i == 0 { c.to_ascii_uppercase() } else { c }).collect();
    let mut out = vec![
        name.to_owned(),
        capital,
        title,
        format!("{name}."),
        format!(" {name}"),
        format!("{name} "),
        format!("xn--{name}"),
        format!("{name}\u{200b}"),
        format!("{name}\u{3002}"),
        wide,
    ];
    out.extend([cyrillic, leet].into_iter().filter(|s| s != name));
    if name.contains('m') {
        out.push(name.replace('m', "rn"));
    }
    out
}

async fn reserved_names(scene: &Scene) -> Outcome {
    let role = scene.a.owner()?.role;
    let mut names: BTreeSet<String> = scene.app.tenant.reserved.iter().cloned().collect();
    names.extend(["admin", "www", "api", "mail"].map(str::to_owned));
    names.insert(scene.app.tenant.host.clone());
    // Every name as it is and in capitals; every spelling of some.
    let all: Vec<String> = names
        .iter()
        .enumerate()
        .flat_map(|(i, n)| {
            let spellings = spellings(n);
            let keep =
                if i % 4 == 0 || ["admin", "www", "api", "mail"].contains(&n.as_str()) { spellings.len() } else { 2 };
            spellings.into_iter().take(keep)
        })
        .collect();
    for name in &all {
        match scene.stage.canary_named(name, &[role]).await {
            Ok(_) => return broken(format!("making a tenant called `{}`", name.escape_unicode()), "refused", "made"),
            Err(Miss::Unclear(why)) if why.starts_with("admin: ") => {}
            Err(other) => return Err(other),
        }
    }
    // Through the public door as well, where there is one.
    let mut public = 0;
    let api = scene.stage.openapi(&scene.a).await?;
    if api.has("POST", "/api/v1/tenants") && scene.stage.door() != Door::Delegated {
        for name in all.iter().take(4) {
            let body = json!({"slug": name, "name": "Canary", "email": format!("x{}@canary.example", random::hex(4)), "password": format!("Rowan-{}", random::hex(8))});
            let answer = scene
                .stage
                .client(&scene.stage.apex(), "")
                .at_root(Ask::post("/api/v1/tenants", &body))
                .await?
                .decided()?;
            public += 1;
            if answer.good() {
                return broken("signing up a tenant with a reserved name", "422", format!("{}", answer.status));
            }
        }
    }
    Ok(Evidence::new()
        .count("reserved names", names.len())
        .count("spellings refused", all.len())
        .count("of them at the public door", public))
}
