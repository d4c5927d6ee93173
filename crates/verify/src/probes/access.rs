//! Who may do what: every route, every cell, every row, from outside.

use std::collections::BTreeSet;

use manifest::{CollectionGrant, GrantRows, Literal, Manage, Role};
use serde_json::{Value, json};

use super::{
    probe,
    tenant::{Things, unknown_id},
};
use crate::{
    act::records,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    openapi::Operation,
    pick,
    plan::Probe,
    run::Scene,
    stage::{Door, Person, Tenant},
    wire::{Answer, Ask},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("access.server_side", Together, server_side),
    probe!("access.role_floor", Together, role_floor),
    probe!("access.row_visibility", Together, row_visibility),
    probe!("access.roster", Together, roster),
];

/// What the collection's grant to somebody is.
fn grant<'g>(scene: &Scene, grants: &'g manifest::Grants, collection: &str) -> Option<&'g CollectionGrant> {
    let at = scene.app.collections.iter().position(|c| c.id == collection)?;
    grants.collections.get(&at)
}

/// The collection and verb behind a path of the records API, by the contract's paths: not by what the server says.
fn cell(method: &str, path: &str) -> Option<(String, String)> {
    let rest = path.strip_prefix("/api/v1/collections/")?;
    let (collection, rest) = rest.split_once('/')?;
    let verb = match (method, rest.split('/').collect::<Vec<_>>().as_slice()) {
        ("GET", ["records", _, "versions"]) => "versions",
        ("GET", ["records" | "files", ..]) => "read",
        ("POST", ["records"] | ["records", "batch" | "import"] | ["files", _]) => "create",
        ("PATCH", ["records", _]) | ("PUT", ["records", _, "files", _]) => "write",
        ("DELETE", ["records", _]) => "delete",
        ("POST", ["records", _, "actions", action]) => action,
        ("POST", ["records", _, "shares", _]) => "share",
        _ => return None,
    };
    Some((collection.to_owned(), verb.to_owned()))
}

/// Doors that are open to everybody by the contract.
fn open_door(scene: &Scene, operation: &Operation) -> bool {
    let path = operation.path.as_str();
    let doors = [
        "/api/v1/openapi.json",
        "/api/v1/me/rights",
        "/api/v1/invitations/accept",
        "/api/v1/tenants",
        "/api/v1/canary",
    ];
    // A canary's key stands in its path, as a share's token does.
    let prefixes = ["/api/v1/submissions/", "/api/v1/shares/", "/api/v1/canary/"];
    let tokens = ["sign-in", "refresh", "sign-up", "verify", "reset-request", "reset", "magic-link", "magic"];
    let sign_in = path.strip_prefix("/api/v1/auth/").is_some_and(|p| tokens.contains(&p));
    let visitor = cell(operation.method, path).is_some_and(|(c, verb)| {
        grant(scene, &scene.app.visitor, &c).is_some_and(|g| g.verbs.contains_key(verb.as_str()))
    });
    doors.contains(&path)
        || prefixes.iter().any(|p| path.starts_with(p))
        || sign_in
        || visitor
        || path.starts_with("/api/v1/webhooks/in/")
}

async fn server_side(scene: &Scene) -> Outcome {
    let mut tenant = scene.stage.lone_canary().await?;
    // Of things that are there: an id of nothing is answered 404 by a route that asks for no right at all.
    let mut things = Things::of(scene, &tenant).await?;
    let api = scene.stage.openapi(&scene.a).await?;
    let last = scene.app.roles.last().map_or("", |r| r.id);
    let (mut closed, mut open, mut undecided, mut real) = (0, 0, 0, 0);
    for operation in &api.operations {
        if operation.action.is_empty() {
            return broken(
                "reading the route table",
                "an action for each route",
                format!("{} has none", operation.path),
            );
        }
        if open_door(scene, operation) {
            open += 1;
            continue;
        }
        let ask = |things: &Things| {
            let id = |name: &str| things.id(&operation.path, name).unwrap_or_else(unknown_id);
            let ask = Ask::new(operation.method, operation.at(id));
            if operation.changes() { ask.json(&json!({})) } else { ask }
        };
        let mut answer = scene.stage.at(&tenant).send(ask(&things)).await?;
        if answer.status == 429 {
            tenant = scene.stage.lone_canary().await?;
            things = Things::of(scene, &tenant).await?;
            answer = scene.stage.at(&tenant).send(ask(&things)).await?;
        }
        real += usize::from(operation.segments().any(|name| things.id(&operation.path, name).is_some()));
        match answer.status {
            401 => closed += 1,
            // On a shared host a stranger is not told that there is such a tenant.
            404 if !tenant.prefix.is_empty() => closed += 1,
            429 => undecided += 1,
            other => {
                return broken(
                    format!("{} {} without a token", operation.method, operation.path),
                    "401",
                    format!("{other}"),
                );
            }
        }
    }
    if undecided > 0 {
        return unclear(format!("{undecided} routes answered 429"));
    }
    let (member, refused) = demotion(scene, last).await?;
    Ok(Evidence::new()
        .count("routes refused without a token", closed)
        .count("of them with the id of a thing that is there", real)
        .count("open to everybody by the manifest", open)
        .count("routes refused to an old token after a demotion", refused)
        .and(member))
}

/// A token of the first role, used after its holder was given the last: what only the first may do is refused.
async fn demotion(scene: &Scene, last: &'static str) -> Result<(Evidence, usize), Miss> {
    let tenant = scene.stage.lone_canary().await?;
    let first = tenant.owner()?.role;
    if first == last {
        return Ok((Evidence::new(), 0));
    }
    let person = scene.stage.person(&tenant, first).await?;
    let token = scene.stage.token(&tenant, &person).await?;
    let boss = scene.stage.token(&tenant, tenant.owner()?).await?;
    let listed = |scene: &Scene, token: &str| {
        let client = scene.stage.at(&tenant);
        let ask = Ask::get("/api/v1/tenant").bearer(token);
        async move { client.send(ask).await }
    };
    if !listed(scene, &token).await?.decided()?.good() {
        return unclear("the first role cannot read the tenant's settings");
    }
    let ask = Ask::patch(format!("/api/v1/members/{}", person.user), &json!({"role": last})).bearer(&boss);
    scene.stage.at(&tenant).send(ask).await?.decided()?.step("demotion")?;
    let role = scene.app.roles.iter().find(|r| r.id == last).ok_or_else(|| Miss::Unclear("no last role".to_owned()))?;
    let mut refused = 0;
    for (path, resource) in [
        ("/api/v1/tenant", "settings"),
        ("/api/v1/audit", "audit"),
        ("/api/v1/members", "members"),
        ("/api/v1/members/invitations", "members"),
    ] {
        if role.floor.tenant.contains_key(resource) {
            continue;
        }
        let answer = scene.stage.at(&tenant).send(Ask::get(path).bearer(&token)).await?.decided()?;
        if answer.status != 403 {
            return broken(
                format!("GET {path} with the old token after a demotion"),
                "403",
                format!("{}", answer.status),
            );
        }
        refused += 1;
    }
    Ok((Evidence::new(), refused))
}

/// Whether a module that is off stands before a collection or action.
fn gated(scene: &Scene, collection: &str, verb: &str) -> bool {
    let named = |g: &String| g == collection || *g == format!("{collection}.{verb}");
    scene.app.modules.iter().any(|m| !m.on && m.gates.iter().any(named))
}

/// Tenant resources by the contract's paths, and what may be asked of them without changing anything.
const RESOURCES: [(&str, &str, &str, Manage); 8] = [
    ("GET", "/api/v1/members", "members", Manage::Read),
    ("PATCH", "/api/v1/members/{}", "members", Manage::Manage),
    ("DELETE", "/api/v1/members/{}", "members", Manage::Manage),
    ("POST", "/api/v1/members/{}/suspend", "members", Manage::Manage),
    ("GET", "/api/v1/members/invitations", "members", Manage::Read),
    ("GET", "/api/v1/audit", "audit", Manage::Read),
    ("GET", "/api/v1/tenant", "settings", Manage::Read),
    ("PATCH", "/api/v1/tenant", "settings", Manage::Manage),
];

/// One try of one role, and what the manifest says of it.
struct Try {
    name: String,
    ask: Ask,
    allowed: bool,
}

/// Every cell of a role that can be tried without knowing a row: a refused one answers 403, an allowed one anything else
/// (an unknown id, an empty body).
fn tries(scene: &Scene, role: &Role) -> Vec<Try> {
    let mut out = Vec::new();
    for collection in &scene.app.collections {
        let verbs = grant(scene, &role.floor, collection.id)
            .map(|g| g.verbs.keys().copied().collect::<BTreeSet<_>>())
            .unwrap_or_default();
        let base = records(collection.id);
        let one = format!("{base}/{}", unknown_id());
        let mut cells = vec![
            ("read", Ask::get(format!("{base}?limit=1"))),
            ("create", Ask::post(base.clone(), &json!({"no_such_field": 1}))),
        ];
        if !collection.append_only {
            cells.push(("write", Ask::patch(one.clone(), &json!({})).header("if-match", "\"1\"")));
            cells.push(("delete", Ask::delete(one.clone()).header("if-match", "\"1\"")));
        }
        cells.extend(
            collection.actions.iter().map(|a| (a.id, Ask::post(format!("{one}/actions/{}", a.id), &json!({})))),
        );
        for (verb, ask) in cells {
            if !gated(scene, collection.id, verb) {
                out.push(Try { name: format!("{}.{verb}", collection.id), ask, allowed: verbs.contains(verb) });
            }
        }
    }
    for (method, path, resource, wanted) in RESOURCES {
        let ask = Ask::new(method, path.replace("{}", &unknown_id()));
        let ask = if method == "PATCH" { ask.json(&json!({"role": "no_such_role", "name": ""})) } else { ask };
        let allowed = role.floor.tenant.get(resource).is_some_and(|held| *held >= wanted);
        out.push(Try { name: format!("{method} {path}"), ask, allowed });
    }
    out
}

/// A step-up asks for a proof before it looks at anything: 403 with a code of its own, and not a refusal of the role.
fn refused(answer: &Answer) -> bool {
    answer.status == 403 && answer.text("code") != "StepUp"
}

async fn role_floor(scene: &Scene) -> Outcome {
    let tenant = scene.stage.canary().await?;
    let (mut tried, mut sets) = (0, Vec::new());
    for (role, person) in scene.app.roles.iter().zip(&tenant.people) {
        let token = scene.stage.token(&tenant, person).await?;
        let mut live = BTreeSet::new();
        let mut client = scene.stage.at(&tenant);
        for (i, try_) in tries(scene, role).into_iter().enumerate() {
            if i % 30 == 29 {
                client = scene.stage.at(&tenant);
            }
            let answer = client.send(try_.ask.bearer(&token)).await?;
            tried += 1;
            if matches!(answer.status, 429 | 503) {
                return unclear(format!("{} answered {}", try_.name, answer.status));
            }
            if answer.status >= 500 || answer.status == 401 {
                return broken(format!("{} as {}", try_.name, role.id), "a decision", format!("{}", answer.status));
            }
            if refused(&answer) == try_.allowed {
                let expected = if try_.allowed { "let in, as the manifest says" } else { "403, as the manifest says" };
                return broken(
                    format!("{} as {}", try_.name, role.id),
                    expected,
                    format!("{} {}", answer.status, answer.text("code")),
                );
            }
            if try_.allowed {
                live.insert(try_.name);
            }
        }
        sets.push(live);
    }
    let made = successes(scene, &tenant).await?;
    let distinct = sets.iter().collect::<BTreeSet<_>>().len();
    Ok(Evidence::new()
        .count("roles", scene.app.roles.len())
        .count("tries", tried)
        .count("differences", 0)
        .count("different sets of rights", distinct)
        .count("allowed changes carried out", made))
}

/// Positive control: the first role makes, reads, changes and deletes a record for real.
async fn successes(scene: &Scene, tenant: &Tenant) -> Result<usize, Miss> {
    let (at, field) = scene.carrier()?;
    let made = scene.make(tenant, at, Some((field, "before"))).await?;
    let token = scene.stage.token(tenant, tenant.owner()?).await?;
    let client = scene.stage.at(tenant);
    let change = Ask::patch(made.path(), &json!({field: "after"})).bearer(&token).header("if-match", &made.etag);
    let changed = client.send(change).await?.decided()?.step("change")?;
    let tag = changed.header("etag").unwrap_or("*").to_owned();
    client.send(Ask::get(made.path()).bearer(&token)).await?.decided()?.step("read")?;
    client.send(Ask::delete(made.path()).bearer(&token).header("if-match", &tag)).await?.decided()?.step("delete")?;
    Ok(4)
}

/// A role that reads only its own rows of a collection it can add to.
fn narrow(scene: &Scene) -> Option<(&'static str, usize)> {
    for role in &scene.app.roles {
        for at in pick::makeable(&scene.app) {
            let Some(grant) = role.floor.collections.get(&at) else { continue };
            let own = |rows: &Vec<Vec<manifest::Equal>>| {
                rows.iter().all(|row| row.iter().any(|cell| cell.any.contains(&Literal::Me)))
                    && rows.iter().any(|row| row.iter().any(|cell| cell.column == "created_by"))
            };
            let limited = matches!(grant.verbs.get("read"), Some(GrantRows::Any(rows)) if own(rows));
            let fields =
                scene.app.collections.get(at).is_some_and(|c| pick::required(c).all(|(i, _)| grant.create.has(i)));
            let alone = pick::chain(&scene.app, at).is_some_and(|c| c.len() == 1);
            if limited && alone && fields && grant.verbs.contains_key("create") {
                return Some((role.id, at));
            }
        }
    }
    None
}

async fn row_visibility(scene: &Scene) -> Outcome {
    let Some((role, at)) = narrow(scene) else { return Err(Miss::Absent("no role reads only its own rows")) };
    let a = &scene.a;
    let (one, two) = (scene.stage.person(a, role).await?, scene.stage.person(a, role).await?);
    let links = scene.links(a, at).await?;
    let mine = scene.insert(a, &one, at, &pick::Links { member: one.user.clone(), ..links.clone() }, &[], None).await?;
    let theirs = scene.insert(a, &two, at, &pick::Links { member: two.user.clone(), ..links }, &[], None).await?;
    let unknown = format!("{}/{}", records(mine.collection), unknown_id());
    for (reader, own, other) in [(&one, &mine, &theirs), (&two, &theirs, &mine)] {
        let found = scene.read(a, reader, &own.path()).await?.decided()?;
        if !found.good() {
            return broken("reading one's own row", "200", format!("{}", found.status));
        }
        let (hidden, none) =
            (scene.read(a, reader, &other.path()).await?.decided()?, scene.read(a, reader, &unknown).await?.decided()?);
        if (hidden.status, &hidden.body) != (none.status, &none.body) {
            return broken(
                "reading a colleague's row",
                format!("as an unknown one: {}", none.status),
                format!("{}", hidden.status),
            );
        }
        let list =
            scene.read(a, reader, &format!("{}?limit=200&count=true", records(own.collection))).await?.decided()?;
        if list.page().contains(&other.id)
            || !list.page().contains(&own.id)
            || list.json().get("count").and_then(Value::as_u64).is_some_and(|n| n > 1)
        {
            return broken("listing and counting", "one's own rows alone", "a colleague's too");
        }
        let token = scene.stage.token(a, reader).await?;
        let change = Ask::patch(other.path(), &json!({})).bearer(&token).header("if-match", &other.etag);
        let changed = scene.stage.at(a).send(change).await?.decided()?;
        if changed.good() {
            return broken("changing a colleague's row", "refused", format!("{}", changed.status));
        }
    }
    Ok(Evidence::new().count("people of one role", 2).count("rows of the other read, listed, counted or changed", 0))
}

async fn roster(scene: &Scene) -> Outcome {
    let (a, b) = (&scene.a, &scene.b);
    let boss = scene.stage.token(a, a.owner()?).await?;
    let person = scene.stage.person(a, a.owner()?.role).await?;
    let token = scene.stage.token(a, &person).await?;
    let (at, field) = scene.carrier()?;
    let made = scene.make(a, at, Some((field, "roster"))).await?;
    let before = scene.stage.at(a).send(Ask::get(made.path()).bearer(&token)).await?.decided()?;
    if !before.good() {
        return unclear(format!("a member's call answered {}", before.status));
    }
    let remove = Ask::delete(format!("/api/v1/members/{}", person.user)).bearer(&boss);
    scene.stage.at(a).send(remove).await?.decided()?.step("removal")?;
    let client = scene.stage.at(a);
    let after = client.send(Ask::get(made.path()).bearer(&token)).await?.decided()?;
    let took = after.took;
    outsider(scene, a, "the removed member", &token, &made.path(), Some(after)).await?;
    // Someone who is a member elsewhere is nobody here.
    let stranger: &Person = b.owner()?;
    let theirs = scene.stage.token(b, stranger).await?;
    let routes = outsider(scene, a, "a member of another tenant", &theirs, &made.path(), None).await?;
    Ok(Evidence::new()
        .word("removed, next request", "404")
        .millis("answered in", took)
        .count("routes closed to a non-member", routes))
}

/// Every data route must answer an outsider as if nothing were there, and without data.
async fn outsider(
    scene: &Scene,
    tenant: &Tenant,
    who: &str,
    token: &str,
    record: &str,
    first: Option<Answer>,
) -> Result<usize, Miss> {
    let api = scene.stage.openapi(tenant).await?;
    let mut routes = 0;
    if let Some(answer) = first
        && answer.status != 404
    {
        return broken(format!("{who}: GET of a record"), "404", format!("{}", answer.status));
    }
    // The issuer's token names its tenant: elsewhere it is no credential at all.
    let foreign = who.contains("another") && scene.stage.door() == Door::Delegated;
    let answer = scene.stage.at(tenant).send(Ask::get(record).bearer(token)).await?.decided()?;
    if answer.status != 404 && !(foreign && answer.status == 401) {
        return broken(format!("{who}: GET of a record"), "404", format!("{}", answer.status));
    }
    let mut client = scene.stage.at(tenant);
    for operation in api.operations.iter().filter(|o| o.method == "GET" && !open_door(scene, o) && o.tier != "exports")
    {
        // About oneself one may always ask.
        if operation.path.starts_with("/api/v1/me")
            || operation.action.starts_with("house.")
            || operation.action.starts_with("account.")
        {
            continue;
        }
        if routes % 40 == 39 {
            client = scene.stage.at(tenant);
        }
        let answer = client.send(Ask::get(operation.at(|_| unknown_id())).bearer(token)).await?.decided()?;
        routes += 1;
        if !matches!(answer.status, 404 | 401) {
            return broken(format!("{who}: GET {}", operation.path), "404", format!("{}", answer.status));
        }
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_from_paths() {
        let is = |method, path, expected: Option<(&str, &str)>| {
            let found = cell(method, path);
            assert_eq!(found.as_ref().map(|(c, v)| (c.as_str(), v.as_str())), expected, "{method} {path}");
        };
        is("GET", "/api/v1/collections/orders/records", Some(("orders", "read")));
        is("POST", "/api/v1/collections/orders/records", Some(("orders", "create")));
        is("POST", "/api/v1/collections/orders/records/{id}/actions/refund", Some(("orders", "refund")));
        is("DELETE", "/api/v1/collections/orders/records/{id}", Some(("orders", "delete")));
        is("GET", "/api/v1/members", None);
    }
}
