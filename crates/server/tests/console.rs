//! What a browser gets: pages where programs get problem documents, forms that keep what was typed, sessions that go on by
//! themselves, and never for another site.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use house::*;

const HTML: &str = "text/html,application/xhtml+xml";
const FORM: &str = "application/x-www-form-urlencoded";

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    pairs.iter().map(|(n, v)| format!("{n}={}", escaped(v))).collect::<Vec<_>>().join("&").into_bytes()
}

/// A browser's tab at a door: what it sends along when a link or button of `site` opens a page.
fn tab(door: &Door, site: &str) -> Door {
    let door = door.with("accept", HTML).with("sec-fetch-mode", "navigate").with("sec-fetch-site", site);
    let origin = format!("http://{}", door.host);
    door.with("origin", &origin)
}

/// Its cookies after an answer, as a Cookie header, by name.
fn cookies(answer: &Answer) -> Vec<(String, String)> {
    let lines = answer.headers.iter().filter(|(n, _)| n == "set-cookie");
    lines.filter_map(|(_, v)| v.split(';').next()?.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

fn carrying(door: &Door, jar: &[(String, String)], names: &[&str]) -> Door {
    let held = jar.iter().filter(|(n, v)| names.contains(&n.as_str()) && !v.is_empty());
    let line = held.map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ");
    if line.is_empty() { door.clone() } else { door.with("cookie", &line) }
}

const LONG: &[&str] = &["__Host-refresh", "__Host-device"];
const ALL: &[&str] = &["__Host-session", "__Host-refresh", "__Host-device"];

async fn sign_in(house: &House, at: usize) -> (Door, Vec<(String, String)>) {
    let tenant = &house.ready.tenants[at];
    let member = &tenant.members[0];
    let door = house.tenant(at).from(fresh());
    let body = form(&[("email", &member.email), ("password", &member.password), ("next", "/console/people")]);
    let answer = tab(&door, "same-origin").send("POST", "/sign-in", Some(FORM), &body).await.is(303);
    assert_eq!(answer.header("location"), Some("/console/people"));
    (door, cookies(&answer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_for_browsers_and_documents_for_programs() {
    let house = House::open("nordkestrel").await;
    let door = house.tenant(0);
    let page = tab(&door, "none").get("/console/people?after=1").await.is(303);
    assert_eq!(page.header("location"), Some("/sign-in?next=/console/people%3Fafter%3D1"));
    door.get("/console/people").await.problem(401);
    tab(&door, "none").get("/api/v1/members").await.problem(401);
    let lost = tab(&door, "none").get("/console/nothing/here").await.is(404);
    assert_eq!(lost.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(lost.text().contains("There is nothing here"));
    // A form that a browser posted to the API is answered with a page too; a script's JSON is not.
    let wrong = form(&[("email", "nobody@x.example"), ("password", "wrong wrong")]);
    let told = tab(&door, "same-origin").send("POST", "/api/v1/auth/sign-in", Some(FORM), &wrong).await.is(401);
    assert!(told.text().starts_with("<!DOCTYPE html>"));
    let json = br#"{"email":"nobody@x.example","password":"wrong wrong"}"#;
    tab(&door, "same-origin").send("POST", "/api/v1/auth/sign-in", Some("application/json"), json).await.problem(401);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_form_keeps_what_was_typed_except_secrets() {
    let house = House::open("nordkestrel").await;
    let door = tab(&house.tenant(0).from(fresh()), "same-origin");
    let typed = form(&[("email", "eve@\"><x>.example"), ("password", "s3cret s3cret"), ("next", "/console/people")]);
    let page = door.send("POST", "/sign-in", Some(FORM), &typed).await.is(401).text();
    assert!(page.contains("value=\"eve@&quot;&gt;&lt;x&gt;.example\"") && page.contains("value=\"/console/people\""));
    assert!(page.contains("role=\"alert\"") && !page.contains("s3cret"));
    // The same words whoever it is; a path of another site is not gone on to.
    let known = &house.ready.tenants[0].members[0].email;
    let typed = form(&[("email", known), ("password", "s3cret s3cret"), ("next", "//evil.example/x")]);
    let other = door.send("POST", "/sign-in", Some(FORM), &typed).await.is(401).text();
    assert!(!other.contains("evil.example"));
    let alert = |page: &str| page.split("role=\"alert\"").nth(1).unwrap().split("</div>").next().unwrap().to_owned();
    assert_eq!(alert(&page), alert(&other));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_times_are_told_and_true() {
    let house = House::of("nordkestrel").await;
    let door = tab(&house.tenant(0).from(fresh()), "same-origin");
    let known = house.ready.tenants[0].members[1].email.clone();
    let mut last = None;
    // A form's account counts like a program's: from other addresses too.
    for n in 0..8 {
        let from = door.from(fresh());
        let typed = form(&[("email", &known), ("password", &format!("wrong wrong {n}"))]);
        last = Some(from.send("POST", "/sign-in", Some(FORM), &typed).await);
        if last.as_ref().unwrap().status != 401 {
            break;
        }
    }
    let refused = last.unwrap();
    assert!(matches!(refused.status, 423 | 429), "{}", refused.status);
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(refused.text().contains(&route::wait(seconds)), "{}", refused.text());
    assert!(refused.text().contains(&format!("value=\"{known}\"")));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_by_itself_and_only_for_its_own_site() {
    let house = House::open("nordkestrel").await;
    let (door, jar) = sign_in(&house, 0).await;
    tab(&carrying(&door, &jar, ALL), "none").get("/console/people").await.is(200);
    let long = carrying(&door, &jar, LONG);
    // Nobody but the person and our own pages may cause it; and only where a page is opened.
    for site in ["cross-site", "same-site", ""] {
        let answer = tab(&long, site).get("/console/people").await;
        assert!(cookies(&answer).is_empty() && answer.status != 500, "{site}");
        assert!(!answer.text().contains("<h1>People"), "{site}");
    }
    let foreign = long.with("accept", HTML).with("sec-fetch-mode", "navigate").with("sec-fetch-site", "cross-site");
    let foreign = foreign.with("origin", "http://evil.example");
    foreign.send("POST", "/console/people/invite", Some(FORM), b"email=a@b.example").await.is(403);
    long.with("accept", HTML)
        .with("sec-fetch-mode", "cors")
        .with("sec-fetch-site", "same-origin")
        .get("/console/people")
        .await
        .is(303);
    // From another site's link the browser leaves the strict cookies out: the page asks once more, from here.
    let asks = tab(&door, "cross-site").get("/console/people").await.is(200);
    assert!(asks.text().contains("http-equiv=\"refresh\" content=\"0; url=/console/people\""));
    // Then it goes on, and the cookies are new.
    let page = tab(&long, "same-origin").get("/console/people").await.is(200);
    assert!(page.text().contains("People"));
    let renewed = cookies(&page);
    assert_eq!(renewed.len(), 2, "session and refresh");
    let of = |all: &[(String, String)]| all.iter().find(|(name, _)| name == "__Host-refresh").unwrap().1.clone();
    assert_ne!(of(&renewed), of(&jar));
    // A form that was being filled in arrives.
    let mut jar = jar;
    jar.retain(|(name, _)| name == "__Host-device");
    jar.extend(renewed);
    let typed = form(&[("email", "new@x.example"), ("role", "staff")]);
    let sent = tab(&carrying(&door, &jar, LONG), "same-origin");
    let role = house.app.roles.last().unwrap().id;
    let typed = if house.app.roles.iter().any(|r| r.id == "staff") {
        typed
    } else {
        form(&[("email", "new@x.example"), ("role", role)])
    };
    let done = sent.send("POST", "/console/people/invite", Some(FORM), &typed).await.is(303);
    assert_eq!(done.header("location"), Some("/console/people?said=invited"));
    let jar: Vec<_> = jar.into_iter().filter(|(n, _)| n == "__Host-device").chain(cookies(&done)).collect();
    // After the sign-out nothing goes on, and what is dead is taken away.
    tab(&carrying(&door, &jar, ALL), "same-origin").send("POST", "/sign-out", Some(FORM), b"").await.is(303);
    let over = tab(&carrying(&door, &jar, LONG), "none").get("/console/people").await.is(303);
    assert_eq!(over.header("location"), Some("/sign-in?next=/console/people"));
    assert_eq!(cookies(&over).iter().filter(|(_, v)| v.is_empty()).count(), 3);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_hold_no_script_or_style_of_their_own() {
    let house = House::open("nordkestrel").await;
    let (door, jar) = sign_in(&house, 0).await;
    let door = tab(&carrying(&door, &jar, ALL), "none");
    for path in [
        "/console",
        "/console/people",
        "/console/roles",
        "/console/history",
        "/console/history/1",
        "/console/settings",
        "/console/account",
        "/sign-in",
        "/sign-out",
    ] {
        let page = door.get(path).await.is(200);
        let (text, csp) = (page.text(), page.header("content-security-policy").unwrap().to_owned());
        let nonce = csp.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        for tag in text.split('<').filter(|t| t.starts_with("script") || t.starts_with("style")) {
            assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: {tag}");
            assert!(!tag.starts_with("script") || tag.contains("integrity=\"sha384-"), "{path}: {tag}");
        }
        let bare = text.split("<style").next().unwrap().to_owned() + text.split("</style>").nth(1).unwrap_or("");
        for bad in [" style=", " onclick=", " onload=", "javascript:"] {
            assert!(!bare.contains(bad), "{path}: {bad}");
        }
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_pages_are_kept_for_ever_and_others_are_the_apps_own() {
    let house = House::open("nordkestrel").await;
    let (door, jar) = sign_in(&house, 0).await;
    let page = tab(&carrying(&door, &jar, ALL), "none").get("/console").await.is(200).text();
    let paths: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(paths.len() >= 5, "{paths:?}");
    for path in paths {
        for host in [house.tenant(0), house.apex()] {
            let file = host.get(path).await.is(200);
            assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"), "{path}");
            assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        }
    }
    house.tenant(0).get("/assets/app-0000000000000000.css").await.is(404);
    std::fs::create_dir_all(house.folder().join("site/assets")).unwrap();
    std::fs::write(house.folder().join("site/assets/own.txt"), "ours").unwrap();
    assert_eq!(house.tenant(0).get("/assets/own.txt").await.is(200).text(), "ours");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn which_workspaces_there_are_is_nobodys_business() {
    let house = House::open("estokad").await;
    let slug = &house.ready.tenants[0].slug;
    let shared = house.host(house.tenant(0).host.split(':').next().unwrap());
    for name in [slug.as_str(), "never-was"] {
        let page = tab(&shared, "none").get(&format!("/w/{name}/console")).await.is(303);
        assert_eq!(page.header("location").unwrap(), format!("/sign-in?next=/w/{name}/console"));
        let asks = tab(&shared, "cross-site").get(&format!("/w/{name}/console")).await.is(200);
        assert!(asks.text().contains(&format!("url=/w/{name}/console")));
    }
    house.end().await;
}
