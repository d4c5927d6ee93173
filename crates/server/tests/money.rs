//! Many at once: what a guard allows happens that often and no more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use std::net::Ipv4Addr;

use house::*;
use serde_json::{Value, json};

fn cents(money: &Value) -> i64 {
    let (whole, part) = money.as_str().unwrap().strip_suffix(" EUR").unwrap().split_once('.').unwrap();
    whole.parse::<i64>().unwrap() * 100 + part.parse::<i64>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_with_ten_uses_is_redeemed_ten_times() {
    const GUESTS: u8 = 200;
    let house = House::of("nordkestrel").await;
    let (owner, guest) = (house.member(0, "owner").await, house.tenant(0));
    let promotion = owner.list("promotions").await.into_iter().find(|p| p["code"] == "WELCOME10").unwrap();
    assert_eq!((&promotion["uses"], &promotion["uses_max"]), (&json!(0), &json!(10)));
    let dish = guest.list("dishes").await[0]["id"].clone();
    let address = |n: u8| Ipv4Addr::new(127, 0, 1, n + 1);

    let orders = (0..GUESTS).map(|n| {
        let (guest, dish) = (guest.from(address(n)), dish.clone());
        async move {
            let order =
                json!({"order_lines": [{"dish": dish, "count": 1}], "customer": {"name": format!("Guest {n}")}});
            guest.post("/api/v1/submissions/order", &order).await.is(201).json()
        }
    });
    let placed = together(orders).await;
    // Every order has its own number, and none is left out.
    let mut numbers: Vec<_> = placed.iter().map(|o| o["number"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let placed: Vec<_> = placed.iter().map(|o| o["id"].clone()).collect();

    let path = format!("{}/actions/redeem", record("promotions", &promotion["id"]));
    let races = placed.into_iter().zip(0..GUESTS).map(|(order, n)| {
        let (guest, path) = (guest.from(address(n)), path.clone());
        async move { (order.clone(), guest.post(&path, &json!({"order": order})).await) }
    });
    let mut won = Vec::new();
    for (order, answer) in together(races).await {
        if answer.good() {
            won.push(order);
        } else {
            answer.problem(409);
        }
    }
    assert_eq!(won.len(), 10);

    let after = owner.get(&record("promotions", &promotion["id"])).await.is(200).json();
    assert_eq!(after["uses"], 10);
    let rows = owner.list("redemptions").await;
    let mut used: Vec<_> =
        rows.iter().filter(|r| r["promotion"] == promotion["id"]).map(|r| r["order"].to_string()).collect();
    let mut expected: Vec<_> = won.iter().map(ToString::to_string).collect();
    used.sort();
    expected.sort();
    assert_eq!(used, expected);
    let leaves = owner.leaves().await;
    let done = leaves.iter().filter(|l| l["action"] == "promotion.redeemed" && l["outcome"] == "done").count();
    assert_eq!(done, 10, "one leaf for each");
    assert_eq!(owner.get("/api/v1/audit/check").await.is(200).json()["intact"], true);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_order_redeems_a_promotion_once() {
    let house = House::open("nordkestrel").await;
    let (owner, guest) = (house.member(0, "owner").await, house.tenant(0));
    let promotion = owner.list("promotions").await.into_iter().find(|p| p["code"] == "WELCOME10").unwrap();
    let dish = guest.list("dishes").await[0]["id"].clone();
    let order = json!({"order_lines": [{"dish": dish}]});
    let order = guest.post("/api/v1/submissions/order", &order).await.is(201).json()["id"].clone();
    let path = format!("{}/actions/redeem", record("promotions", &promotion["id"]));
    let tries = (0..20).map(|_| {
        let (guest, path, order) = (guest.clone(), path.clone(), order.clone());
        async move { guest.post(&path, &json!({"order": order})).await.status }
    });
    let statuses = together(tries).await;
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|s| matches!(s, 200 | 409)), "{statuses:?}");
    let after = owner.get(&record("promotions", &promotion["id"])).await.is(200).json();
    assert_eq!(after["uses"], 1, "a refused redemption counts nothing");
    house.end().await;
}

/// Refunds `order` in steps of `cents` from many sides at once; the statuses.
async fn refund(owner: &Door, order: &Value, step: i64, times: usize) -> Vec<u16> {
    let amount = format!("{}.{:02} EUR", step / 100, step % 100);
    let tries = (0..times).map(|_| {
        let path = format!("{}/actions/refund", record("orders", &order["id"]));
        let (owner, amount) = (owner.clone(), amount.clone());
        async move { owner.post(&path, &json!({"amount": amount, "reason": "cold"})).await.status }
    });
    let statuses = together(tries).await;
    assert!(statuses.iter().all(|s| matches!(s, 200 | 409)), "{statuses:?}");
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_refunds_never_exceed_the_total() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let paid: Vec<_> = owner.list("orders").await.into_iter().filter(|o| o["status"] == "paid").collect();
    assert!(paid.len() >= 2);

    // A step that divides the total: the last one refunds the order.
    let order = &paid[0];
    let (total, before) = (cents(&order["total"]), cents(&order["refunded"]));
    assert!(total > 0 && before == 0);
    let step = (1..=total).find(|s| total % s == 0 && total / s <= 12 && total / s > 1).unwrap();
    let good = refund(&owner, order, step, 40).await.into_iter().filter(|s| *s == 200).count();
    assert_eq!(good as i64, total / step);
    let after = owner.get(&record("orders", &order["id"])).await.is(200).json();
    assert_eq!((cents(&after["refunded"]), &after["status"]), (total, &json!("refunded")));

    // One that does not: it stops below, and the order is not called refunded.
    let order = &paid[1];
    let total = cents(&order["total"]);
    let step = total * 3 / 10 + 1;
    let good = refund(&owner, order, step, 40).await.into_iter().filter(|s| *s == 200).count();
    assert_eq!(good, 3);
    let after = owner.get(&record("orders", &order["id"])).await.is(200).json();
    assert_eq!((cents(&after["refunded"]), &after["status"]), (step * 3, &json!("paid")));
    let rest = total - step * 3;
    refund(&owner, order, rest, 10).await;
    let after = owner.get(&record("orders", &order["id"])).await.is(200).json();
    assert_eq!((cents(&after["refunded"]), &after["status"]), (total, &json!("refunded")));

    // Nothing to pay back twice, nothing below zero.
    let path = format!("{}/actions/refund", record("orders", &order["id"]));
    owner.post(&path, &json!({"amount": "0.01 EUR", "reason": "again"})).await.problem(409);
    let other = owner.list("orders").await.into_iter().find(|o| o["status"] == "accepted").unwrap();
    let path = format!("{}/actions/refund", record("orders", &other["id"]));
    let negative = owner.post(&path, &json!({"amount": "-5.00 EUR", "reason": "negative"})).await;
    let after = owner.get(&record("orders", &other["id"])).await.is(200).json();
    assert!(!negative.good() && cents(&after["refunded"]) == 0, "{} {after}", negative.text());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_asks_who_it_is_again() {
    // With a window of a moment, the sign-in at the beginning is too old at once.
    let house =
        House::with("nordkestrel", |text| swap(&unlimited(text), "step_up = \"10 min\"", "step_up = \"1 s\"")).await;
    let owner = house.member(0, "owner").await;
    let order = owner.list("orders").await.into_iter().find(|o| o["status"] == "paid").unwrap();
    let path = format!("{}/actions/refund", record("orders", &order["id"]));
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    let refused = owner.post(&path, &json!({"amount": "1.00 EUR", "reason": "late"})).await.problem(403);
    assert_eq!(refused.code(), "StepUp");
    let again = house.member(0, "owner").await;
    again.post(&path, &json!({"amount": "1.00 EUR", "reason": "in time"})).await.is(200);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sum_is_the_sum_of_its_lines() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let order = owner.post(&records("orders"), &json!({})).await.is(201).json();
    let dishes: Vec<_> = owner.list("dishes").await.into_iter().filter(|d| d["published"] == true).collect();
    let lines = (0..30).map(|n| {
        let line = json!({"order": order["id"], "dish": dishes[n % dishes.len()]["id"], "count": n % 3 + 1});
        let owner = owner.clone();
        async move { owner.post(&records("order_lines"), &line).await.is(201).json() }
    });
    let lines = together(lines).await;
    let total = async || cents(&owner.get(&record("orders", &order["id"])).await.is(200).json()["total"]);
    let sum = |lines: &[Value]| lines.iter().map(|l| cents(&l["amount"])).sum::<i64>();
    assert_eq!(total().await, sum(&lines));
    let (gone, kept) = lines.split_at(12);
    let removals = gone.iter().map(|line| {
        let (owner, path) = (owner.clone(), record("order_lines", &line["id"]));
        async move { owner.delete(&path).await.is(204) }
    });
    let changes = kept.iter().map(|line| {
        let (owner, path) = (owner.clone(), record("order_lines", &line["id"]));
        async move { owner.patch(&path, &json!({"count": 2})).await.is(200).json() }
    });
    let (_, changed) = tokio::join!(together(removals), together(changes));
    assert_eq!(total().await, sum(&changed));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_there_is_once_is_had_by_one() {
    let house = House::open("nordkestrel").await;
    let (owner, apex) = (house.member(0, "owner").await, house.apex());
    let one = |statuses: Vec<u16>, good: u16| {
        assert_eq!(statuses.iter().filter(|s| **s == good).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|s| *s == good || matches!(s, 409 | 410)), "{statuses:?}");
    };
    // A unique value.
    let menus = (0..20).map(|n| {
        let owner = owner.clone();
        async move { owner.post(&records("menus"), &json!({"name": format!("{n}"), "slug": "once"})).await.status }
    });
    one(together(menus).await, 201);
    // A tenant's name.
    let wishes = (0..10).map(|n| {
        let wish = json!({"slug": "havn", "name": "Havn", "email": format!("s{n}@x.example"), "password": "correct horse battery 9"});
        let apex = apex.from(fresh());
        async move { apex.post("/api/v1/tenants", &wish).await }
    });
    // Hashing has a queue: whoever finds it full is told to come back.
    let founded: Vec<_> = together(wishes).await.iter().map(|a| a.status).filter(|s| *s != 503).collect();
    one(founded, 201);
    // An invitation.
    owner.post("/api/v1/members/invitations", &json!({"email": "a@x.example", "role": "kitchen"})).await.is(201);
    let token = house.mailed("a@x.example", "You are invited").await;
    let accepts = (0..8).map(|n| {
        let accept = json!({"token": token, "name": format!("A{n}"), "password": "correct horse battery 9"});
        let door = owner.nobody();
        async move { door.post("/api/v1/invitations/accept", &accept).await.status }
    });
    let mut joined = together(accepts).await;
    joined.retain(|s| !matches!(s, 401 | 503)); // 401: by now the address has an account, which must be signed in
    one(joined, 201);
    let members = owner.get("/api/v1/members").await.is(200).json();
    assert_eq!(members["members"].as_array().unwrap().iter().filter(|m| m["email"] == "a@x.example").count(), 1);
    intact(&[&owner]).await;
    house.end().await;
}
