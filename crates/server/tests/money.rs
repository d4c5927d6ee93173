//! Many at once: what a guard allows happens that often and no more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use std::{net::Ipv4Addr, sync::Arc};

use house::*;
use serde_json::{Value, json};
use tokio::sync::Barrier;

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
        tokio::spawn(async move {
            let order =
                json!({"order_lines": [{"dish": dish, "count": 1}], "customer": {"name": format!("Guest {n}")}});
            guest.post("/api/v1/submissions/order", &order).await.is(201).json()["id"].clone()
        })
    });
    let mut placed = Vec::new();
    for order in orders.collect::<Vec<_>>() {
        placed.push(order.await.unwrap());
    }

    let path = Arc::new(format!("{}/actions/redeem", record("promotions", &promotion["id"])));
    let start = Arc::new(Barrier::new(GUESTS.into()));
    let races = placed.iter().cloned().zip(0..GUESTS).map(|(order, n)| {
        let (guest, path, start) = (guest.from(address(n)), Arc::clone(&path), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            (order.clone(), guest.post(&path, &json!({"order": order})).await)
        })
    });
    let mut won = Vec::new();
    for race in races.collect::<Vec<_>>() {
        let (order, answer) = race.await.unwrap();
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
        tokio::spawn(async move { guest.post(&path, &json!({"order": order})).await.status })
    });
    let mut statuses = Vec::new();
    for answer in tries.collect::<Vec<_>>() {
        statuses.push(answer.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|s| matches!(s, 200 | 409)), "{statuses:?}");
    let after = owner.get(&record("promotions", &promotion["id"])).await.is(200).json();
    assert_eq!(after["uses"], 1, "a refused redemption counts nothing");
    house.end().await;
}

/// Refunds `order` in steps of `cents` from many sides at once; the statuses.
async fn refund(owner: &Door, order: &Value, step: i64, times: usize) -> Vec<u16> {
    let amount = format!("{}.{:02} EUR", step / 100, step % 100);
    let start = Arc::new(Barrier::new(times));
    let tries = (0..times).map(|_| {
        let path = format!("{}/actions/refund", record("orders", &order["id"]));
        let (owner, amount, start) = (owner.clone(), amount.clone(), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            owner.post(&path, &json!({"amount": amount, "reason": "cold"})).await.status
        })
    });
    let mut statuses = Vec::new();
    for answer in tries.collect::<Vec<_>>() {
        statuses.push(answer.await.unwrap());
    }
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
