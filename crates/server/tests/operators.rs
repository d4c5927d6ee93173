//! The register closes the socket to names that are not in it; a link opens the operators' pages once, on the apex host
//! alone; what is done there is recorded, and never asked for by another site.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use house::*;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

const HTML: &str = "text/html,application/xhtml+xml";
const FORM: &str = "application/x-www-form-urlencoded";
const HOUSE: &str = "00000000-0000-0000-0000-000000000000";

/// One order as a name: `ok`, or `error`.
async fn order(house: &House, name: &str, mut order: Value) -> Result<Value, String> {
    order["as"] = name.into();
    let mut stream = UnixStream::connect(house.data.join("admin.sock")).await.unwrap();
    stream.write_all(format!("{order}\n").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let answer: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    match answer.get("error") {
        Some(words) => Err(words.as_str().unwrap().to_owned()),
        None => Ok(json!({"ok": answer["ok"], "note": answer["note"]})),
    }
}

fn newcomer(name: &str, days: i64) -> Value {
    let line = json!({"name": name, "reason": "on call for production", "owner": "Head of operations", "days": days});
    json!({"do": "operator.add", "newcomer": line})
}

fn browser(door: &Door, site: &str) -> Door {
    let origin = format!("http://{}", door.host);
    door.with("accept", HTML).with("sec-fetch-mode", "navigate").with("sec-fetch-site", site).with("origin", &origin)
}

async fn link(house: &House) -> String {
    let made = order(house, "ann", json!({"do": "operator.link"})).await.unwrap();
    made["ok"]["url"].as_str().unwrap().split("token=").nth(1).unwrap().to_owned()
}

/// Goes in by a fresh link.
async fn inside(house: &House) -> Door {
    let token = link(house).await;
    let answer =
        send(&browser(&house.apex(), "same-origin"), "/operator/enter", &format!("token={token}")).await.is(303);
    assert_eq!(answer.header("location"), Some("/operator"));
    let line = answer.header("set-cookie").unwrap().to_owned();
    assert!(line.contains("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=28800"), "{line}");
    browser(&house.apex(), "same-origin").with("cookie", line.split(';').next().unwrap())
}

async fn send(door: &Door, path: &str, body: &str) -> Answer {
    door.send("POST", path, Some(FORM), body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_register_decides_who_acts_at_the_socket() {
    let house = House::open("kwestra").await;
    let list = json!({"do": "operator.list"});
    let open = order(&house, "whoever", list.clone()).await.unwrap();
    assert!(open["note"].as_str().unwrap().contains("empty"));
    // Nobody gets a link who is in no register.
    assert!(order(&house, "ann", json!({"do": "operator.link"})).await.is_err());
    order(&house, "ann", newcomer("ann", 90)).await.unwrap();
    assert_eq!(order(&house, "ann", list.clone()).await.unwrap()["note"], Value::Null);
    for wrong in [newcomer("verify", 9), newcomer("eve", 0), newcomer("eve", 367), newcomer("", 9)] {
        order(&house, "ann", wrong).await.unwrap_err();
    }
    // Every kind of order, and routes too.
    let tenant = house.ready.tenants[0].id.clone();
    let call = json!({"do": "call", "tenant": HOUSE, "method": "GET", "path": "/api/v1/operator/reports"});
    for what in [
        list.clone(),
        json!({"do": "tenant.list"}),
        json!({"do": "tenant.suspend", "tenant": tenant}),
        json!({"do": "status"}),
        newcomer("eve", 9),
        json!({"do": "operator.remove", "name": "ann"}),
        call.clone(),
    ] {
        let why = order(&house, "eve", what.clone()).await.unwrap_err();
        assert!(why.contains("not in the register"), "{what}: {why}");
    }
    assert_eq!(order(&house, "ann", call).await.unwrap()["ok"]["status"], 200);
    // The prober goes on, and reaches what was made for it alone.
    let people = json!([{"email": "a@sink.canary.example", "role": null}]);
    let canary = json!({"do": "tenant.create", "slug": "canary-1", "canary": true, "people": people});
    let made = order(&house, "verify", canary.clone()).await.unwrap();
    order(&house, "verify", json!({"do": "status"})).await.unwrap();
    order(&house, "verify", json!({"do": "operator.state"})).await.unwrap();
    let mut real = canary;
    real["canary"] = false.into();
    for what in [
        real,
        json!({"do": "tenant.delete", "tenant": tenant}),
        json!({"do": "member.add", "tenant": tenant, "email": "x@sink.canary.example"}),
        json!({"do": "user.deactivate", "email": house.ready.tenants[0].members[0].email}),
        json!({"do": "attest.due"}),
        json!({"do": "call", "tenant": tenant, "method": "GET", "path": "/api/v1/members"}),
        list,
        newcomer("eve", 9),
    ] {
        let why = order(&house, "verify", what.clone()).await.unwrap_err();
        assert!(why.contains("canaries alone"), "{what}: {why}");
    }
    order(&house, "verify", json!({"do": "tenant.delete", "tenant": made["ok"]["id"]})).await.unwrap();
    // Who is removed is out; the last one in force stays until their day comes, and then anybody may begin again.
    order(&house, "ann", newcomer("bob", 9)).await.unwrap();
    order(&house, "ann", json!({"do": "operator.remove", "name": "bob"})).await.unwrap();
    order(&house, "bob", json!({"do": "status"})).await.unwrap_err();
    let why = order(&house, "ann", json!({"do": "operator.remove", "name": "ann"})).await.unwrap_err();
    assert!(why.contains("add somebody first"), "{why}");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let soon = kernel::Time(i64::try_from(now).unwrap() + 2_000).to_string();
    let mut cal = newcomer("cal", 9);
    let line = cal["newcomer"].as_object_mut().unwrap();
    line.remove("days");
    line.insert("expires".into(), soon.into());
    order(&house, "ann", cal).await.unwrap();
    order(&house, "ann", json!({"do": "operator.remove", "name": "ann"})).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    assert!(order(&house, "ann", json!({"do": "status"})).await.unwrap_err().contains("nobody"));
    let back = order(&house, "ann", newcomer("test", 9)).await.unwrap();
    assert!(back["note"].as_str().unwrap().contains("anybody may add"));
    // What was done stands in the log, and what was refused.
    let leaves = house.log_of(HOUSE).await;
    let count = |action: &str, actor: &str| {
        leaves.iter().filter(|l| l["action"] == action && l["actor"] == format!("operator/{actor}")).count()
    };
    assert_eq!((count("operator.added", "ann"), count("operator.removed", "ann")), (4, 2));
    assert!(count("access.refused", "eve") >= 7 && count("access.refused", "verify") >= 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_the_pages_once_and_on_the_apex_host_alone() {
    let house = House::paged("kwestra").await;
    order(&house, "ann", newcomer("ann", 90)).await.unwrap();
    let apex = browser(&house.apex(), "same-origin");
    // Without a session: a browser is shown the door, a program learns nothing.
    for path in ["/operator", "/operator/access", "/operator/reports"] {
        assert_eq!(apex.get(path).await.is(303).header("location"), Some("/operator/enter"));
        house.apex().get(path).await.problem(404);
        house.tenant(0).get(path).await.problem(404);
    }
    house.apex().get("/api/v1/operator/reports").await.problem(404);
    apex.get("/operator/enter").await.is(200);
    house.tenant(0).get("/operator/enter").await.problem(404);
    // Every link that does not work is answered alike.
    let (used, token) = (link(&house).await, link(&house).await);
    send(&apex, "/operator/enter", &format!("token={used}")).await.is(303);
    let page = |answer: Answer| {
        let text = answer.is(410).text();
        text[text.find("<main").unwrap()..text.find("</main>").unwrap()].to_owned()
    };
    let again = page(send(&apex, "/operator/enter", &format!("token={used}")).await);
    assert!(again.contains("This link does not work, or works no more."));
    for wrong in ["0".repeat(64), "x".to_owned(), String::new(), token.to_uppercase()] {
        assert_eq!(page(send(&apex, "/operator/enter", &format!("token={wrong}")).await), again, "{wrong}");
    }
    // Opening it changes nothing; another host and another site do not spend it.
    apex.get(&format!("/operator/enter?token={token}")).await.is(200);
    send(&browser(&house.tenant(0), "same-origin"), "/operator/enter", &format!("token={token}")).await.is(404);
    send(&browser(&house.apex(), "cross-site"), "/operator/enter", &format!("token={token}")).await.is(403);
    send(&apex, "/operator/enter", &format!("token={token}")).await.is(303);

    // Inside: the pages and their API, on this host alone, and nothing else of the house.
    let desk = inside(&house).await;
    for path in ["/operator", "/operator/attestations", "/operator/attestations/KWE-5.3", "/operator/access"] {
        assert!(desk.get(path).await.is(200).text().contains("no data of any tenant"), "{path}");
    }
    let programs = house.apex().with("cookie", &desk.headers.last().unwrap().1);
    programs.get("/api/v1/operator/reports").await.is(200);
    programs.get("/api/v1/me").await.problem(401);
    programs.get("/api/v1/members").await.problem(404);
    desk.at(&house.tenant(0)).get("/operator").await.is(404);
    programs.at(&house.tenant(0)).get("/api/v1/members").await.problem(401);
    desk.get("/operator/reports/00000000-0000-7000-8000-000000000000").await.is(404);
    desk.get("/operator/attestations/KWE-1.1").await.is(404);
    // A tenant's owner is nobody here.
    let owner = house.member(0, house.app.roles[0].id).await;
    owner.at(&house.apex()).get("/api/v1/operator/reports").await.problem(404);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_ours_and_recorded_and_end_with_the_operator() {
    let house = House::paged("kwestra").await;
    for name in ["ann", "bob", "test"] {
        order(&house, "ann", newcomer(name, 90)).await.unwrap();
    }
    let desk = inside(&house).await;
    let cookie = desk.headers.last().unwrap().1.clone();
    // Another site's form, a sibling tenant's, and one without an origin are refused.
    let body = "statement=We+looked+at+it.&evidence=&expires=";
    for site in ["cross-site", "same-site"] {
        let other = browser(&house.apex(), site).with("cookie", &cookie);
        send(&other, "/operator/attestations/KWE-5.1", body).await.is(403);
    }
    let mut origin = desk.clone();
    origin.headers.iter_mut().find(|(n, _)| n == "origin").unwrap().1 = "http://evil.example".into();
    send(&origin, "/operator/attestations/KWE-5.1", body).await.is(403);
    // A signature.
    let wrong = send(&desk, "/operator/attestations/KWE-5.1", "statement=We+looked.&evidence=http%3A%2F%2Fx").await;
    assert!(wrong.is(422).text().contains("We looked."));
    send(&desk, "/operator/attestations/KWE-5.1", body).await.is(303);
    let told = house.apex().get("/trust.json").await.is(200).json();
    let promise = told["promises"].as_array().unwrap().iter().find(|p| p["id"] == "KWE-5.1").unwrap();
    assert_eq!((&promise["verdict"], &promise["attestation"]["name"]), (&json!("attested"), &json!("ann")));
    // A review: everybody needs a decision.
    let some = "name-0=ann&decide-0=keep&name-1=bob&decide-1=remove&name-2=test";
    assert!(send(&desk, "/operator/access", some).await.is(422).text().contains("each operator needs a decision"));
    send(&desk, "/operator/access", &format!("{some}&decide-2=keep")).await.is(303);
    order(&house, "bob", json!({"do": "status"})).await.unwrap_err();
    let told = house.apex().get("/trust.json").await.is(200).json();
    let promise = told["promises"].as_array().unwrap().iter().find(|p| p["id"] == "KWE-5.3").unwrap();
    assert_eq!((&promise["verdict"], &promise["attestation"]["name"]), (&json!("attested"), &json!("ann")));
    let page = desk.get("/operator/access").await.is(200).text();
    let at = page.find("/operator/access/reviews/").unwrap();
    let path = page[at..].split('"').next().unwrap();
    let document = desk.get(path).await.is(200);
    let digest = hex::encode(encryption::hash::sha256(&document.body));
    assert!(page.contains(&digest), "the page names the digest of the very bytes");
    let document = document.json();
    assert_eq!((&document["kept"], &document["removed"]), (&json!(["ann", "test"]), &json!(["bob"])));
    let member = &house.ready.tenants[0].members[0];
    assert!(!document.to_string().contains(&member.email), "counts, no names of customers");
    // An incident and its end.
    send(&desk, "/operator/incidents", "title=Links+worked+too+long&known_at=").await.is(303);
    send(&desk, "/operator/incidents", "title=Tomorrow&known_at=2999-01-01T00%3A00").await.is(422);
    let page = desk.get("/operator/incidents").await.is(200).text();
    let at = page.find("/operator/incidents/").unwrap() + "/operator/incidents/".len();
    let id = page[at..].split('/').next().unwrap().to_owned();
    send(&desk, &format!("/operator/incidents/{id}/notified"), "").await.is(303);
    send(&desk, &format!("/operator/incidents/{id}/notified"), "").await.is(409);
    send(&desk, &format!("/operator/incidents/{id}/close"), "words=Mended.&replaced=").await.is(303);
    // Leaving ends the session; removal ends another one with the next request.
    let other = inside(&house).await;
    assert_eq!(send(&desk, "/operator/leave", "").await.is(303).header("location"), Some("/operator/enter?said=left"));
    assert_eq!(desk.get("/operator").await.is(303).header("location"), Some("/operator/enter"));
    other.get("/operator").await.is(200);
    order(&house, "ann", json!({"do": "operator.remove", "name": "ann"})).await.unwrap();
    other.get("/operator").await.is(303);
    send(&other, "/operator/incidents", "title=Too+late&known_at=").await.is(303);
    let leaves = house.log_of(HOUSE).await;
    let count = |action: &str| leaves.iter().filter(|l| l["action"] == action && l["outcome"] == "done").count();
    for (action, times) in [
        ("operator.link_made", 2),
        ("operator.entered", 2),
        ("operator.left", 1),
        ("promise.attested", 1),
        ("access.reviewed", 1),
        ("incident.opened", 1),
        ("incident.notified", 1),
        ("incident.closed", 1),
    ] {
        assert_eq!(count(action), times, "{action}");
    }
    house.end().await;
}
