//! What nobody should send. Each gets a clear answer, nothing of it comes back, nothing changes, and the server goes on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use house::*;
use serde_json::{Value, json};

/// What must not come back.
const MARK: &str = "Zq7MARKq7Z";

/// Every record of every collection.
async fn state(house: &House, owner: &Door) -> BTreeMap<&'static str, Vec<Value>> {
    let mut all = BTreeMap::new();
    for collection in &house.app.collections {
        all.insert(collection.id, owner.list(collection.id).await);
    }
    all
}

/// What was there is there as it was, and nothing else.
async fn unchanged(house: &House, owner: &Door, before: &BTreeMap<&'static str, Vec<Value>>) {
    for (collection, now) in state(house, owner).await {
        let other: Vec<_> = now.iter().filter(|r| !before[collection].contains(r)).collect();
        assert!(other.is_empty() && now.len() == before[collection].len(), "{collection}: {other:?}");
    }
}

/// A refusal by our own hand: a problem document that repeats nothing.
#[track_caller]
fn refused(answer: Answer, what: &str) {
    let status = answer.status;
    assert!((400..500).contains(&status), "{what}: {status} {}", answer.text());
    let answer = answer.problem(status);
    assert!(!answer.text().contains(MARK), "{what}: {}", answer.text());
    assert!(answer.headers.iter().all(|(_, v)| !v.contains(MARK)), "{what}");
}

/// An answer of ours, or of the HTTP reader below us, which has no words.
#[track_caller]
fn turned_away(answer: Option<Answer>, what: &str) {
    if let Some(answer) = answer {
        assert!(
            (400..500).contains(&answer.status) || answer.status == 501,
            "{what}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(!answer.text().contains(MARK), "{what}: {}", answer.text());
    }
}

async fn alive(house: &House) {
    house.apex().from(fresh()).get("/healthz").await.is(200);
}

fn deep(open: &str, close: &str, levels: usize) -> String {
    format!("{}1{}", open.repeat(levels), close.repeat(levels))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_json_or_too_much_of_it() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let before = state(&house, &owner).await;
    let (menu, promotion) = (before["menus"][0]["id"].clone(), before["promotions"][0]["id"].clone());
    let many = (0..10_000).map(|n| format!("\"<{MARK}{n}>\":{n}")).collect::<Vec<_>>().join(",");
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("an opening", b"{".to_vec()),
        ("a closing", b"}".to_vec()),
        ("a word", MARK.into()),
        ("a text", format!("\"{MARK}\"").into()),
        ("a number", b"17".to_vec()),
        ("a truth", b"true".to_vec()),
        ("a list of lists", b"[[[]]]".to_vec()),
        ("two values", format!("{{\"name\":\"{MARK}\"}}{{\"name\":\"b\"}}").into()),
        ("a comma too many", format!("{{\"name\":\"{MARK}\",}}").into()),
        ("single quotes", format!("{{'name':'{MARK}'}}").into()),
        ("no quotes", format!("{{name:{MARK}}}").into()),
        ("a comment", format!("{{/* {MARK} */\"name\":\"a\"}}").into()),
        ("not a number", b"{\"name\":NaN}".to_vec()),
        ("infinity", b"{\"name\":1e999}".to_vec()),
        ("no UTF-8", [b"{\"name\":\"".as_slice(), MARK.as_bytes(), b"\xff\xfe\"}"].concat()),
        ("overlong UTF-8", b"{\"name\":\"\xc0\xaf\"}".to_vec()),
        ("half a surrogate", format!("{{\"name\":\"{MARK}\\ud800\"}}").into()),
        ("a bare NUL", [b"{\"name\":\"".as_slice(), MARK.as_bytes(), b"\0\"}"].concat()),
        ("a written NUL", format!("{{\"name\":\"{MARK}\\u0000\"}}").into()),
        ("a name twice", format!("{{\"name\":\"{MARK}\",\"name\":\"b\"}}").into()),
        ("a name twice, written in two ways", format!("{{\"name\":\"{MARK}\",\"n\\u0061me\":\"b\"}}").into()),
        ("a name twice, deep down", format!("{{\"name\":{{\"{MARK}\":1,\"{MARK}\":2}}}}").into()),
        ("10,000 members", format!("{{{many}}}").into()),
        ("10,000 levels of lists", deep("[", "]", 10_000).into()),
        ("10,000 levels of objects", deep("{\"a\":", "}", 10_000).into()),
        ("10,000 openings", "[".repeat(10_000).into()),
        ("a text of 9 MB", format!("{{\"<{MARK}>\":\"{}\"}}", "x".repeat(9_000_000)).into()),
        ("a list of 300,000 numbers", format!("{{\"<{MARK}>\":[{}0]}}", "0,".repeat(300_000)).into()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("only white space", b" \n\t ".to_vec()),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        ("a name of 100 KB", format!("{{\"{}\":1}}", MARK.repeat(10_000)).into()),
        ("a prototype", format!("{{\"__proto__\":{{\"{MARK}\":1}}}}").into()),
        ("an empty name", format!("{{\"\":\"{MARK}\"}}").into()),
    ];
    let ways = [
        ("POST", records("menus")),
        ("PATCH", record("menus", &menu)),
        ("POST", format!("{}/batch", records("menus"))),
        ("PATCH", format!("{}/batch", records("menus"))),
        ("POST", format!("{}/actions/redeem", record("promotions", &promotion))),
        ("POST", "/api/v1/submissions/order".to_owned()),
        ("POST", "/api/v1/shares/receipt".to_owned()),
        ("POST", "/api/v1/members/invitations".to_owned()),
        ("PATCH", "/api/v1/tenant".to_owned()),
        ("POST", "/api/v1/auth/sign-in".to_owned()),
        ("POST", "/api/v1/auth/reset".to_owned()),
        ("POST", "/api/v1/invitations/accept".to_owned()),
    ];
    for (method, path) in &ways {
        for (what, body) in &bodies {
            let began = Instant::now();
            let answer = owner.from(fresh()).send(method, path, Some("application/json"), body).await;
            refused(answer, &format!("{what} to {method} {path}"));
            assert!(began.elapsed() < Duration::from_secs(8), "{what} to {method} {path}: {:?}", began.elapsed());
        }
        for kind in ["text/plain", "application/xml", "multipart/form-data; boundary=x", "image/png", MARK] {
            let answer = owner.send(method, path, Some(kind), format!("{{\"name\":\"{MARK}\"}}").as_bytes()).await;
            refused(answer, &format!("{kind} to {method} {path}"));
        }
    }
    for (what, body) in &bodies {
        let answer = house.apex().from(fresh()).send("POST", "/api/v1/tenants", Some("application/json"), body).await;
        refused(answer, &format!("{what} to sign-up"));
    }
    unchanged(&house, &owner, &before).await;
    assert_eq!(owner.get("/api/v1/audit/check").await.is(200).json()["intact"], true);
    alive(&house).await;
    house.end().await;
}

/// Each field of each collection, with values of every wrong kind. A member that does not exist keeps anything from being made.
async fn wrong_types(app: &str) {
    let house = House::open(app).await;
    let owner = house.member(0, house.app.roles[0].id).await;
    let before = state(&house, &owner).await;
    let long = "x".repeat(100_000);
    let values = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!(MARK),
        json!(format!("{MARK}'; DROP TABLE _leaf; --")),
        json!(format!("<script>{MARK}</script>")),
        json!(format!("{MARK}\u{0}")),
        json!("\u{202e}\u{feff}\u{200b}"),
        json!([]),
        json!([MARK]),
        json!([[MARK]]),
        json!({}),
        json!({"id": MARK}),
        json!({MARK: MARK}),
        json!(long),
        json!("9999999999999999999999.99 EUR"),
        json!("-0.00 EUR"),
        json!("1.001 EUR"),
        json!("1e3 EUR"),
        json!("12 XXX"),
        json!("92233720368547758.07 EUR"),
        json!("2026-02-30"),
        json!("0000-00-00"),
        json!("9999999-01-01T00:00:00Z"),
        json!("2026-01-01T25:00:00Z"),
        json!("javascript:alert(1)"),
        json!("http://user:pw@[::1]:99999/"),
        json!("a@b"),
        json!("\"a b\"@c.example"),
        json!("01900000-0000-7000-8000-000000000000"),
    ];
    for collection in &house.app.collections {
        for field in &collection.fields {
            for value in &values {
                let body = json!({field.id: value, "no such field": 1});
                let answer = owner.post(&records(collection.id), &body).await;
                refused(answer, &format!("{}.{} = {:.60}", collection.id, field.id, value.to_string()));
            }
        }
        let Some(there) = before[collection.id].first() else { continue };
        for action in &collection.actions {
            let path = format!("{}/actions/{}", record(collection.id, &there["id"]), action.id);
            for input in &action.input {
                for value in &values {
                    let body = json!({input.id: value, "no such input": 1});
                    refused(
                        owner.post(&path, &body).await,
                        &format!("{path} {} = {:.60}", input.id, value.to_string()),
                    );
                }
            }
        }
    }
    unchanged(&house, &owner, &before).await;
    alive(&house).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_every_wrong_kind() {
    for app in ["nordkestrel", "kwestra", "connectwyze", "estokad", "kontraktr"] {
        wrong_types(app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amounts_at_the_end_of_the_number_line() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let order = owner.list("orders").await.into_iter().find(|o| o["status"] == "paid").unwrap();
    let path = format!("{}/actions/refund", record("orders", &order["id"]));
    for amount in [
        "92233720368547758.07 EUR",
        "92233720368547758.08 EUR",
        "90071992547409.93 EUR",
        "0.00 EUR",
        "-0.01 EUR",
        "0.001 EUR",
        "1 USD",
        "Infinity EUR",
    ] {
        let answer = owner.post(&path, &json!({"amount": amount, "reason": MARK})).await;
        assert!(matches!(answer.status, 409 | 422), "{amount}: {} {}", answer.status, answer.text());
        refused(answer, amount);
    }
    let dish = &owner.list("dishes").await[0];
    let dear = json!({"menu": dish["menu"], "name": "Dear", "price": "92233720368547758.07 EUR"});
    let dear = owner.post(&records("dishes"), &dear).await;
    if dear.good() {
        // Fifty of them are more than a number holds: refused, not wrapped around.
        let id = dear.json()["id"].clone();
        owner.post(&format!("{}/actions/publish", record("dishes", &id)), &json!({})).await.is(200);
        let many = owner
            .nobody()
            .post("/api/v1/submissions/order", &json!({"order_lines": [{"dish": id, "count": 50}]}))
            .await;
        refused(many, "fifty dear dishes");
        let two = json!({"order_lines": [{"dish": id, "count": 1}, {"dish": id, "count": 1}]});
        refused(owner.nobody().post("/api/v1/submissions/order", &two).await, "two dear dishes");
    }
    assert_eq!(owner.get(&record("orders", &order["id"])).await.json(), order);
    house.end().await;
}

fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_are_not_taken_in() {
    const SIZE: usize = 100_000_000;
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let before = state(&house, &owner).await;
    let dish = before["dishes"][0]["id"].clone();
    let photo = format!("{}/files/photo", record("dishes", &dish));
    let token = owner.headers[0].1.clone();
    let memory = resident();
    for (method, path, kind) in [
        ("POST", records("menus"), "application/json"),
        ("POST", format!("{}/batch", records("menus")), "application/json"),
        ("POST", "/api/v1/auth/sign-in".to_owned(), "application/json"),
        ("POST", "/api/v1/submissions/order".to_owned(), "application/json"),
        ("PUT", photo, "image/png"),
        ("DELETE", record("dishes", &dish), "application/json"),
        ("GET", records("dishes"), "application/json"),
    ] {
        // Declared: refused before anything is sent.
        let head = |length: &str| {
            format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {token}\r\ncontent-type: {kind}\r\n{length}\r\n\r\n",
                owner.host
            )
        };
        let began = Instant::now();
        let mut wire = connect(fresh(), house.port).await;
        wire.write(head(&format!("content-length: {SIZE}")).as_bytes()).await;
        let answer = wire.answer(false).await.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert!(matches!(answer.status, 413 | 400), "{method} {path}: {} {}", answer.status, answer.text());
        refused(answer, &path);
        assert!(began.elapsed() < Duration::from_secs(2), "{method} {path}: {:?}", began.elapsed());
        // Undeclared: cut at the cap.
        let began = Instant::now();
        let mut wire = connect(fresh(), house.port).await;
        wire.write(head("transfer-encoding: chunked").as_bytes()).await;
        let piece = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
        let mut sent = 0;
        while sent < SIZE && wire.write(&piece).await {
            sent += 0x10000;
        }
        assert!(sent < 40_000_000, "{method} {path}: took {sent} bytes");
        if let Some(answer) = wire.answer(false).await {
            assert!(matches!(answer.status, 413 | 400 | 415), "{method} {path}: {} {}", answer.status, answer.text());
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{method} {path}: {:?}", began.elapsed());
    }
    // An import may be long; a row of it may not.
    let mut wire = connect(fresh(), house.port).await;
    let head = format!(
        "POST {}/import HTTP/1.1\r\nhost: {}\r\nauthorization: {token}\r\ncontent-type: text/csv\r\ncontent-length: {SIZE}\r\n\r\nname\r\n\"",
        records("customers"),
        owner.host
    );
    wire.write(head.as_bytes()).await;
    let mut sent = 0;
    while sent < SIZE && wire.write(&[b'x'; 0x10000]).await {
        sent += 0x10000;
    }
    assert!(sent < 60_000_000, "took {sent} bytes of one row");
    let grown = resident().saturating_sub(memory);
    assert!(grown < 150_000_000, "memory grew by {grown} bytes");
    unchanged(&house, &owner, &before).await;
    alive(&house).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_that_are_none() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let all = records("orders");
    let escaped = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let filters = [
        format!("\"{MARK}\""),
        format!("status = {MARK}"),
        "status =".to_owned(),
        "= \"paid\"".to_owned(),
        "status = \"paid\" and".to_owned(),
        "status = \"paid".to_owned(),
        format!("<{MARK}> = 1"),
        format!("status = \"paid\"; DROP TABLE orders -- {MARK}"),
        format!("1 = 1 or \"{MARK}\" = \"{MARK}\""),
        "status = (select status from orders)".to_owned(),
        "created_at = \"yesterday\"".to_owned(),
        "total > \"much\"".to_owned(),
        format!("number = \"{MARK}\""),
        "number > 1e400".to_owned(),
        "number in ()".to_owned(),
        "number is maybe".to_owned(),
        "status = \"\u{0}\"".to_owned(),
        "customer.email = \"a@b.example\"".to_owned(),
        "tenant_id is null".to_owned(),
        "rowid > 0".to_owned(),
        "draft is null".to_owned(),
        "(".repeat(2000),
        format!("{}number = 1{}", "(".repeat(1000), ")".repeat(1000)),
        (0..1000).map(|n| format!("number={n}")).collect::<Vec<_>>().join(" or "),
        format!("number in ({})", (0..900).map(|n| n.to_string()).collect::<Vec<_>>().join(",")),
        "x".repeat(5000),
    ];
    for filter in &filters {
        let answer =
            owner.get(&format!("{all}?filter={}", escaped(filter).chars().take(12_000).collect::<String>())).await;
        let what = filter.chars().take(60).collect::<String>();
        assert!(answer.status != 200 || filter.starts_with("number in"), "{what}: {}", answer.text());
        if answer.status != 200 {
            refused(answer, &what);
        }
    }
    for query in [
        "limit=0",
        "limit=-1",
        "limit=201",
        "limit=99999999999999999999",
        "limit=abc",
        "limit=",
        "limit=1&limit=2",
        "sort=",
        "sort=-",
        "sort=nothing",
        "sort=number,number,number,number,number,number,number,number,number,number",
        "fields=nothing",
        "count=perhaps",
        "cursor=",
        "cursor=x",
        "nonsense=1",
        "filter=number=1&filter=number=2",
        "%00=1",
        "limit=%00",
        "limit=%zz",
        "limit=%",
        "filter=%ff%fe",
        "_method=DELETE",
        "limit[]=1",
    ] {
        let answer = owner.get(&format!("{all}?{query}")).await;
        assert!(answer.status < 500, "{query}: {}", answer.text());
        if answer.status != 200 {
            refused(answer, query);
        } else {
            assert!(matches!(query, "sort=" | "cursor="), "{query}: {}", answer.text());
        }
    }
    let many = (0..500).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join("&");
    refused(owner.get(&format!("{all}?{many}")).await, "500 members");

    // A cursor goes on where it was given, for the question it was given for, at the tenant that gave it.
    let page = owner.get(&format!("{all}?limit=2&sort=number")).await.is(200).json();
    let cursor = page["next"].as_str().unwrap().to_owned();
    owner.get(&format!("{all}?limit=2&sort=number&cursor={cursor}")).await.is(200);
    let other = house.member(1, "owner").await;
    refused(other.get(&format!("{all}?limit=2&sort=number&cursor={cursor}")).await, "another tenant's cursor");
    for query in ["sort=-number", "sort=total", "sort=number&filter=number%20%3E%200", ""] {
        refused(owner.get(&format!("{all}?{query}&cursor={cursor}")).await, query);
    }
    refused(
        owner.get(&format!("{}?sort=number&cursor={cursor}", records("order_lines"))).await,
        "another collection's",
    );
    for at in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).unwrap();
        let answer = owner.get(&format!("{all}?limit=2&sort=number&cursor={forged}")).await;
        // The last character may carry bits that mean nothing.
        assert!(answer.status == 400 || at + 1 == cursor.len(), "{at}: {}", answer.status);
    }
    for cut in [0, 1, 10, cursor.len() - 1] {
        let answer = owner.get(&format!("{all}?limit=2&sort=number&cursor={}", &cursor[..cut])).await;
        assert!(!answer.good() || cut == 0, "{cut}");
    }
    refused(owner.get(&format!("{all}?cursor={}", "A".repeat(6000))).await, "a long cursor");
    alive(&house).await;
    house.end().await;
}

fn request(house: &House, head: &str) -> Vec<u8> {
    head.replace("HOST", &format!("sjohuset.localhost:{}", house.port)).replace('\n', "\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_http() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let before = state(&house, &owner).await;
    let bearer = &owner.headers[0].1;
    let post = format!(
        "POST {} HTTP/1.1\nhost: HOST\nauthorization: {bearer}\ncontent-type: application/json\n",
        records("menus")
    );
    let body = format!("{{\"name\":\"{MARK}\",\"slug\":\"smuggled\"}}");
    let chunked = format!("{:x}\n{body}\n0\n\n", body.len());
    for (what, text) in [
        ("no version", format!("GET /\nhost: HOST\n{MARK}: 1\n\n")),
        ("another version", "GET / HTTP/9.9\nhost: HOST\n\n".to_owned()),
        ("garbage", format!("{MARK} {MARK}\n\n")),
        ("an empty method", " / HTTP/1.1\nhost: HOST\n\n".to_owned()),
        ("spaces in the target", format!("GET /{MARK} {MARK} HTTP/1.1\nhost: HOST\n\n")),
        ("a header without a colon", format!("GET / HTTP/1.1\nhost: HOST\n{MARK}\n\n")),
        ("a space before the colon", format!("GET / HTTP/1.1\nhost: HOST\n{MARK} : 1\n\n")),
        ("a folded header", format!("GET / HTTP/1.1\nhost: HOST\nx: 1\n {MARK}\n\n")),
        ("a NUL in a header", format!("GET / HTTP/1.1\nhost: HOST\nx: {MARK}\0\n\n")),
        ("no Host", "GET / HTTP/1.1\n\n".to_owned()),
        ("an empty Host", "GET / HTTP/1.1\nhost:\n\n".to_owned()),
        ("two Hosts", "GET / HTTP/1.1\nhost: HOST\nhost: HOST\n\n".to_owned()),
        ("two different Hosts", format!("GET / HTTP/1.1\nhost: HOST\nhost: {MARK}\n\n")),
        ("another host in the target", format!("GET http://{MARK}.example/ HTTP/1.1\nhost: HOST\n\n")),
        ("two lengths", format!("{post}content-length: {}\ncontent-length: 4\n\n{body}", body.len())),
        ("a list of lengths", format!("{post}content-length: 4, 5\n\n{body}")),
        ("a negative length", format!("{post}content-length: -1\n\n{body}")),
        ("a length with a sign", format!("{post}content-length: +{}\n\n{body}", body.len())),
        ("a length that is none", format!("{post}content-length: {MARK}\n\n{body}")),
        ("a length beyond numbers", format!("{post}content-length: 99999999999999999999\n\n{body}")),
        ("an unknown coding", format!("{post}transfer-encoding: {MARK}\n\n{body}")),
        ("a coding twice", format!("{post}transfer-encoding: chunked, chunked\n\n{chunked}")),
        ("chunked, but not last", format!("{post}transfer-encoding: chunked, gzip\n\n{chunked}")),
        ("a chunk of no size", format!("{post}transfer-encoding: chunked\n\n{MARK}\n{body}\n0\n\n")),
        ("a chunk beyond numbers", format!("{post}transfer-encoding: chunked\n\nffffffffffffffffff\n{body}\n0\n\n")),
        ("a chunk without its end", format!("{post}transfer-encoding: chunked\n\n4\n{body}{body}\n0\n\n")),
        ("chunk extensions without end", format!("{post}transfer-encoding: chunked\n\n1;{}\nx\n0\n\n", MARK.repeat(5000))),
        ("trailers without end", format!("{post}transfer-encoding: chunked\n\n0\n{}\n", format!("x: {MARK}\n").repeat(5000))),
        ("200 headers", format!("GET / HTTP/1.1\nhost: HOST\n{}\n", format!("x-{MARK}: 1\n").repeat(200))),
        ("a header of 64 KB", format!("GET / HTTP/1.1\nhost: HOST\nx: {}\n\n", MARK.repeat(6500))),
        ("a cookie of 64 KB", format!("GET / HTTP/1.1\nhost: HOST\ncookie: {}\n\n", "a=b; ".repeat(13_000))),
        ("a target of 64 KB", format!("GET /{} HTTP/1.1\nhost: HOST\n\n", MARK.repeat(6500))),
        ("a method of 64 KB", format!("{} / HTTP/1.1\nhost: HOST\n\n", "A".repeat(65_000))),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned()),
        ("HTTP/2 and nonsense", format!("PRI * HTTP/2.0\n\nSM\n\n{}", MARK.repeat(50))),
        ("an SSH banner", "SSH-2.0-OpenSSH_9.2\n".to_owned()),
        ("CONNECT", "CONNECT example.com:443 HTTP/1.1\nhost: HOST\n\n".to_owned()),
        ("an upgrade to HTTP/2", "PUT / HTTP/1.1\nhost: HOST\nconnection: upgrade, http2-settings\nupgrade: h2c\nhttp2-settings: AAMAAABkAAQAAP__\n\n".to_owned()),
        ("an asterisk", "OPTIONS * HTTP/1.1\nhost: HOST\n\n".to_owned()),
    ] {
        let mut wire = connect(fresh(), house.port).await;
        wire.write(&request(&house, &text)).await;
        wire.half_close().await;
        turned_away(wire.answer(false).await, what);
        assert!(wire.closes(Duration::from_secs(15)).await, "{what}: left open");
    }
    unchanged(&house, &owner, &before).await;

    // After a good request, garbage ends the connection and the good one is answered.
    let mut wire = connect(fresh(), house.port).await;
    let good = request(&house, "GET /healthz HTTP/1.1\nhost: HOST\n\n");
    wire.write(&[good.as_slice(), &good, MARK.as_bytes(), b"\r\n\r\n", &good].concat()).await;
    wire.answer(false).await.unwrap().is(200);
    wire.answer(false).await.unwrap().is(200);
    turned_away(wire.answer(false).await, "garbage after two requests");
    assert!(wire.closes(Duration::from_secs(5)).await);
    // A length beside chunks: the chunks count (RFC 9112, 6.3), and nothing more is read from that connection.
    for lengths in ["content-length: 4\ntransfer-encoding: chunked", "transfer-encoding: chunked\ncontent-length: 4"] {
        let mut wire = connect(fresh(), house.port).await;
        let text = format!(
            "POST /api/v1/auth/sign-in HTTP/1.1\nhost: HOST\ncontent-type: application/json\n{lengths}\n\n2\n{{}}\n0\n\n"
        );
        wire.write(&[request(&house, &text), good.clone()].concat()).await;
        wire.answer(false).await.unwrap().is(400);
        assert!(wire.answer(false).await.is_none() && wire.closes(Duration::from_secs(5)).await, "{lengths}");
    }
    // A refused body is no next request.
    let mut wire = connect(fresh(), house.port).await;
    let inner = format!(
        "POST {} HTTP/1.1\nhost: HOST\nauthorization: {bearer}\ncontent-type: application/json\ncontent-length: {}\n\n{body}",
        records("menus"),
        body.len()
    );
    let inner = String::from_utf8(request(&house, &inner)).unwrap();
    let outer = format!("GET /healthz HTTP/1.1\nhost: HOST\ncontent-length: {}\n\n", inner.len());
    wire.write(&[request(&house, &outer), inner.clone().into_bytes()].concat()).await;
    turned_away(wire.answer(false).await, "a body where none belongs");
    let outer = format!(
        "POST /api/v1/auth/sign-in HTTP/1.1\nhost: HOST\ncontent-type: application/json\ncontent-length: {}\n\n",
        inner.len() + 20_000
    );
    let mut wire = connect(fresh(), house.port).await;
    wire.write(&[request(&house, &outer), inner.into_bytes()].concat()).await;
    turned_away(wire.answer(false).await, "a body that is too long");
    wire.closes(Duration::from_secs(1)).await;
    unchanged(&house, &owner, &before).await;

    // Half-closed: whoever has said everything still hears the answer; whoever has not is not waited for.
    let mut wire = connect(fresh(), house.port).await;
    wire.write(&good).await;
    wire.half_close().await;
    wire.answer(false).await.unwrap().is(200);
    let mut wire = connect(fresh(), house.port).await;
    wire.write(&request(&house, &format!("{post}content-length: 500\n\n{{\"name\":"))).await;
    wire.half_close().await;
    turned_away(wire.answer(false).await, "half a body");
    assert!(wire.closes(Duration::from_secs(5)).await);
    for cut in [0, 1, 5, 20, 40] {
        let mut wire = connect(fresh(), house.port).await;
        wire.write(&good[..cut]).await;
        drop(wire);
    }
    unchanged(&house, &owner, &before).await;
    alive(&house).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_too_slow_is_cut_off() {
    let edit = |text: &str| {
        let text = swap(&unlimited(text), "header = \"10 s\"", "header = \"1 s\"");
        swap(&swap(&text, "body_idle = \"20 s\"", "body_idle = \"1 s\""), "total = \"60 s\"", "total = \"4 s\"")
    };
    let house = House::with("nordkestrel", edit).await;
    let owner = house.member(0, "owner").await;
    let before = owner.list("menus").await;
    let bearer = &owner.headers[0].1;
    let post = format!(
        "POST {} HTTP/1.1\nhost: HOST\nauthorization: {bearer}\ncontent-type: application/json\n",
        records("menus")
    );
    let within = async |wire: &mut Wire, most: u64, what: &str| {
        let began = Instant::now();
        turned_away(wire.answer(false).await.filter(|a| a.status != 503), what);
        assert!(wire.closes(Duration::from_secs(most)).await, "{what}: left open");
        assert!(began.elapsed() < Duration::from_secs(most), "{what}: {:?}", began.elapsed());
    };
    // Nothing at all; half a header; a header that trickles.
    let mut wire = connect(fresh(), house.port).await;
    within(&mut wire, 4, "silence").await;
    let mut wire = connect(fresh(), house.port).await;
    wire.write(&request(&house, "GET / HTTP/1.1\nhost: HO")).await;
    within(&mut wire, 4, "half a header").await;
    let mut wire = connect(fresh(), house.port).await;
    let began = Instant::now();
    for byte in request(&house, "GET / HTTP/1.1\nhost: HOST\nx-slow: 1234567890\n\n") {
        if !wire.write(&[byte]).await || began.elapsed() > Duration::from_secs(3) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    within(&mut wire, 3, "a trickling header").await;
    // A body that stops, and one that trickles.
    let mut wire = connect(fresh(), house.port).await;
    wire.write(&request(&house, &format!("{post}content-length: 60\n\n{{\"name\":"))).await;
    let answer = wire.answer(false).await.unwrap();
    answer.problem(408);
    let mut wire = connect(fresh(), house.port).await;
    wire.write(&request(&house, &format!("{post}content-length: 6000\n\n"))).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) && wire.write(b" ").await {
        tokio::time::sleep(Duration::from_millis(300)).await;
        if began.elapsed() > Duration::from_secs(5) {
            break;
        }
    }
    let answer = wire.answer(false).await.unwrap();
    assert!(matches!(answer.status, 408 | 503), "{}", answer.status);
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    // A connection that is kept and not used.
    let mut wire = connect(fresh(), house.port).await;
    wire.write(&request(&house, "GET /healthz HTTP/1.1\nhost: HOST\n\n")).await;
    wire.answer(false).await.unwrap().is(200);
    assert!(wire.closes(Duration::from_secs(4)).await, "an idle connection stays open");
    assert_eq!(owner.list("menus").await, before);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_does_not_take_every_connection() {
    let house = House::open("nordkestrel").await;
    let greedy = Ipv4Addr::new(127, 9, 9, 9);
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(connect(greedy, house.port).await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut one_more = connect(greedy, house.port).await;
    assert!(one_more.closes(Duration::from_secs(2)).await, "the 101st is not served");
    alive(&house).await;
    drop(held);
    tokio::time::sleep(Duration::from_millis(200)).await;
    house.tenant(0).from(greedy).get("/healthz").await.is(200);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_and_paths_have_one_meaning() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let before = state(&house, &owner).await;
    let (all, one) = (records("menus"), record("menus", &before["menus"][0]["id"]));
    for method in ["PUT", "OPTIONS", "TRACE", "get", "PROPFIND", "FOO", "MKCOL", "LOCK"] {
        for path in [&all, &one] {
            let answer = owner.send(method, path, None, b"").await;
            assert!(matches!(answer.status, 400 | 404 | 405 | 501), "{method}: {}", answer.status);
            if answer.status == 405 {
                assert!(answer.header("allow").unwrap().contains("GET"), "{method}");
            }
            assert!(!answer.text().contains(owner.headers[0].1.as_str()), "{method}: nothing is traced back");
        }
    }
    // No header and no member of a query makes one method another.
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        owner.with(header, "DELETE").get(&one).await.is(200);
        owner.with(header, "DELETE").post(&one, &json!({})).await.problem(405);
    }
    refused(owner.get(&format!("{one}?_method=DELETE")).await, "_method");
    let head = owner.send("HEAD", &one, None, b"").await.is(200);
    assert!(head.body.is_empty() && head.header("etag").is_some());
    owner.send("HEAD", "/api/v1/nowhere", None, b"").await.is(404);
    refused(owner.send("GET", &one, Some("application/json"), b"{}").await, "a body to GET");
    refused(owner.send("GET", &format!("{all}/export"), Some("application/json"), b"{}").await, "a body to an export");

    let id = before["menus"][0]["id"].as_str().unwrap();
    for path in [
        format!("/api/v1/collections/menus/records/{id}/"),
        format!("//api/v1/collections/menus/records/{id}"),
        format!("/api//v1/collections/menus/records/{id}"),
        format!("/api/v1/./collections/menus/records/{id}"),
        format!("/api/v1/x/../collections/menus/records/{id}"),
        format!("/API/V1/collections/menus/records/{id}"),
        format!("/api/v1/collections/Menus/records/{id}"),
        format!("/api/v1/collections/menus/records/{id};a=b"),
        format!("/api/v1/collections/menus/records/{id}%00"),
        format!("/api/v1/collections/menus/records/{id}%20"),
        format!("/api/v1/collections/menus/records/{id}%0a"),
        format!("/api/v1/collections/menus%2frecords%2f{id}"),
        format!("/api%2fv1/collections/menus/records/{id}"),
        format!("/%61pi/v1/collections/menus/records/{id}"),
        format!("\\api\\v1\\collections\\menus\\records\\{id}"),
        "/api/v1/collections/menus/records/..".to_owned(),
        "/api/v1/collections/menus/records/%2e%2e".to_owned(),
        "/api/v1/collections/menus/records/%2e%2e%2fbatch".to_owned(),
        "/api/v1/collections/menus/records/%".to_owned(),
        "/api/v1/collections/menus/records/%zz".to_owned(),
        "/api/v1/collections/menus/records/%ff".to_owned(),
        format!("/api/v1/collections/menus/records/{MARK}"),
        format!("/api/v1/collections/menus/records/{}", MARK.repeat(700)),
        format!("/api/v1/collections/menus/records/{}", id.to_uppercase()),
        format!("/api/v1/collections/menus/records/{{{id}}}"),
        format!("/api/v1/collections/menus/records/urn:uuid:{id}"),
        format!("/api/v1/collections/menus/records/{}", id.replace('-', "")),
        format!("/api/v1/collections/_member/records/{id}"),
        "/api/v1/collections/_leaf/records".to_owned(),
        "/api/v1/collections/sqlite_master/records".to_owned(),
        format!("/api/v1/members/{MARK}"),
        "/api/v1/members/../audit".to_owned(),
        format!("/api/v1/shares/{MARK}"),
        format!("/api/v1/shares/{}", "A".repeat(9000)),
        "/..".to_owned(),
        "/../app.toml".to_owned(),
        "/%2e%2e/app.toml".to_owned(),
        "/..%2fapp.toml".to_owned(),
        "/%2e%2e%2fapp.toml".to_owned(),
        "/....//app.toml".to_owned(),
        "/%252e%252e/app.toml".to_owned(),
        "/%c0%ae%c0%ae/app.toml".to_owned(),
        "/site/../app.toml".to_owned(),
        "/.env".to_owned(),
        "/.git/config".to_owned(),
        "/index.html%00.png".to_owned(),
        "//etc/passwd".to_owned(),
        "/etc/passwd".to_owned(),
        "/style.css/".to_owned(),
        "/w/sjohuset/api/v1/me".to_owned(),
        "/proc/self/environ".to_owned(),
        "/admin.sock".to_owned(),
    ] {
        for door in [&owner, &owner.nobody()] {
            let answer = door.get(&path).await;
            // An id in capitals is the same id, or none.
            assert!(matches!(answer.status, 400 | 401 | 403 | 404), "{path}: {} {}", answer.status, answer.text());
            // The HTTP reader has no words for what is no path at all.
            if answer.body.is_empty() { turned_away(Some(answer), &path) } else { refused(answer, &path) }
        }
    }
    // An absolute path in the request line that begins with the authority of another host is that host's.
    let mut wire = connect(fresh(), house.port).await;
    let text = format!(
        "GET http://brasserie-lund.localhost:{}{one} HTTP/1.1\nhost: HOST\nauthorization: {}\nconnection: close\n\n",
        house.port, owner.headers[0].1
    );
    wire.write(&request(&house, &text)).await;
    turned_away(wire.answer(false).await, "two hosts");
    unchanged(&house, &owner, &before).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_are_not_believed() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let guest = house.tenant(0);
    for name in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-real-ip",
        "x-client-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-host",
        "true-client-ip",
        "cf-connecting-ip",
        "fly-client-ip",
        "X-FORWARDED-FOR",
    ] {
        refused(guest.with(name, MARK).get("/healthz").await, name);
        refused(owner.with(name, "127.0.0.1").get(&records("orders")).await, name);
    }
    let token = owner.headers[0].1.strip_prefix("Bearer ").unwrap().to_owned();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic b3duZXI6eA==",
        "Bearer x",
        &format!("Bearer {token} "),
        &format!("Bearer  {token}"),
        &format!("Bearer {token},{token}"),
        &format!("Bearer {token}x"),
        &format!("Bearer {}", &token[1..]),
        &format!("Bearer {}", token.to_uppercase()),
        &format!("Bearer {}", "A".repeat(8000)),
        &token,
        "Bearer ..",
        "Bearer a.b.c",
        &format!("Token {token}"),
    ] {
        let answer = guest.with("authorization", value).get(&records("orders")).await;
        // White space at the end of a header belongs to nobody.
        assert!(
            answer.status == 401 || value.ends_with(' ') && value.contains(&token),
            "{value:.40}: {}",
            answer.status
        );
    }
    let twice = owner.with("authorization", &owner.headers[0].1).get(&records("orders")).await;
    refused(twice, "two credentials");
    // A token changed anywhere is none: every character of all three parts.
    for at in (0..token.len()).step_by(7) {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).unwrap();
        guest.token(&forged).get("/api/v1/me").await.problem(401);
    }
    for key in ["", &"k".repeat(201), "käse"] {
        refused(
            owner.with("idempotency-key", key).post(&records("menus"), &json!({"name": "x", "slug": "x"})).await,
            "a key",
        );
    }
    for tag in ["", "3", "\"3\"", "\"v\"", "\"v-\"", "\"v99999999999999999999\"", "\"v1\", \"v2\""] {
        let path = record("menus", &owner.list("menus").await[0]["id"]);
        refused(owner.with("if-match", tag).patch(&path, &json!({"served": MARK})).await, tag);
    }
    // From another site, with a cookie or without.
    for origin in ["http://brasserie-lund.localhost", "null", "https://evil.example", MARK] {
        let answer = owner.with("origin", origin).post(&records("menus"), &json!({"name": "x", "slug": "x"})).await;
        assert_eq!(answer.code(), "CrossSite", "{origin}");
        refused(answer, origin);
    }
    let cookie = guest.with("cookie", &format!("__Host-session={token}"));
    cookie.get(&records("orders")).await.is(200);
    refused(cookie.post(&records("menus"), &json!({"name": "x", "slug": "x"})).await, "a cookie without an origin");
    // A file's name cannot write headers.
    let dish = owner.list("dishes").await[0]["id"].clone();
    let photo = format!("{}/files/photo", record("dishes", &dish));
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
    let named = |header: &str| format!("{photo}?name=a%0d%0a{header}:%20x=1%22;%20filename=%22b.html");
    let filtered = owner.send("PUT", &named("set-cookie"), Some("image/png"), png).await.is(403);
    assert_eq!(filtered.code(), "header.split");
    owner.send("PUT", &named("x-evil"), Some("image/png"), png).await.is(200);
    let answer = owner.get(&photo).await.is(200);
    assert!(answer.header("x-evil").is_none());
    assert!(!answer.header("content-disposition").unwrap().contains("=\"b.html\""), "{answer:?}");
    assert!(owner.list("menus").await.iter().all(|m| m["slug"] != "x"));
    alive(&house).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_one_folder_is_refused() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let text = fs::read_to_string(house.folder().join("app.toml")).unwrap();
    for _ in 0..3 {
        let second =
            vouchsafe::start(settings(house.folder(), &house.data), read(&text), manifest::Page::default(), &text)
                .await;
        let words = second.err().expect("two servers on one folder");
        assert!(words.contains("another") || words.contains("in use") || words.contains("lock"), "{words}");
    }
    owner.post(&records("menus"), &json!({"name": "Still", "slug": "still"})).await.is(201);
    assert!(house.admin(json!({"do": "status"})).await.is_object(), "its socket still answers");
    // Once the first has ended, the folder is free.
    let house = house.again().await;
    assert!(house.member(0, "owner").await.list("menus").await.iter().any(|m| m["slug"] == "still"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_not_spend_what_a_tenant_shares() {
    let house = House::of("kontraktr").await;
    let first = house.app.roles[0].id;
    let (owner, other) = (house.member(0, first).await, house.member(1, first).await);
    let log = "/api/v1/audit/export";
    for _ in 0..8 {
        // Each counts by its own address, which is used up in its turn.
        let status = owner.nobody().get(log).await.status;
        assert!(matches!(status, 401 | 429), "{status}");
        let status = owner.at_with(&other).get(log).await.status;
        assert!(matches!(status, 401 | 404 | 429), "{status}");
    }
    owner.get(log).await.is(200);
    house.end().await;
}
