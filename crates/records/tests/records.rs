//! Records through their routes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers, too")]

mod bench;

use bench::{Bench, OWNER, Who, code, codes, user};
use kernel::{Failure, Reason};
use serde_json::{Value as Json, json};

suite! {
    crate::bench::read(include_str!("app.toml"));
    a_record_lives_its_life
    everything_wrong_is_named_at_once
    values_are_checked_by_kind
    hostile_bodies_get_clear_words
    lists_filter_sort_and_page
    bad_questions_are_refused
    encrypted_values_are_found_by_their_blind_index
    rows_out_of_reach_are_not_there
    derived_fields_follow
    drafts_wait_until_they_are_published
    batches_are_all_or_nothing
}

const CLERK: Who = Who::Role("clerk", 2);
const EDITOR: Who = Who::Role("editor", 3);

async fn a_record_lives_its_life(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let made = b.create(OWNER, "customers", json!({"name": "Åsa \"A\"\n", "email": "asa@example.com"})).await.unwrap();
    let record = made.json();
    assert_eq!((made.status, made.etag(), record["version"].as_i64()), (201, "\"v1\"".into(), Some(1)));
    assert_eq!((record["name"].as_str(), record["email"].as_str()), (Some("Åsa \"A\"\n"), Some("asa@example.com")));
    assert_eq!(record["created_at"], "2026-05-04T09:30:00.000Z");
    assert!(record.get("key").is_none(), "a secret is never shown");
    let id = made.id();
    assert_eq!(b.one(OWNER, "customers", &id).await.unwrap(), record);
    let path = format!("/api/v1/collections/customers/records/{id}");
    let changed = b.call(OWNER, &format!("PATCH {path}"), json!({"email": null, "key": "s3cret"})).await.unwrap();
    assert_eq!((changed.json()["email"].clone(), changed.etag()), (Json::Null, "\"v2\"".into()));
    for (tag, good) in [("\"v1\"", false), ("\"v2\"", true), ("\"v2\"", false)] {
        let body = json!({"name": "B"}).to_string().into_bytes();
        let outcome = b.send(OWNER, &format!("PATCH {path}"), &[("if-match", tag)], body).await;
        assert_eq!(outcome.err(), (!good).then_some(Failure::Stale), "{tag}");
    }
    let odd = b.send(OWNER, &format!("PATCH {path}"), &[("if-match", "v2")], b"{}".to_vec()).await;
    assert!(matches!(odd.err(), Some(Failure::BadInput(_))));
    assert_eq!(
        b.send(OWNER, &format!("DELETE {path}"), &[("if-match", "\"v9\"")], vec![]).await.err(),
        Some(Failure::Stale)
    );
    assert_eq!(b.call(OWNER, &format!("DELETE {path}"), Json::Null).await.unwrap().status, 204);
    assert_eq!(b.one(OWNER, "customers", &id).await, Err(Failure::NotFound));
    for line in [format!("DELETE {path}"), format!("PATCH {path}")] {
        assert_eq!(b.call(OWNER, &line, Json::Null).await.err(), Some(Failure::NotFound), "{line}");
    }
    let leaves = b.leaves().await;
    for event in ["record.created", "record.updated", "record.deleted"] {
        assert!(leaves.contains(&format!("{event} customers/{id} done")), "{event}");
    }
}

async fn everything_wrong_is_named_at_once(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let given = json!({
        "number": 7, "total": "1.00 EUR", "ref": "x", "nonsense": 1, "id": "x", "tip": "1 USD", "status": "lost",
        "customer": "01910000-0000-7000-8000-000000000001", "clerk": user(77).to_string(), "reason": "x".repeat(401),
    });
    let mut found = codes(b.create(OWNER, "orders", given).await);
    found.sort();
    let expected = [
        ("clerk", "reference"),
        ("customer", "reference"),
        ("id", "read_only"),
        ("nonsense", "unknown"),
        ("number", "derived"),
        ("reason", "too_long"),
        ("ref", "read_only"),
        ("status", "enum"),
        ("tip", "type"),
        ("total", "derived"),
    ];
    assert_eq!(found, expected.map(|(f, c)| (f.to_owned(), c)));
    assert_eq!(codes(b.create(OWNER, "customers", json!({})).await), [("name".to_owned(), "required")]);
    // A hidden field looks like one that does not exist; one that may only be read is named so.
    let mut found = codes(b.create(CLERK, "customers", json!({"name": "x", "note": "n", "email": "a@b.co"})).await);
    found.sort();
    assert_eq!(found, [("email".to_owned(), "forbidden"), ("note".to_owned(), "unknown")]);
}

async fn values_are_checked_by_kind(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let refused = [
        ("title", json!("a\u{0}b"), "characters"),
        ("title", json!(" "), "required"),
        ("title", json!(7), "type"),
        ("title", json!("pay 4111 1111 1111 1111 now"), "card_number"),
        ("slug", json!("Not A Slug"), "pattern"),
        ("slug", json!("ok\nx"), "pattern"),
        ("tags", json!("x"), "type"),
        ("tags", json!(["ok", 3]), "type"),
        ("tags", json!(["4111111111111111"]), "card_number"),
        ("data", json!({"a": "x".repeat(5000)}), "too_long"),
        ("data", json!({"a": 4111111111111111_i64}), "card_number"),
        ("data", json!({"a\u{0}": 1}), "characters"),
        ("score", json!(1.0000001), "type"),
        ("score", json!(10.5), "max"),
        ("score", json!(-11), "min"),
        ("score", json!("3"), "type"),
        ("on", json!("2026-02-30"), "type"),
        ("on", json!("2026-2-3"), "type"),
        ("go_live", json!("tomorrow"), "type"),
        ("link", json!("javascript:alert(1)"), "url"),
        ("link", json!("https://user@host/"), "url"),
        ("link", json!("ftp://host/"), "url"),
        ("link", json!("https://"), "url"),
        ("ok", json!(1), "type"),
        ("body", json!("<b>4111-1111-1111-1111</b>"), "card_number"),
        ("body", json!("4111<!-- -->111111111111"), "card_number"),
    ];
    for (field, value, expected) in refused {
        let mut given = json!({"title": "t"});
        given[field] = value.clone();
        let found = codes(b.create(EDITOR, "pages", given).await);
        assert_eq!(found, [(field.to_owned(), expected)], "{value}");
    }
    let given = json!({
        "title": "Ünïcode 😀", "slug": "a-b", "tags": ["x", "y\"z"], "data": {"deep": [1, {"x": null}]}, "score": -2.5, "on": "2024-02-29",
        "link": "https://example.com/a?b=c", "ok": false, "secretive": "hush", "go_live": "2030-01-01T01:00:00+01:00",
        "body": "<p onclick=\"x\">Hi<script>alert(1)</script></p>",
    });
    let made = b.create(EDITOR, "pages", given.clone()).await.unwrap().json();
    for (name, value) in given.as_object().unwrap().iter().filter(|(n, _)| !["body", "go_live"].contains(&n.as_str())) {
        assert_eq!(made[name], *value, "{name}");
    }
    assert_eq!(
        (made["body"].as_str(), made["go_live"].as_str()),
        (Some("<p>Hi</p>"), Some("2030-01-01T00:00:00.000Z"))
    );
    assert_eq!(b.one(EDITOR, "pages", made["id"].as_str().unwrap()).await.unwrap(), made);
    let again = b.create(EDITOR, "pages", json!({"title": "u", "slug": "a-b"})).await;
    assert!(matches!(again, Err(Failure::Unique(columns)) if columns.contains("slug")));
}

async fn hostile_bodies_get_clear_words(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let line = "POST /api/v1/collections/deals/records";
    for body in ["{\"title\":", "[]", "7", "{\"title\":\"a\",\"title\":\"b\"}", "{\"title\":\"\u{1}\"}"] {
        let outcome = b.send(OWNER, line, &[("content-type", "application/json")], body.as_bytes().to_vec()).await;
        assert!(matches!(outcome.err(), Some(Failure::BadInput(_))), "{body}");
    }
    let outcome = b.send(OWNER, line, &[("content-type", "text/plain")], b"{}".to_vec()).await;
    assert!(matches!(outcome.err(), Some(Failure::UnsupportedType(_))));
    let outcome = b.send(OWNER, line, &[], b"{\"title\":\"\xff\"}".to_vec()).await;
    assert!(matches!(outcome.err(), Some(Failure::BadInput(_))));
    let long = "n".repeat(500);
    let found = codes(b.create(OWNER, "deals", json!({"title": "x", "<script>": 1, long: 2})).await);
    assert_eq!(found, [("?".to_owned(), "unknown"), ("?".to_owned(), "unknown")]);
}

async fn lists_filter_sort_and_page(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    for (title, value) in
        [("b%_x", Some(3)), ("A", Some(1)), ("c", None), ("B", Some(2)), ("d", None), ("é'\"", Some(2))]
    {
        b.made("deals", json!({"title": title, "value": value})).await;
    }
    let titles = |page: &Json| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|r| r["title"].as_str().unwrap().to_owned()).collect()
    };
    for (filter, expected) in [
        ("value = 2", vec!["B", "é'\""]),
        ("value >= 2 and title != \"B\"", vec!["b%_x", "é'\""]),
        ("value != 2", vec!["A", "b%_x", "c", "d"]),
        ("value is null", vec!["c", "d"]),
        ("value is not null and (title = 'A' or title ~ 'B%')", vec!["A", "b%_x"]),
        ("title in (\"c\", 'A', \"zz\")", vec!["A", "c"]),
        ("title = \"é'\\\"\"", vec!["é'\""]),
        ("title ~ \"_X\"", vec!["b%_x"]),
        ("created_at <= @now and value < 2", vec!["A"]),
        ("title = \"x\\\" or 1=1 --\"", vec![]),
    ] {
        let page = b.list(OWNER, "deals", &[("filter", filter), ("sort", "title"), ("count", "true")]).await.unwrap();
        assert_eq!(titles(&page), expected, "{filter}");
        assert_eq!(page["count"].as_u64(), Some(expected.len() as u64));
    }
    for sort in ["value,title", "-value,-title", "title", "-created_at", "value", "-value", "id", ""] {
        let whole = titles(&b.list(OWNER, "deals", &[("sort", sort)]).await.unwrap());
        assert_eq!(whole.len(), 6);
        let (mut paged, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut query = vec![("sort", sort), ("limit", "2")];
            query.extend(cursor.as_deref().map(|c| ("cursor", c)));
            let page = b.list(OWNER, "deals", &query).await.unwrap();
            paged.extend(titles(&page));
            match page["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(paged, whole, "{sort}");
    }
    let page = b.list(OWNER, "deals", &[("fields", "title"), ("limit", "1")]).await.unwrap();
    assert!(page["items"][0].get("value").is_none() && page["items"][0].get("title").is_some());
}

async fn bad_questions_are_refused(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    for n in 0..3 {
        b.made("deals", json!({"title": format!("t{n}")})).await;
    }
    let deep = format!("{}value = 1{}", "(".repeat(12), ")".repeat(12));
    let wide = vec!["value = 1"; 65].join(" or ");
    let long = format!("title = \"{}\"", "x".repeat(5000));
    for filter in [
        "value",
        "value =",
        "= 1",
        "value = 1 and",
        "(value = 1",
        "value = \"x",
        "value = 1)",
        "value 1",
        "value like 2",
        "#",
        deep.as_str(),
        wide.as_str(),
        long.as_str(),
    ] {
        let outcome = b.list(OWNER, "deals", &[("filter", filter)]).await;
        assert!(matches!(outcome, Err(Failure::BadInput(_))), "{filter}: {outcome:?}");
    }
    for (filter, code) in
        [("nope = 1", "unknown"), ("value = \"x\"", "type"), ("value ~ \"1\"", "operator"), ("value = @me", "type")]
    {
        assert_eq!(
            self::code(b.list(OWNER, "deals", &[("filter", filter)]).await.map(|_| unreachable!())),
            [code].into(),
            "{filter}"
        );
    }
    for query in [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "x"),
        ("cursor", "zzz"),
        ("sort", "title,value,-id,created_at"),
        ("sort", "title,title"),
        ("count", "maybe"),
    ] {
        assert!(matches!(b.list(OWNER, "deals", &[query]).await, Err(Failure::BadInput(_))), "{query:?}");
    }
    for query in [("sort", "nope"), ("fields", "title,nope"), ("nope", "1")] {
        assert!(matches!(b.list(OWNER, "deals", &[query]).await, Err(Failure::Invalid(_))), "{query:?}");
    }
    // A cursor belongs to its question, and no bit of it may change.
    let next = b.list(OWNER, "deals", &[("sort", "title"), ("limit", "1")]).await.unwrap()["next"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(b.list(OWNER, "deals", &[("sort", "title"), ("cursor", &next)]).await.is_ok());
    assert!(b.list(OWNER, "deals", &[("sort", "-title"), ("cursor", &next)]).await.is_err());
    assert!(
        b.list(OWNER, "deals", &[("sort", "title"), ("filter", "value is null"), ("cursor", &next)]).await.is_err()
    );
    for at in 0..next.len() {
        let mut changed = next.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        if changed != next {
            assert!(b.list(OWNER, "deals", &[("sort", "title"), ("cursor", &changed)]).await.is_err(), "{at}");
        }
    }
    // What may not be read cannot be asked about, and says no more than a name that does not exist.
    let outsider = |name: &'static str| {
        let b = &b;
        async move {
            let mut answers = Vec::new();
            for query in [("filter", format!("{name} = \"x\"")), ("sort", name.to_owned()), ("fields", name.to_owned())]
            {
                let failure = b.list(CLERK, "customers", &[(query.0, &query.1)]).await.unwrap_err();
                answers.push(format!("{failure:?}").replace(name, "?"));
            }
            answers
        }
    };
    assert_eq!(outsider("note").await, outsider("zzzz").await);
    assert_eq!(
        code(b.list(CLERK, "customers", &[("filter", "email = \"a@b.co\"")]).await.map(|_| unreachable!())),
        ["encrypted"].into()
    );
}

async fn encrypted_values_are_found_by_their_blind_index(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    for (name, mail) in [("a", json!("Ann@Example.com")), ("b", json!("ben@example.com")), ("c", json!(null))] {
        b.made("finders", json!({"name": name, "mail": mail, "memo": "same"})).await;
    }
    for (filter, expected) in [
        ("mail = \"ann@example.com\"", vec!["a"]),
        ("mail = \" ANN@example.com\" and name = \"a\"", vec!["a"]),
        ("mail = \"ann@example.com\" and name = \"b\"", vec![]),
        ("mail in (\"ann@example.com\", \"ben@example.com\", \"x@y.zz\")", vec!["a", "b"]),
        ("mail = \"same\"", vec![]),
        ("memo = \"same\"", vec!["a", "b", "c"]),
        ("mail is null or (name = \"b\" and mail = \"ben@example.com\")", vec!["b", "c"]),
    ] {
        let page = b.list(OWNER, "finders", &[("filter", filter), ("sort", "name"), ("count", "true")]).await.unwrap();
        let names: Vec<&str> = page["items"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{filter}");
        assert_eq!(page["count"], expected.len());
    }
    for (filter, word) in [
        ("mail != \"a@b.cc\"", "operator"),
        ("mail > \"a\"", "operator"),
        ("mail ~ \"a\"", "operator"),
        ("mail = 5", "type"),
        ("mail in (5)", "type"),
    ] {
        let refused = b.list(OWNER, "finders", &[("filter", filter)]).await.map(|_| unreachable!());
        assert_eq!(code(refused), [word].into(), "{filter}");
    }
}

async fn rows_out_of_reach_are_not_there(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let theirs = b.made("deals", json!({"title": "theirs"})).await;
    assert_eq!(b.one(CLERK, "deals", &theirs).await, Err(Failure::NotFound));
    assert_eq!(b.list(CLERK, "deals", &[("count", "true")]).await.unwrap()["count"], 0);
    assert_eq!(b.create(CLERK, "deals", json!({"title": "x"})).await.err(), Some(Failure::Refused(Reason::NotGranted)));
    // What was made may be made without being readable: the answer then shows nothing of it.
    let blind = b.create(Who::Role("adder", 5), "orders", json!({"tip": "1.00 EUR"})).await.unwrap().json();
    assert_eq!(blind.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "version"]);
    let order = b.made("orders", json!({"clerk": user(2).to_string()})).await;
    let other = b.made("orders", json!({"clerk": user(4).to_string()})).await;
    let patch = |id: String| format!("PATCH /api/v1/collections/orders/records/{id}");
    assert!(b.call(CLERK, &patch(order.clone()), json!({"tip": "2 EUR"})).await.is_ok());
    assert_eq!(b.call(CLERK, &patch(other.clone()), json!({"tip": "2 EUR"})).await.err(), Some(Failure::NotFound));
    assert_eq!(b.act(CLERK, "orders", &other, "close", json!({})).await.err(), Some(Failure::NotFound));
    // Parts follow their parent's rows.
    let dish = b.made("dishes", json!({"name": "Soup", "price": "4.00 EUR"})).await;
    assert!(b.create(CLERK, "lines", json!({"order": order, "dish": dish})).await.is_ok());
    let refused = code(b.create(CLERK, "lines", json!({"order": other, "dish": dish})).await);
    assert_eq!(refused, ["reference"].into());
}

async fn derived_fields_follow(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let dish = b.made("dishes", json!({"name": "Soup", "price": "4.05 EUR"})).await;
    let (first, order) = (b.made("orders", json!({})).await, b.made("orders", json!({})).await);
    let number = |r: &Json| r["number"].as_i64().unwrap();
    let (a, o) = (b.one(OWNER, "orders", &first).await.unwrap(), b.one(OWNER, "orders", &order).await.unwrap());
    assert_eq!((number(&a), number(&o), o["total"].as_str()), (1, 2, Some("0.00 EUR")));
    let line =
        b.create(OWNER, "lines", json!({"order": order, "dish": dish, "count": 3, "hours": 0.333333})).await.unwrap();
    let (id, line) = (line.id(), line.json());
    let money = |r: &Json, f: &str| r[f].as_str().unwrap().to_owned();
    assert_eq!(
        (money(&line, "price"), money(&line, "amount"), money(&line, "worked")),
        ("4.05 EUR".into(), "12.15 EUR".into(), "1.35 EUR".into())
    );
    b.made("lines", json!({"order": order, "dish": dish})).await;
    let after = b.one(OWNER, "orders", &order).await.unwrap();
    assert_eq!((money(&after, "total"), after["version"].as_i64()), ("16.20 EUR".into(), Some(3)));
    let path = format!("/api/v1/collections/lines/records/{id}");
    let changed = b.call(OWNER, &format!("PATCH {path}"), json!({"count": 10})).await.unwrap().json();
    assert_eq!(money(&changed, "amount"), "40.50 EUR");
    assert_eq!(money(&b.one(OWNER, "orders", &order).await.unwrap(), "total"), "44.55 EUR");
    let moved = b.call(OWNER, &format!("PATCH {path}"), json!({"order": first})).await;
    assert_eq!(code(moved), ["read_only"].into());
    b.call(OWNER, &format!("DELETE {path}"), Json::Null).await.unwrap();
    assert_eq!(money(&b.one(OWNER, "orders", &order).await.unwrap(), "total"), "4.05 EUR");
    // The copy is frozen; a referred record cannot go.
    b.call(OWNER, &format!("PATCH /api/v1/collections/dishes/records/{dish}"), json!({"price": "9 EUR"}))
        .await
        .unwrap();
    assert_eq!(money(&b.one(OWNER, "orders", &order).await.unwrap(), "total"), "4.05 EUR");
    let gone = b.call(OWNER, &format!("DELETE /api/v1/collections/dishes/records/{dish}"), Json::Null).await;
    assert_eq!(gone.err(), Some(Failure::Reference));
    b.call(OWNER, &format!("DELETE /api/v1/collections/orders/records/{order}"), Json::Null).await.unwrap();
    assert_eq!(b.list(OWNER, "lines", &[("count", "true")]).await.unwrap()["count"], 0);
}

async fn drafts_wait_until_they_are_published(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let page = b.create(EDITOR, "pages", json!({"title": "One"})).await.unwrap();
    let id = page.id();
    assert_eq!((page.json()["published"].as_bool(), page.json()["draft"].as_bool()), (Some(false), Some(false)));
    assert_eq!(b.one(Who::Visitor, "pages", &id).await, Err(Failure::NotFound));
    assert!(
        matches!(b.act(EDITOR, "pages", &id, "publish", json!({})).await, Err(Failure::Conflict(w)) if w.contains("`body`"))
    );
    let path = format!("PATCH /api/v1/collections/pages/records/{id}");
    b.call(EDITOR, &path, json!({"body": "<b>x</b>", "secretive": "s1"})).await.unwrap();
    let public = b.act(EDITOR, "pages", &id, "publish", json!({})).await.unwrap().json();
    assert_eq!((public["published"].as_bool(), public["published_at"].is_string()), (Some(true), true));
    let pending =
        b.call(EDITOR, &path, json!({"title": "Two", "secretive": "s2", "tags": ["t"]})).await.unwrap().json();
    assert_eq!(
        (pending["title"].as_str(), pending["draft"].as_bool(), pending["secretive"].as_str()),
        (Some("Two"), Some(true), Some("s2"))
    );
    b.call(EDITOR, &path, json!({"score": 1.5})).await.unwrap();
    let seen = b.one(Who::Visitor, "pages", &id).await.unwrap();
    assert_eq!((seen["title"].as_str(), seen["tags"].is_null(), seen.get("draft")), (Some("One"), true, None));
    assert_eq!(b.list(EDITOR, "pages", &[]).await.unwrap()["items"][0]["title"], "Two");
    let public = b.act(EDITOR, "pages", &id, "publish", json!({})).await.unwrap().json();
    assert_eq!(
        (public["title"].as_str(), public["draft"].as_bool(), public["score"].as_f64()),
        (Some("Two"), Some(false), Some(1.5))
    );
    let seen = b.one(Who::Visitor, "pages", &id).await.unwrap();
    assert_eq!((seen["title"].as_str(), seen["secretive"].as_str()), (Some("Two"), Some("s2")));
    let versions = b.get(EDITOR, &format!("/api/v1/collections/pages/records/{id}/versions")).await.unwrap().json();
    assert_eq!(versions["items"].as_array().map(Vec::len), Some(2), "{versions}");
    b.act(EDITOR, "pages", &id, "unpublish", json!({})).await.unwrap();
    assert_eq!(b.one(Who::Visitor, "pages", &id).await, Err(Failure::NotFound));
    // A moment in the future schedules it.
    b.call(EDITOR, &path, json!({"go_live": "2026-05-04T10:00:00Z"})).await.unwrap();
    let later = b.act(EDITOR, "pages", &id, "publish", json!({})).await.unwrap().json();
    assert_eq!(later["published"].as_bool(), Some(false));
    assert_eq!(b.records.due(&b.tx("")).await, Ok(0));
    b.clock.advance(3_600_000);
    assert_eq!(b.records.due(&b.tx("")).await, Ok(1));
    b.records.publish_due(b.tx("record.published")).await.unwrap();
    assert!(b.one(Who::Visitor, "pages", &id).await.is_ok());
}

async fn batches_are_all_or_nothing(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let line = |m: &str| format!("{m} /api/v1/collections/deals/records/batch");
    let leaves = b.leaves().await.len();
    let bad = json!([{"op": "create", "fields": {"title": "a"}}, {"op": "create", "fields": {"value": 1}}]);
    assert_eq!(codes(b.call(OWNER, &line("POST"), bad).await), [("1/title".to_owned(), "required")]);
    assert_eq!(code(b.call(OWNER, &line("POST"), json!([{"op": "delete", "id": "x"}])).await).len(), 1);
    let made = b
        .call(OWNER, &line("POST"), json!([{"fields": {"title": "a"}}, {"op": "create", "fields": {"title": "b"}}]))
        .await;
    let ids: Vec<String> =
        made.unwrap().json()["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().into()).collect();
    let unknown = "01910000-0000-7000-8000-000000000001";
    let half = json!([{"id": ids[0], "fields": {"value": 1}}, {"id": unknown, "fields": {"value": 1}}]);
    assert_eq!(b.call(OWNER, &line("PATCH"), half).await.err(), Some(Failure::NotFound));
    let stale = json!([{"id": ids[0], "fields": {"value": 1}}, {"id": ids[1], "fields": {"value": 1}, "version": 9}]);
    assert_eq!(b.call(OWNER, &line("PATCH"), stale).await.err(), Some(Failure::Stale));
    assert!(b.one(OWNER, "deals", &ids[0]).await.unwrap()["value"].is_null());
    let good = json!([{"id": ids[0], "fields": {"value": 1}}, {"id": ids[1], "fields": {"value": 2}, "version": 1}]);
    b.call(OWNER, &line("PATCH"), good).await.unwrap();
    b.call(OWNER, &line("DELETE"), json!([{"id": ids[0]}, {"id": ids[1]}])).await.unwrap();
    assert_eq!(b.leaves().await.len(), leaves + 3);
    let many: Vec<Json> = (0..501).map(|_| json!({"fields": {"title": "x"}})).collect();
    assert!(matches!(b.call(OWNER, &line("POST"), json!(many)).await.err(), Some(Failure::BadInput(_))));
}
