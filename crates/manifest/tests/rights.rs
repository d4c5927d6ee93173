//! What grants compile to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use manifest::{App, CollectionGrant, Derived, Equal, GrantRows, Grants, Kind, Literal, Manage, Set, Test};

const APP: &str = r#"
[app]
name = "Øyhandel"
[tenant]
noun = "shop"
[roles.owner]
floor = "all"
[roles.admin]
like  = "owner"
floor = { payouts = "read", tenant.billing = "read", tenant.deletion = "" }
[roles.clerk]
floor = { customers = { all = "read create", email = "", phone = "read", notes = "read write" }, orders = ["read", "create", "write serve where open", "write where own"] }
[roles.kitchen.floor]
orders = { all = "read start where open", total = "" }
[roles.rep]
floor = { customers = "read" }
ceiling = { "*" = "read write actions", customers = { all = "read write", email = "" } }
[visitor]
orders = "submit"
[collections.customers.fields]
name    = "!text"
email   = { type = "email", encrypted = true, index = "blind" }
phone   = "text"
notes   = "text"
token   = "secret"
subject = "email"
[collections.orders.fields]
customer = { type = "reference", to = "customers" }
status   = { type = "enum", of = ["open", "done"], default = "open" }
total    = { type = "money", sum = "lines.amount" }
paid     = { type = "money", default = "0 EUR", read_only = true }
[collections.orders.rows]
open = { status = "open" }
[collections.orders.actions]
start = { when = { status = "open" }, set = { status = "done" } }
serve = { input = { sum = "!money" }, set = { paid = "+ @input.sum", status = "done if paid = total" }, ensure = { paid = "<= total" } }
[collections.lines]
part_of = { orders = "order" }
[collections.lines.fields]
order  = { type = "reference", to = "orders", required = true }
count  = { type = "integer", default = 1 }
price  = "money"
amount = { type = "money", product = ["count", "price"] }
[collections.payouts.fields]
amount = { type = "money", min = "0.50 EUR", default = "12.50 EUR" }
rate   = { type = "decimal", default = 0.25 }
due    = { type = "date_time", default = 1970-01-01T00:00:01Z }
[submissions.order]
creates = "orders"
accepts = { lines = ["count"], customer = ["name"] }
"#;

fn app() -> App {
    manifest::read(APP, "app.toml").unwrap_or_else(|f| panic!("\n{}", manifest::render(&f, false)))
}

fn role<'a>(app: &'a App, id: &str) -> &'a Grants {
    &app.roles.iter().find(|r| r.id == id).unwrap().floor
}

fn on<'a>(app: &App, grants: &'a Grants, collection: &str) -> Option<&'a CollectionGrant> {
    grants.collections.get(&app.collections.iter().position(|c| c.id == collection).unwrap())
}

fn verbs(grant: &CollectionGrant) -> Vec<&str> {
    grant.verbs.keys().copied().collect()
}

fn equal(column: &str, any: Literal) -> Equal {
    Equal { column: column.into(), any: vec![any] }
}

#[test]
fn like_starts_from_another_role() {
    let app = app();
    let admin = role(&app, "admin");
    assert_eq!(verbs(on(&app, admin, "payouts").unwrap()), ["read"]);
    assert_eq!(verbs(on(&app, admin, "orders").unwrap()), ["create", "delete", "read", "serve", "start", "write"]);
    assert_eq!(admin.tenant.get("billing"), Some(&Manage::Read));
    assert_eq!(admin.tenant.get("deletion"), None);
    assert_eq!(admin.tenant.get("members"), Some(&Manage::Manage));
}

#[test]
fn fields_have_rights_of_their_own() {
    let app = app();
    let grant = on(&app, role(&app, "clerk"), "customers").unwrap();
    assert_eq!(verbs(grant), ["create", "read", "write"]);
    let names = |set: kernel::FieldSet| -> Vec<&str> {
        app.collections[0].fields.iter().enumerate().filter(|(i, _)| set.has(*i)).map(|(_, f)| f.id).collect()
    };
    assert_eq!(app.collections[0].subject, Some(1), "the marker among the fields is no field");
    assert_eq!(names(grant.read), ["name", "phone", "notes"], "a secret is never read back");
    assert_eq!(names(grant.create), ["name", "notes", "token"]);
    assert_eq!(names(grant.write), ["notes"], "write came with the field, for the field alone");
}

#[test]
fn rows_of_several_grants_are_joined() {
    let app = app();
    let grant = on(&app, role(&app, "clerk"), "orders").unwrap();
    let open = vec![equal("status", Literal::Text("open".into()))];
    let own = vec![equal("created_by", Literal::Me)];
    assert_eq!(grant.verbs["read"], GrantRows::All);
    assert_eq!(grant.verbs["serve"], GrantRows::Any(vec![open.clone()]));
    assert_eq!(grant.verbs["write"], GrantRows::Any(vec![open, own]));
}

#[test]
fn parts_share_their_parents_rights() {
    let app = app();
    let lines = on(&app, role(&app, "kitchen"), "lines").unwrap();
    let open = GrantRows::Any(vec![vec![equal("order.status", Literal::Text("open".into()))]]);
    assert_eq!(verbs(lines), ["read"]);
    assert_eq!(lines.verbs["read"], open);
    let shown = |at: usize| lines.read.has(at);
    assert_eq!([0, 1, 2, 3].map(shown), [true, true, false, false], "a hidden total is not told by its parts");
    let clerk = on(&app, role(&app, "clerk"), "lines").unwrap();
    assert_eq!(verbs(clerk), ["create", "delete", "read", "write"]);
    assert!(matches!(&clerk.verbs["create"], GrantRows::Any(sets) if sets.len() == 2));
    assert_eq!(verbs(on(&app, &app.visitor, "orders").unwrap()), ["submit"]);
    assert!(on(&app, &app.visitor, "lines").is_none());
}

#[test]
fn a_floor_is_narrowed_to_its_ceilings_fields() {
    let app = app();
    let rep = app.roles.iter().find(|r| r.id == "rep").unwrap();
    assert!(!on(&app, &rep.floor, "customers").unwrap().read.has(1));
    assert_eq!(verbs(on(&app, &rep.ceiling, "orders").unwrap()), ["read", "serve", "start", "write"]);
    assert!(on(&app, &rep.ceiling, "lines").is_some(), "parts follow under `*` too");
}

#[test]
fn values_are_in_stored_form() {
    let app = app();
    let payouts = &app.collections[3].fields;
    assert_eq!((payouts[0].min, payouts[0].default.clone()), (Some(50), Some(Literal::Int(1250))));
    assert_eq!(payouts[1].default, Some(Literal::Int(250_000)));
    assert_eq!(payouts[2].default, Some(Literal::Int(1000)));
    let orders = &app.collections[1];
    assert_eq!(orders.fields[2].derived, Some(Derived::Sum(2, 3)));
    assert!(orders.fields[2].read_only && matches!(orders.fields[2].kind, Kind::Money));
    let serve = orders.actions.iter().find(|a| a.id == "serve").unwrap();
    assert!(matches!(serve.set[0].1, Set::Add(_)) && matches!(serve.ensure[0].is, Test::AtMost(_)));
    assert_eq!(serve.set[1].1, Set::ValueIf(Literal::Text("done".into()), 3, 2));
    assert_eq!((serve.audit, serve.event, serve.limit), ("orders.serve", "orders.serve", "actions"));
    assert_eq!((app.id, app.webhooks_out.header.as_str()), ("oyhandel", "X-Oyhandel-Signature"));
    assert_eq!(app.limits.tiers.len(), 25);
}
