//! Buttons stand where the API acts: every role, every state of Nordkestrel's orders.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers, too")]

mod bench;

use bench::{Bench, Who, place, read};
use kernel::{Failure, Id};
use serde_json::json;

const STATES: [&str; 8] = ["placed", "paid", "accepted", "cooking", "ready", "served", "refunded", "cancelled"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buttons_stand_where_the_api_acts() {
    let path = format!("{}/../../apps/nordkestrel/app.toml", env!("CARGO_MANIFEST_DIR"));
    let b = Bench::open(read(&std::fs::read_to_string(path).unwrap()), place::sqlite()).await;
    let orders = b.app.collections.iter().position(|c| c.id == "orders").unwrap();
    let actions: Vec<_> = b.app.collections[orders].actions.iter().map(|a| a.id).collect();
    let roles: Vec<_> = b.app.roles.iter().map(|r| r.id).collect();
    let (mut shown, mut blocked) = (0, 0);
    for (n, role) in roles.into_iter().enumerate() {
        let who = Who::Role(role, u8::try_from(n + 1).unwrap());
        for state in STATES {
            for action in actions.iter().copied().chain(["edit", "delete"]) {
                let id = order(&b, orders, state, &format!("pi_{role}_{state}_{action}")).await;
                let page = match b.look(who, &format!("/console/collections/orders/{id}")).await {
                    Ok(page) => page.text(),
                    // What may not be seen has no page; its actions answer as for nothing at all.
                    Err(Failure::NotFound) => {
                        let outcome = b.act(who, "orders", &id, action, json!({})).await;
                        assert!(
                            matches!(outcome.err(), Some(Failure::NotFound | Failure::Refused(_))),
                            "{role} {state} {action}"
                        );
                        continue;
                    }
                    Err(other) => panic!("{role} {state}: {other:?}"),
                };
                let aim =
                    if ["edit", "delete"].contains(&action) { action.to_owned() } else { format!("actions/{action}") };
                let button = page.contains(&format!("orders/{id}/{aim}\""));
                let line = format!("/api/v1/collections/orders/records/{id}");
                let outcome = match action {
                    "edit" => b.call(who, &format!("PATCH {line}"), json!({})).await,
                    "delete" => b.call(who, &format!("DELETE {line}"), json!(null)).await,
                    action => b.act(who, "orders", &id, action, inputs(action)).await,
                };
                let acts = match &outcome {
                    Ok(_) => true,
                    Err(Failure::Refused(_) | Failure::Conflict(_) | Failure::NotFound) => false,
                    Err(other) => panic!("{role} {state} {action}: {other:?}"),
                };
                assert_eq!(button, acts, "{role}, {state}, {action}: {:?}", outcome.err());
                if acts {
                    shown += 1
                } else {
                    blocked += 1
                }
                // What is not there is named with its reason.
                let label = b.app.collections[orders].actions.iter().find(|a| a.id == action).map(|a| a.label.clone());
                let label =
                    label.unwrap_or_else(|| if action == "edit" { "Edit".to_owned() } else { "Delete".to_owned() });
                assert_eq!(page.contains(&format!("<dt>{label}</dt><dd>")), !acts, "{role}, {state}, {action}");
            }
        }
    }
    assert!(shown > 60 && blocked > 100, "{shown} {blocked}");
}

fn inputs(action: &str) -> serde_json::Value {
    match action {
        "cancel" => json!({"reason": "because"}),
        "refund" => json!({"amount": "1.00 EUR", "reason": "because"}),
        _ => json!({}),
    }
}

/// An order with one line in a state, as the demo data makes them.
async fn order(b: &Bench, orders: usize, state: &str, payment: &str) -> String {
    let at = |name: &str| b.app.collections.iter().position(|c| c.id == name).unwrap();
    let seed = async |collection: usize, fields: serde_json::Value, publish: bool| -> Id {
        let fields = fields.as_object().unwrap().clone();
        let tx = b.tx("record.created");
        b.records.seed(tx, records::Seed { collection, fields, publish }).await.unwrap()
    };
    let menu = seed(at("menus"), json!({"name": "M", "slug": payment.replace('_', "-")}), true).await;
    let dish = seed(at("dishes"), json!({"menu": menu.to_string(), "name": "D", "price": "9.00 EUR"}), true).await;
    let order = seed(orders, json!({"status": state, "payment_ref": payment}), false).await;
    seed(at("order_lines"), json!({"order": order.to_string(), "dish": dish.to_string()}), false).await;
    order.to_string()
}

/// Forms of the console and the calls of the API that they stand for ask for the same right, spend the same tier or one of
/// their own kind, and leave the same leaf.
#[tokio::test]
async fn the_console_is_no_other_way_in() {
    for app in ["nordkestrel", "kwestra", "kontraktr", "estokad", "connectwyze"] {
        let path = format!("{}/../../apps/{app}/app.toml", env!("CARGO_MANIFEST_DIR"));
        let b = Bench::open(read(&std::fs::read_to_string(path).unwrap()), place::sqlite()).await;
        let told = |r: &route::Route| (r.action, r.serve.event, r.serve.also);
        let (pages, api): (Vec<_>, Vec<_>) = b.routes.iter().partition(|r| r.path.starts_with("/console/"));
        assert!(pages.len() > b.app.collections.len() * 5);
        for page in pages {
            let reads = page.serve.event.is_empty();
            assert_eq!(reads, page.serve.method == "GET", "{app} {}", page.path);
            let import = page.serve.event.starts_with("import.");
            let twin = api.iter().any(|r| {
                if reads || import {
                    r.action == page.action && (!import || r.serve.also == page.serve.also)
                } else {
                    told(r) == told(page)
                }
            });
            assert!(twin, "{app} {} {:?} {}", page.path, page.action, page.serve.event);
            assert!(reads || page.serve.redraw.is_some(), "{app} {}", page.path);
        }
        // A clerk of parts: where the API refuses a line of a closed order, none is offered.
        if app == "nordkestrel" {
            let orders = b.app.collections.iter().position(|c| c.id == "orders").unwrap();
            for state in STATES {
                let id = order(&b, orders, state, &format!("pi_{state}")).await;
                let dish = b.list(Who::System, "dishes", &[]).await.unwrap()["items"][0]["id"].clone();
                let page =
                    b.look(Who::Role("cashier", 4), &format!("/console/collections/orders/{id}")).await.unwrap().text();
                let line = b.create(Who::Role("cashier", 4), "order_lines", json!({"order": id, "dish": dish})).await;
                assert_eq!(page.contains("Add order line"), line.is_ok(), "{state}: {:?}", line.err());
            }
        }
    }
}
