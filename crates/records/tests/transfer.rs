//! Imports, exports and files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers, too")]

mod bench;

use std::collections::BTreeMap;

use bench::{Bench, OWNER, Who, code, codes};
use kernel::Failure;
use serde_json::{Value as Json, json};

suite! {
    crate::bench::read(include_str!("app.toml"));
    an_export_imported_elsewhere_is_the_same
    an_import_is_all_or_nothing_and_names_its_rows
    a_large_import_counts_right
    files_are_what_their_bytes_say
}

const CSV: [(&str, &str); 1] = [("content-type", "text/csv; charset=utf-8")];

async fn rows(b: &Bench, collection: &str) -> BTreeMap<String, Json> {
    let text =
        b.get(OWNER, &format!("/api/v1/collections/{collection}/records/export?format=json")).await.unwrap().text();
    let Json::Array(list) = serde_json::from_str(&text).unwrap() else { panic!() };
    let kept = |mut r: Json| {
        for name in ["created_at", "updated_at", "version", "published", "published_at"] {
            r.as_object_mut().unwrap().remove(name);
        }
        (r["id"].as_str().unwrap().to_owned(), r)
    };
    list.into_iter().map(kept).collect()
}

async fn an_export_imported_elsewhere_is_the_same(make: &impl AsyncFn() -> Option<Bench>) {
    let (Some(here), Some(there)) = (make().await, make().await) else { return };
    let nasty = ["=HYPERLINK(\"x\")", "+1", "-1", "@a", "'=x", "''", "'t Hof", "a,b\n\"c\"", "\ttab", " pad ", "é😀"];
    for (n, title) in nasty.iter().enumerate() {
        let made = json!({
            "title": title, "slug": format!("s-{}", "abcdefghijkl".get(n..=n).unwrap()), "tags": ["a", "=b"], "data": {"x": [1, "y"]}, "score": -1.25,
            "ok": n % 2 == 0, "on": "2026-01-02", "body": "<p>=x &amp; y</p>", "secretive": "-s", "go_live": "2026-01-02T03:04:05.678Z",
        });
        here.made("pages", made).await;
    }
    for format in ["csv", "json"] {
        let file = here.get(OWNER, &format!("/api/v1/collections/pages/records/export?format={format}")).await.unwrap();
        let text = file.text();
        if format == "csv" {
            assert!(text.contains("'=HYPERLINK") && !text.contains("\n=") && text.contains("'t Hof"), "{text}");
        }
        let kind = if format == "csv" { "text/csv" } else { "application/json" };
        let path = "POST /api/v1/collections/pages/records/import";
        let done = there.send(OWNER, path, &[("content-type", kind)], file.bytes).await.unwrap().json();
        assert_eq!(done["rows"], nasty.len());
        assert_eq!(rows(&here, "pages").await, rows(&there, "pages").await, "{format}");
        let ids: Vec<Json> = rows(&there, "pages").await.into_keys().map(|id| json!({"id": id})).collect();
        there.call(OWNER, "DELETE /api/v1/collections/pages/records/batch", json!(ids)).await.unwrap();
    }
    assert!(here.leaves().await.contains(&"records.exported pages/export done".to_owned()));
    assert!(there.leaves().await.contains(&format!("records.imported pages/import of {} done", nasty.len())));
}

async fn an_import_is_all_or_nothing_and_names_its_rows(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let import = |collection: &str, text: &str| {
        let (line, body) = (format!("POST /api/v1/collections/{collection}/records/import"), text.as_bytes().to_vec());
        let b = &b;
        async move { b.send(OWNER, &line, &CSV, body).await }
    };
    let mut found = codes(import("deals", "title,value\na,1\n,2\nc,x\nd\n4111111111111111,1\n").await);
    found.sort();
    let expected = [
        ("rows/2/title", "required"),
        ("rows/3/value", "type"),
        ("rows/4", "columns"),
        ("rows/5/title", "card_number"),
    ];
    assert_eq!(found, expected.map(|(f, c)| (f.to_owned(), c)));
    assert_eq!(code(import("deals", "title,nope\na,1\n").await), ["unknown"].into());
    assert!(matches!(import("deals", "title\n").await.err(), Some(Failure::BadInput(_))));
    let twice = import("pages", "title,slug\na,x\nb,y\nc,x\n").await;
    assert_eq!(codes(twice), [("rows/3/slug".to_owned(), "unique")]);
    b.made("pages", json!({"title": "t", "slug": "taken"})).await;
    assert_eq!(codes(import("pages", "title,slug\na,new\nb,taken\n").await), [("rows/2/slug".to_owned(), "unique")]);
    let order = b.made("orders", json!({})).await;
    let dish = b.made("dishes", json!({"name": "Soup", "price": "4.00 EUR"})).await;
    let unknown = "01910000-0000-7000-8000-000000000001";
    let text = format!("order,dish,count\n{order},{dish},2\n{order},{unknown},1\n");
    assert_eq!(codes(import("lines", &text).await), [("rows/2/dish".to_owned(), "reference")]);
    assert_eq!(b.list(OWNER, "lines", &[("count", "true")]).await.unwrap()["count"], 0);
    import("lines", &format!("order,dish,count\n{order},{dish},2\n{order},{dish},\n")).await.unwrap();
    let after = b.one(OWNER, "orders", &order).await.unwrap();
    assert_eq!(after["total"], "12.00 EUR");
    import("orders", "tip,status\n1.00 EUR,paid\n2.00 EUR,\n").await.unwrap();
    let numbers = b.list(OWNER, "orders", &[("sort", "number")]).await.unwrap();
    assert_eq!(
        numbers["items"].as_array().unwrap().iter().map(|r| r["number"].as_i64().unwrap()).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    b.made("orders", json!({})).await;
    assert_eq!(b.list(OWNER, "orders", &[("sort", "-number"), ("limit", "1")]).await.unwrap()["items"][0]["number"], 4);
}

async fn a_large_import_counts_right(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let mut text = String::from("title,value\n");
    for n in 0..20_000 {
        text.push_str(&format!("row {n},{n}\n"));
    }
    let done =
        b.send(OWNER, "POST /api/v1/collections/deals/records/import", &CSV, text.into_bytes()).await.unwrap().json();
    assert_eq!((done["rows"].as_u64(), done["sha256"].as_str().map(str::len)), (Some(20_000), Some(64)));
    let page = b.list(OWNER, "deals", &[("count", "true"), ("sort", "-value"), ("limit", "1")]).await.unwrap();
    assert_eq!((page["count"].as_u64(), page["items"][0]["value"].as_u64()), (Some(20_000), Some(19_999)));
    assert_eq!(rows(&b, "deals").await.len(), 20_000);
}

/// Memory does not grow with the file. Slow, so it is asked for by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow"]
async fn three_hundred_thousand_rows_need_little_memory() {
    let b = Bench::open(bench::read(include_str!("app.toml")), bench::place::sqlite()).await;
    let peak = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let mut text = String::from("title,value\n");
    for n in 0..300_000 {
        text.push_str(&format!("row number {n} of many,{n}\n"));
    }
    let before = peak();
    let done =
        b.send(OWNER, "POST /api/v1/collections/deals/records/import", &CSV, text.into_bytes()).await.unwrap().json();
    assert_eq!(done["rows"], 300_000);
    let grown = peak() - before;
    assert!(grown < 100, "{grown} MiB");
    let file = b.get(OWNER, "/api/v1/collections/deals/records/export?format=csv").await.unwrap();
    assert_eq!(file.text().lines().count(), 300_001);
}

async fn files_are_what_their_bytes_say(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let upload = |kind: &'static str, bytes: Vec<u8>| {
        let b = &b;
        async move {
            let line = "POST /api/v1/collections/dishes/files/photo?name=..%2Fsoup.png";
            b.send(OWNER, line, &[("content-type", kind)], bytes).await
        }
    };
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 5000]].concat();
    for (kind, bytes) in [
        ("image/png", b"<svg onload=x>".to_vec()),
        ("image/svg+xml", b"<svg/>".to_vec()),
        ("text/html", png.clone()),
        ("application/pdf", b"%PDF-1.7 x".to_vec()),
    ] {
        assert!(matches!(upload(kind, bytes).await.err(), Some(Failure::UnsupportedType(_))), "{kind}");
    }
    assert!(matches!(
        upload("image/png", [png.as_slice(), &[0; 70_000]].concat()).await.err(),
        Some(Failure::TooLarge(_))
    ));
    assert!(matches!(upload("image/png", vec![]).await.err(), Some(Failure::BadInput(_))));
    let file = upload("image/png", png.clone()).await.unwrap();
    assert_eq!(
        (file.status, file.json()["name"].as_str(), file.json()["type"].as_str()),
        (201, Some("soup.png"), Some("image/png"))
    );
    let foreign = b
        .create(
            OWNER,
            "dishes",
            json!({"name": "x", "price": "1 EUR", "photo": "01910000-0000-7000-8000-000000000001"}),
        )
        .await;
    assert_eq!(code(foreign), ["file"].into());
    let dish =
        b.create(OWNER, "dishes", json!({"name": "x", "price": "1 EUR", "photo": {"file": file.id()}})).await.unwrap();
    assert_eq!(dish.json()["photo"]["size"], png.len());
    let taken = b.create(OWNER, "dishes", json!({"name": "y", "price": "1 EUR", "photo": file.id()})).await;
    assert_eq!(code(taken), ["file"].into(), "a file belongs to one record");
    let path = format!("/api/v1/collections/dishes/records/{}/files/photo", dish.id());
    let got = b.get(OWNER, &path).await.unwrap();
    assert_eq!((got.bytes, got.headers["content-type"].to_str().unwrap()), (png, "image/png"));
    assert!(got.headers["content-disposition"].to_str().unwrap().starts_with("inline"));
    let csv = b
        .send(OWNER, &format!("PUT {path}?name=list.csv"), &[("content-type", "text/csv")], b"a,b\n".to_vec())
        .await
        .unwrap();
    assert_eq!((csv.json()["photo"]["name"].as_str(), csv.etag()), (Some("list.csv"), "\"v2\"".into()));
    let got = b.get(OWNER, &path).await.unwrap();
    assert!(got.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let back = b
        .call(
            OWNER,
            &format!("PATCH /api/v1/collections/dishes/records/{}", dish.id()),
            json!({"photo": csv.json()["photo"]}),
        )
        .await;
    assert!(back.is_ok(), "what is shown may be sent back");
    assert!(b.get(Who::Role("clerk", 2), &path).await.is_err());
    b.call(OWNER, &format!("DELETE /api/v1/collections/dishes/records/{}", dish.id()), Json::Null).await.unwrap();
    assert_eq!(b.get(OWNER, &path).await.err(), Some(Failure::NotFound));
    let left = b.tx("").blobs().get(csv.json()["photo"]["id"].as_str().unwrap().parse().unwrap()).await;
    assert_eq!(left.err(), Some(Failure::NotFound), "the bytes go with the record");
}
