//! Declared actions, public forms and links.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers, too")]

mod bench;

use std::sync::Arc;

use bench::{Bench, OWNER, Who, code, codes};
use kernel::{Failure, Reason};
use serde_json::{Map, Value as Json, json};

suite! {
    crate::bench::read(include_str!("app.toml"));
    two_hundred_redemptions_of_ten_uses_win_ten_times
    concurrent_refunds_never_exceed_the_total
    inputs_are_checked_like_fields
    a_pair_redeems_once
    a_submission_makes_an_order_and_a_receipt
}

async fn seed(b: &Bench, collection: &str, fields: Json, publish: bool) -> String {
    let collection = b.app.collections.iter().position(|c| c.id == collection).unwrap();
    let Json::Object(fields) = fields else { panic!() };
    let seed = records::Seed { collection, fields, publish };
    b.records.seed(b.tx("record.seeded"), seed).await.unwrap_or_else(|f| panic!("{f:?}")).to_string()
}

async fn two_hundred_redemptions_of_ten_uses_win_ten_times(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await.map(Arc::new) else { return };
    let fields = json!({"code": "TEN10", "ends": "2030-01-01T00:00:00Z", "uses_max": 10});
    let promotion = seed(&b, "promotions", fields, true).await;
    let mut orders = Vec::new();
    for _ in 0..200 {
        orders.push(b.made("orders", json!({})).await);
    }
    let calls = orders.into_iter().map(|order| {
        let (b, promotion) = (Arc::clone(&b), promotion.clone());
        tokio::spawn(
            async move { b.act(Who::Visitor, "promotions", &promotion, "redeem", json!({"order": order})).await },
        )
    });
    let (mut won, mut lost) = (0, 0);
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(answer) => {
                won += 1;
                assert_eq!(answer.json().as_object().unwrap().len(), 2, "a visitor may not read promotions");
            }
            Err(Failure::Conflict(words)) => {
                assert!(!words.contains("uses"), "a hidden field is not named: {words}");
                lost += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((won, lost), (10, 190));
    assert_eq!(b.one(OWNER, "promotions", &promotion).await.unwrap()["uses"], 10);
    assert_eq!(b.list(OWNER, "redemptions", &[("count", "true")]).await.unwrap()["count"], 10);
}

async fn concurrent_refunds_never_exceed_the_total(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await.map(Arc::new) else { return };
    let dish = b.made("dishes", json!({"name": "Soup", "price": "10.00 EUR"})).await;
    let order = seed(&b, "orders", json!({"status": "paid", "ref": "pi_1"}), false).await;
    b.made("lines", json!({"order": order, "dish": dish, "count": 10})).await;
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let (b, order) = (Arc::clone(&b), order.clone());
            let input = json!({"amount": "3.00 EUR", "reason": "cold"});
            tokio::spawn(async move { b.act(OWNER, "orders", &order, "refund", input).await })
        })
        .collect();
    let mut won = 0;
    for call in calls {
        won += i32::from(call.await.unwrap().is_ok());
    }
    let after = b.one(OWNER, "orders", &order).await.unwrap();
    assert_eq!((won, after["refunded"].as_str(), after["status"].as_str()), (33, Some("99.00 EUR"), Some("paid")));
    let too_much = b.act(OWNER, "orders", &order, "refund", json!({"amount": "1.01 EUR", "reason": "x"})).await;
    assert!(matches!(too_much.err(), Some(Failure::Conflict(words)) if words.contains("`refunded`")));
    let last =
        b.act(OWNER, "orders", &order, "refund", json!({"amount": "1.00 EUR", "reason": "x"})).await.unwrap().json();
    assert_eq!((last["refunded"].as_str(), last["status"].as_str()), (Some("100.00 EUR"), Some("refunded")));
    let over = b.act(OWNER, "orders", &order, "refund", json!({"amount": "1.00 EUR", "reason": "x"})).await;
    assert!(matches!(over.err(), Some(Failure::Conflict(words)) if words.contains("`status`")));
    assert!(b.leaves().await.iter().filter(|l| l.starts_with("orders.refund ")).count() == 34);
}

async fn inputs_are_checked_like_fields(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let order = seed(&b, "orders", json!({"status": "paid"}), false).await;
    let mut found = codes(b.act(OWNER, "orders", &order, "refund", json!({"amount": "0 EUR", "extra": 1})).await);
    found.sort();
    let expected = [("amount", "min"), ("extra", "unknown"), ("reason", "required")];
    assert_eq!(found, expected.map(|(f, c)| (f.to_owned(), c)));
    let card = b.act(OWNER, "orders", &order, "refund", json!({"amount": "1 EUR", "reason": "4111111111111111"})).await;
    assert_eq!(code(card), ["card_number"].into());
    let unknown = "01910000-0000-7000-8000-000000000001";
    let nothing = b.act(OWNER, "orders", unknown, "refund", json!({"amount": "1 EUR", "reason": "x"})).await;
    assert_eq!(nothing.err(), Some(Failure::NotFound));
    let path = format!("POST /api/v1/collections/orders/records/{order}/actions/close");
    let stale = b.send(OWNER, &path, &[("if-match", "\"v7\"")], b"{}".to_vec()).await;
    assert_eq!(stale.err(), Some(Failure::Stale));
    assert_eq!(
        b.act(Who::Visitor, "orders", &order, "close", json!({})).await.err(),
        Some(Failure::Refused(Reason::NotGranted))
    );
}

async fn a_pair_redeems_once(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let fields = json!({"code": "TWICE", "ends": "2030-01-01T00:00:00Z"});
    let promotion = seed(&b, "promotions", fields, true).await;
    let order = b.made("orders", json!({})).await;
    assert!(b.act(Who::Visitor, "promotions", &promotion, "redeem", json!({"order": order})).await.is_ok());
    let again = b.act(Who::Visitor, "promotions", &promotion, "redeem", json!({"order": order})).await;
    assert!(matches!(again.err(), Some(Failure::Unique(_))));
    assert_eq!(b.one(OWNER, "promotions", &promotion).await.unwrap()["uses"], 1);
    let expired = seed(&b, "promotions", json!({"code": "GONE", "ends": "2020-01-01T00:00:00Z"}), true).await;
    let late = b.act(OWNER, "promotions", &expired, "redeem", json!({"order": order})).await;
    assert!(matches!(late.err(), Some(Failure::Conflict(words)) if words.contains("`ends`")));
}

async fn a_submission_makes_an_order_and_a_receipt(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let dish = b.made("dishes", json!({"name": "Soup", "price": "4.00 EUR"})).await;
    let line = "POST /api/v1/submissions/order";
    let form = json!({
        "tip": "1.00 EUR", "website": "", "elapsed_ms": 5000,
        "lines": [{"dish": dish, "count": 2}, {"dish": dish}], "customer": {"name": "Ida", "email": "ida@example.com"},
    });
    let answer = b.call(Who::Visitor, line, form.clone()).await.unwrap();
    let told = answer.json();
    assert_eq!((answer.status, told["number"].as_i64()), (201, Some(1)));
    let order = b.one(OWNER, "orders", told["id"].as_str().unwrap()).await.unwrap();
    assert_eq!((order["total"].as_str(), order["status"].as_str()), (Some("12.00 EUR"), Some("placed")));
    let customer = b.one(OWNER, "customers", order["customer"].as_str().unwrap()).await.unwrap();
    assert_eq!(customer["email"], "ida@example.com");

    let with = |change: &dyn Fn(&mut Map<String, Json>)| {
        let mut form = form.clone();
        change(form.as_object_mut().unwrap());
        form
    };
    let tries = [
        (with(&|f| drop(f.insert("website".into(), json!("http://x")))), "form", "refused"),
        (with(&|f| drop(f.insert("elapsed_ms".into(), json!(3)))), "form", "refused"),
        (with(&|f| drop(f.insert("status".into(), json!("paid")))), "status", "unknown"),
        (with(&|f| drop(f.insert("total".into(), json!("0.01 EUR")))), "total", "unknown"),
        (with(&|f| f["lines"][1]["price"] = json!("0.01 EUR")), "lines/1/price", "unknown"),
        (with(&|f| f["lines"][0]["count"] = json!(99)), "lines/0/count", "max"),
        (with(&|f| f["customer"]["note"] = json!("x")), "customer/note", "unknown"),
        (with(&|f| f["customer"]["email"] = json!("x")), "customer/email", "email"),
        (with(&|f| f["customer"] = json!("x")), "customer", "type"),
        (
            with(&|f| f["lines"] = json!([{"dish": dish}, {"dish": dish}, {"dish": dish}, {"dish": dish}])),
            "lines",
            "too_long",
        ),
    ];
    for (form, field, code) in tries {
        assert_eq!(codes(b.call(Who::Visitor, line, form).await), [(field.to_owned(), code)]);
    }
    assert_eq!(b.list(OWNER, "orders", &[("count", "true")]).await.unwrap()["count"], 1);

    let (token, pin) = (told["receipt"]["token"].as_str().unwrap(), told["receipt"]["pin"].as_str().unwrap());
    assert_eq!(pin.len(), 6);
    let open = |token: &str, pin: &str| {
        let path = format!("/api/v1/shares/{token}?pin={pin}");
        let b = &b;
        async move { b.get(Who::Visitor, &path).await }
    };
    let shown = open(token, pin).await.unwrap().json();
    assert_eq!((shown["record"]["total"].as_str(), shown["record"].get("customer")), (Some("12.00 EUR"), None));
    assert_eq!(shown["parts"]["lines"].as_array().map(Vec::len), Some(2));
    assert!(shown["parts"]["lines"][0].get("price").is_none());
    assert_eq!(open("nonsense", pin).await.err(), Some(Failure::NotFound));
    for _ in 0..10 {
        assert_eq!(open(token, "abcdef").await.err(), Some(Failure::WrongCredentials));
    }
    assert_eq!(open(token, pin).await.err(), Some(Failure::Gone), "ten wrong PINs close a link");

    let made = b.call(OWNER, "POST /api/v1/shares/receipt", json!({"record": told["id"]})).await.unwrap().json();
    let (token, pin) = (made["token"].as_str().unwrap().to_owned(), made["pin"].as_str().unwrap().to_owned());
    assert!(open(&token, &pin).await.is_ok());
    b.clock.advance(3 * 86_400_000);
    assert_eq!(open(&token, &pin).await.err(), Some(Failure::Gone));
}
