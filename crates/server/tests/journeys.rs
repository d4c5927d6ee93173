//! What people do with a product, from sign-up to removal, through the network and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use std::time::Duration;

use house::*;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery 9";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restaurant_opens_when_its_owner_confirms() {
    let house = House::open("nordkestrel").await;
    let apex = house.apex();
    let wish =
        json!({"slug": "havn", "name": "Havn", "email": "Siri@Havn.example", "password": PASSWORD, "owner": "Siri"});
    let made = apex.post("/api/v1/tenants", &wish).await.is(201).json();
    assert_eq!((&made["slug"], &made["confirm"]), (&json!("havn"), &json!(true)));
    let havn = Door::new(house.port, made["url"].as_str().unwrap());

    // Until then there is neither a host nor an account.
    havn.get("/api/v1/me/rights").await.problem(421);
    signed_in(&apex, "siri@havn.example", PASSWORD).await.problem(401);
    let token = house.mailed("siri@havn.example", "Confirm").await;
    assert_eq!(token.len(), 64, "32 bytes, hex");
    apex.post("/api/v1/auth/verify", &json!({"token": token.replace('a', "b")})).await.problem(410);
    let page = apex.get(&format!("/auth/verify?token={token}")).await.is(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    havn.get("/api/v1/me/rights").await.problem(421); // looking at the page confirms nothing
    apex.post("/api/v1/auth/verify", &json!({"token": token})).await.is(200);
    apex.post("/api/v1/auth/verify", &json!({"token": token})).await.problem(410);

    let owner = bearer(&havn, &signed_in(&havn, "siri@havn.example", PASSWORD).await.is(200));
    let me = owner.get("/api/v1/me").await.is(200).json();
    assert_eq!((&me["membership"]["role"], &me["verified"]), (&json!("owner"), &json!(true)));
    assert_eq!(owner.list("dishes").await, Vec::<Value>::new());
    owner.post(&records("menus"), &json!({"name": "Lunch", "slug": "lunch"})).await.is(201);
    assert_eq!(owner.get("/api/v1/tenant").await.is(200).json()["name"], "Havn");

    // The name is taken now, and the others are not theirs.
    let again = json!({"slug": "havn", "name": "Other", "email": "x@x.example", "password": PASSWORD, "owner": "X"});
    apex.post("/api/v1/tenants", &again).await.problem(409);
    owner.at(&house.tenant(0)).get(&records("orders")).await.problem(404);
    let leaves = owner.leaves().await;
    assert_eq!(actions(&leaves), ["account.verified", "session.created", "record.created"]);
    intact(&[&owner]).await;
    let house = house.again().await;
    let owner = Door::new(house.port, &format!("http://havn.localhost:{}", house.port)).at_with(&owner);
    assert_eq!(
        owner.list("menus").await.len(),
        1,
        "what was acknowledged is there after a restart, and the session too"
    );
    intact(&[&owner]).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_up_says_the_same_for_known_and_unknown_addresses() {
    let house = House::open("nordkestrel").await;
    let apex = house.apex();
    let known = &house.ready.tenants[0].members[0];
    let ask = async |email: &str| {
        apex.post("/api/v1/auth/sign-up", &json!({"email": email, "name": "N", "password": PASSWORD})).await
    };
    let (one, two) = (ask(&known.email).await, ask("new@guests.example").await);
    assert_eq!((one.status, one.text()), (two.status, two.text()));
    assert!(one.good());
    assert!(house.mailed(&known.email, "You have an account").await.is_empty(), "no link that could change anything");
    let token = house.mailed("new@guests.example", "Confirm").await;
    apex.post("/api/v1/auth/verify", &json!({"token": token})).await.is(200);
    signed_in(&apex, "new@guests.example", PASSWORD).await.is(200);
    signed_in(&apex, &known.email, PASSWORD).await.problem(401);

    for weak in ["short", "", "password"] {
        let body = json!({"email": "weak@guests.example", "name": "N", "password": weak});
        apex.post("/api/v1/auth/sign-up", &body).await.problem(422);
    }
    for bad in ["", "@", "a@", "a b@c.example", "a@b@c.example", "a@b\n.example", "\u{0}@x.example"] {
        let body = json!({"email": bad, "name": "N", "password": PASSWORD});
        apex.post("/api/v1/auth/sign-up", &body).await.problem(422);
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserved_names_are_refused_in_every_spelling() {
    let house = House::open("nordkestrel").await;
    let apex = house.apex();
    let before = house.admin(json!({"do": "tenant.list"})).await;
    for slug in [
        "admin",
        "Admin",
        "ADMIN",
        "admin.",
        ".admin",
        " admin ",
        "adm1n",
        "4dmin",
        "adrnin",
        "www",
        "vvww",
        "api",
        "ap1",
        "mail",
        "pos",
        "p0s",
        "kitchen",
        "k1tchen",
        "order",
        "0rder",
        "ａｄｍｉｎ",
        "аdmin",
        "xn--dmin-7nd",
        "admin\u{200b}",
        "admın",
        "www。",
        "localhost",
        "static",
        "trust",
        "",
        "-",
        "a.b",
        "a_b",
        "../x",
        "a/b",
        "a b",
        "a\u{0}",
        "--",
        "x--y--",
        "01890a5d-ac96-774b-bcce-b302099a8057",
    ] {
        let wish = json!({"slug": slug, "name": "X", "email": "x@x.example", "password": PASSWORD, "owner": "X"});
        let answer = apex.post("/api/v1/tenants", &wish).await;
        assert!(answer.status == 422, "{slug:?}: {} {}", answer.status, answer.text());
        answer.problem(422);
    }
    let long = json!({"slug": "a".repeat(41), "name": "X", "email": "x@x.example", "password": PASSWORD, "owner": "X"});
    apex.post("/api/v1/tenants", &long).await.problem(422);
    assert_eq!(house.admin(json!({"do": "tenant.list"})).await, before);
    house.end().await;
}

/// Invites, accepts, signs in.
async fn join(house: &House, inviter: &Door, email: &str, role: &str) -> Door {
    inviter.post("/api/v1/members/invitations", &json!({"email": email, "role": role})).await.is(201);
    let token = house.mailed(email, "You are invited").await;
    let accept = json!({"token": token, "name": email, "password": PASSWORD});
    inviter.nobody().post("/api/v1/invitations/accept", &accept).await.is(201);
    inviter.nobody().post("/api/v1/invitations/accept", &accept).await.problem(410);
    bearer(inviter, &signed_in(inviter, email, PASSWORD).await.is(200))
}

async fn id_of(door: &Door) -> String {
    door.get("/api/v1/me").await.is(200).json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_comes_changes_and_goes() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let cook = join(&house, &owner, "cook@guests.example", "cashier").await;
    let member = format!("/api/v1/members/{}", id_of(&cook).await);
    let menu = |slug: &str| json!({"name": slug, "slug": slug});
    cook.get(&records("orders")).await.is(200);
    assert_eq!(cook.post(&records("menus"), &menu("one")).await.problem(403).code(), "NotGranted");

    // Each change holds from the next request on, with the token they have.
    owner.patch(&member, &json!({"role": "manager"})).await.is(204);
    cook.post(&records("menus"), &menu("one")).await.is(201);
    owner.patch(&member, &json!({"role": "kitchen"})).await.is(204);
    cook.get(&records("menus")).await.problem(403);
    cook.get(&records("customers")).await.problem(403);
    let dish = cook.get(&records("dishes")).await.is(200).json();
    assert!(dish["items"][0].get("cost").is_none(), "a hidden field is not there");
    owner.post(&format!("{member}/suspend"), &Value::Null).await.is(204);
    assert_eq!(cook.get(&records("dishes")).await.problem(403).code(), "UserSuspended");
    owner.post(&format!("{member}/resume"), &Value::Null).await.is(204);
    cook.get(&records("dishes")).await.is(200);
    owner.delete(&member).await.is(204);
    for path in [records("orders"), "/api/v1/members".into(), "/api/v1/audit".into(), member.clone()] {
        cook.get(&path).await.problem(404);
    }
    owner.delete(&member).await.problem(404);
    signed_in(&owner, "cook@guests.example", PASSWORD).await.problem(401);

    // Nobody gives what they do not hold.
    let admin = house.member(0, "admin").await;
    let invite = |role: &str| json!({"email": "friend@guests.example", "role": role});
    admin.post("/api/v1/members/invitations", &invite("owner")).await.problem(403);
    let owners = format!("/api/v1/members/{}", id_of(&owner).await);
    admin.patch(&owners, &json!({"role": "kitchen"})).await.problem(403);
    admin.delete(&owners).await.problem(403);
    admin.patch(&format!("/api/v1/members/{}", id_of(&admin).await), &json!({"role": "owner"})).await.problem(403);
    house.member(0, "manager").await.post("/api/v1/members/invitations", &invite("kitchen")).await.problem(403);

    // An invitation that is withdrawn, or whose inviter is gone, opens nothing.
    let invited = owner.post("/api/v1/members/invitations", &invite("kitchen")).await.is(201).json();
    let token = house.mailed("friend@guests.example", "You are invited").await;
    owner.delete(&format!("/api/v1/members/invitations/{}", invited["id"].as_str().unwrap())).await.is(204);
    let accept = json!({"token": token, "name": "F", "password": PASSWORD});
    let refused = owner.nobody().post("/api/v1/invitations/accept", &accept).await;
    assert!(matches!(refused.status, 404 | 410), "{}", refused.status);
    let second = join(&house, &owner, "second@guests.example", "admin").await;
    let late = json!({"email": "late@guests.example", "role": "cashier"});
    second.post("/api/v1/members/invitations", &late).await.is(201);
    let token = house.mailed("late@guests.example", "You are invited").await;
    owner.delete(&format!("/api/v1/members/{}", id_of(&second).await)).await.is(204);
    let accept = json!({"token": token, "name": "L", "password": PASSWORD});
    owner.nobody().post("/api/v1/invitations/accept", &accept).await.problem(410);
    // At another restaurant's host the link is nothing.
    house.tenant(1).post("/api/v1/invitations/accept", &accept).await.problem(404);

    let leaves = owner.leaves().await;
    let told = actions(&leaves);
    for action in [
        "member.invited",
        "member.joined",
        "member.role_changed",
        "member.suspended",
        "member.resumed",
        "member.removed",
    ] {
        assert!(told.contains(&action), "{action}: {told:?}");
    }
    assert!(leaves.iter().any(|l| l["outcome"] == "refused"), "refusals are noted");
    intact(&[&owner]).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_owner_stays() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let own = format!("/api/v1/members/{}", id_of(&owner).await);
    for answer in [
        owner.delete("/api/v1/me/membership").await,
        owner.delete(&own).await,
        owner.patch(&own, &json!({"role": "admin"})).await,
        owner.post(&format!("{own}/suspend"), &Value::Null).await,
    ] {
        assert_eq!(answer.problem(403).code(), "LastOwner");
    }
    // Owners who all leave at the same moment, in every way there is: one stays.
    for round in 0..6 {
        let mut owners = vec![owner.clone()];
        for n in 0..3 {
            owners.push(join(&house, &owner, &format!("owner{round}-{n}@guests.example"), "owner").await);
        }
        let mut ways = Vec::new();
        for (n, door) in owners.iter().enumerate().skip(1) {
            let (door, id) = (door.clone(), id_of(door).await);
            ways.push(tokio::spawn(async move {
                match n {
                    1 => door.delete("/api/v1/me/membership").await,
                    2 => door.patch(&format!("/api/v1/members/{id}"), &json!({"role": "kitchen"})).await,
                    _ => door.post(&format!("/api/v1/members/{id}/suspend"), &Value::Null).await,
                }
            }));
        }
        let leaver = owner.clone();
        let path = own.clone();
        ways.push(tokio::spawn(async move { leaver.patch(&path, &json!({"role": "admin"})).await }));
        let mut refused = 0;
        for way in ways {
            let answer = way.await.unwrap();
            refused += usize::from(!answer.good());
            assert!(answer.good() || answer.code() == "LastOwner", "{}", answer.text());
        }
        assert_eq!(refused, 1);
        let mut heirs = Vec::new();
        for door in &owners {
            let me = door.get("/api/v1/me").await;
            if me.good() && me.json()["membership"]["role"] == "owner" {
                heirs.push(door);
            }
        }
        assert_eq!(heirs.len(), 1, "exactly one owner is left");
        // Whoever stayed gives the first owner their place back, for the next round.
        if id_of(heirs[0]).await != id_of(&owner).await {
            heirs[0].patch(&own, &json!({"role": "owner"})).await.is(204);
        }
        let members = owner.get("/api/v1/members").await.is(200).json();
        for member in
            members["members"].as_array().unwrap().iter().filter(|m| m["email"].as_str().unwrap().starts_with("owner"))
        {
            let path = format!("/api/v1/members/{}", member["user"].as_str().unwrap());
            if path != own {
                owner.delete(&path).await.is(204);
            }
        }
    }
    intact(&[&owner]).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspension_bites_on_every_surface_with_the_next_request() {
    let house = House::open("nordkestrel").await;
    let (owner, guest, other) = (house.member(0, "owner").await, house.tenant(0), house.member(1, "owner").await);
    let dish = guest.list("dishes").await[0]["id"].clone();
    let order = json!({"order_lines": [{"dish": dish, "count": 1}]});
    let receipt = guest.post("/api/v1/submissions/order", &order).await.is(201).json()["receipt"].clone();
    let share = format!("/api/v1/shares/{}", receipt["token"].as_str().unwrap());
    let guest_pin = guest.with("x-pin", receipt["pin"].as_str().unwrap());
    guest_pin.get(&share).await.is(200);

    house.admin(json!({"do": "tenant.suspend", "tenant": "sjohuset"})).await;
    let token = json!({"email": "owner@sjohuset.example", "password": house.ready.tenants[0].members[0].password});
    for answer in [
        owner.get(&records("orders")).await,
        owner.get(&record("dishes", &dish)).await,
        owner.post(&records("menus"), &json!({"name": "x", "slug": "x"})).await,
        owner.patch(&record("dishes", &dish), &json!({"name": "x"})).await,
        owner.delete(&record("dishes", &dish)).await,
        owner.get("/api/v1/audit").await,
        owner.get("/api/v1/audit/check").await,
        owner.get("/api/v1/audit/export").await,
        owner.get("/api/v1/me").await,
        owner.get("/api/v1/me/rights").await,
        owner.get("/api/v1/members").await,
        owner.get(&format!("{}/export", records("orders"))).await,
        guest.get(&records("dishes")).await,
        guest.post("/api/v1/submissions/order", &order).await,
        guest_pin.get(&share).await,
        guest.get("/api/v1/openapi.json").await,
        guest.get("/").await,
        guest.get("/sign-in").await,
        guest.get("/nowhere").await,
        guest.post("/api/v1/auth/sign-in", &token).await,
        guest.post("/api/v1/auth/refresh", &json!({"refresh_token": "x"})).await,
    ] {
        assert_eq!(answer.problem(403).code(), "TenantSuspendedError");
    }
    other.get(&records("orders")).await.is(200);

    house.admin(json!({"do": "tenant.resume", "tenant": "sjohuset"})).await;
    owner.get(&records("orders")).await.is(200);
    guest.post("/api/v1/submissions/order", &order).await.is(201);
    guest_pin.get(&share).await.is(200);
    let leaves = owner.leaves().await;
    let told = actions(&leaves);
    assert!(told.contains(&"tenant.suspended") && told.contains(&"tenant.resumed"), "{told:?}");
    intact(&[&owner, &other]).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_reset_and_every_session_ends() {
    let house = House::open("nordkestrel").await;
    let (tenant, guest) = (&house.ready.tenants[0], house.tenant(0));
    let (email, old) = (tenant.members[2].email.as_str(), tenant.members[2].password.as_str());
    let session = house.sign_in(tenant, email, old).await;
    session.get("/api/v1/me").await.is(200);
    let ask = async |email: &str| guest.post("/api/v1/auth/reset-request", &json!({"email": email})).await;
    let (one, two, three) =
        (ask(email).await, ask("nobody@guests.example").await, ask("owner@brasserie-lund.example").await);
    assert_eq!((one.status, one.text()), (two.status, two.text()));
    assert_eq!((one.status, one.text()), (three.status, three.text()), "a stranger to this restaurant");
    let token = house.mailed(email, "A new password").await;
    guest.post("/api/v1/auth/reset", &json!({"token": token, "password": "weak"})).await.problem(422);
    guest.post("/api/v1/auth/reset", &json!({"token": token, "password": PASSWORD})).await.is(200);
    guest.post("/api/v1/auth/reset", &json!({"token": token, "password": "another good one 5"})).await.problem(410);
    session.get("/api/v1/me").await.problem(401);
    signed_in(&guest, email, old).await.problem(401);
    let fresh = bearer(&guest, &signed_in(&guest, email, PASSWORD).await.is(200));
    fresh.get("/api/v1/me").await.is(200);
    let mails = house.apex().get("/dev/mail.json").await.is(200).json();
    let to = |address: &str| mails["items"].as_array().unwrap().iter().filter(|m| m["to"] == address).count();
    assert_eq!((to("nobody@guests.example"), to("owner@brasserie-lund.example")), (0, 0));

    // Changing it ends the others too, and begins anew here.
    let second = bearer(&guest, &signed_in(&guest, email, PASSWORD).await.is(200));
    second
        .post("/api/v1/auth/password", &json!({"old": "wrong one entirely", "new": "yet another good 7"}))
        .await
        .problem(401);
    let changed =
        second.post("/api/v1/auth/password", &json!({"old": PASSWORD, "new": "yet another good 7"})).await.is(200);
    fresh.get("/api/v1/me").await.problem(401);
    second.get("/api/v1/me").await.problem(401);
    bearer(&guest, &changed).get("/api/v1/me").await.is(200);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_failures_lock_an_account_known_or_not() {
    let house = House::open("nordkestrel").await;
    let (tenant, guest) = (&house.ready.tenants[0], house.tenant(0));
    let (cook, other) = (&tenant.members[4], &tenant.members[3]);
    for email in [cook.email.as_str(), "nobody@guests.example"] {
        for _ in 0..5 {
            signed_in(&guest, email, "wrong password 1").await.problem(401);
        }
        let locked = signed_in(&guest, email, &cook.password).await.problem(423);
        let wait: u32 = locked.header("retry-after").unwrap().parse().unwrap();
        assert!((890..=900).contains(&wait), "{wait}");
    }
    let spelled = cook.email.to_uppercase();
    signed_in(&guest, &spelled, &cook.password).await.problem(423);
    signed_in(&guest, &other.email, &other.password).await.is(200);

    // At the same moment from many places: no more tries than the five.
    let other = &house.ready.tenants[1].members[0];
    let tries: Vec<_> = (0..30)
        .map(|_| {
            let (door, email) = (house.tenant(1).from(fresh()), other.email.clone());
            tokio::spawn(async move {
                door.post("/api/v1/auth/sign-in", &json!({"email": email, "password": "wrong password 1"})).await.status
            })
        })
        .collect();
    let mut tried = 0;
    for status in tries {
        let status = status.await.unwrap();
        assert!(matches!(status, 401 | 423 | 503), "{status}");
        tried += usize::from(status == 401);
    }
    assert!(tried <= 5, "{tried}");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailed_link_signs_in_once() {
    let house = House::open("estokad").await;
    let studio = house.host("studio.localhost");
    let ask = async |email: &str| studio.post("/api/v1/auth/magic-link", &json!({"email": email})).await;
    let (one, two) = (ask("owner@north.example").await, ask("nobody@north.example").await);
    assert_eq!((one.status, one.text()), (two.status, two.text()));
    let token = house.mailed("owner@north.example", "Sign in").await;
    // Mail scanners open links: the page is looked at and nothing is spent.
    for _ in 0..2 {
        let page = studio.get(&format!("/auth/magic?token={token}")).await.is(200);
        assert!(page.header("content-security-policy").unwrap().contains("nonce-"));
    }
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let (studio, token) = (studio.from(fresh()), token.clone());
            tokio::spawn(async move { studio.post("/api/v1/auth/magic", &json!({"token": token})).await })
        })
        .collect();
    let mut good = Vec::new();
    for answer in tries {
        let answer = answer.await.unwrap();
        if answer.good() {
            good.push(answer);
        } else {
            answer.problem(410);
        }
    }
    assert_eq!(good.len(), 1);
    let owner = bearer(&house.tenant(0), &good[0]);
    assert_eq!(owner.get("/api/v1/me").await.is(200).json()["membership"]["role"], "owner");
    assert_eq!(house.apex().get("/dev/mail.json?to=nobody@north.example").await.json()["items"], json!([]));
    // No password opens anything where there is none.
    studio
        .post("/api/v1/auth/sign-in", &json!({"email": "owner@north.example", "password": PASSWORD}))
        .await
        .problem(404);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workspaces_of_one_slug_never_meet() {
    let house = House::open("estokad").await;
    let [first, second] = [&house.ready.tenants[0], &house.ready.tenants[1]].map(|t| (t.slug.clone(), t.id.clone()));
    assert_eq!(first.0, second.0);
    let (one, two) = (house.member(0, "owner").await, house.member(1, "owner").await);
    assert_eq!(one.prefix, two.prefix, "one url, two workspaces");
    let (ours, theirs) = (one.list("articles").await, two.list("articles").await);
    assert!(!ours.is_empty() && !theirs.is_empty());
    assert!(ours.iter().all(|a| theirs.iter().all(|b| a["id"] != b["id"])));
    assert_eq!(one.get("/api/v1/tenant").await.json()["id"], json!(first.1));
    assert_eq!(two.get("/api/v1/tenant").await.json()["id"], json!(second.1));
    let by_id = |door: &Door, id: &str| Door { prefix: format!("/w/{id}"), ..door.clone() };
    assert_eq!(by_id(&one, &first.1).get("/api/v1/tenant").await.is(200).json()["id"], json!(first.1));
    let (foreign, unknown) = (by_id(&one, &second.1), by_id(&one, "01900000-0000-7000-8000-000000000000"));
    let (a, b) = (foreign.get("/api/v1/tenant").await.problem(404), unknown.get("/api/v1/tenant").await.problem(404));
    assert_eq!(a.text(), b.text());
    one.nobody().get(&records("articles")).await.problem(404);

    // Whoever belongs to both says which by its id.
    two.post("/api/v1/members/invitations", &json!({"email": "owner@north.example", "role": "member"})).await.is(201);
    let token = house.mailed("owner@north.example", "You are invited").await;
    let studio = house.host("studio.localhost");
    studio.post("/api/v1/invitations/accept", &json!({"token": token})).await.problem(401);
    one.at(&studio).post("/api/v1/invitations/accept", &json!({"token": token})).await.is(201);
    one.get("/api/v1/tenant").await.problem(404);
    assert_eq!(by_id(&one, &first.1).get("/api/v1/me").await.is(200).json()["membership"]["role"], "owner");
    assert_eq!(by_id(&one, &second.1).get("/api/v1/me").await.is(200).json()["membership"]["role"], "member");
    assert_eq!(two.get("/api/v1/tenant").await.is(200).json()["id"], json!(second.1));

    // Delivery names the id; what is a draft is not delivered, and no credential changes that.
    let delivery = |door: &Door| Door { prefix: format!("/d/{}", first.1), ..door.clone() };
    let delivered = delivery(&one.nobody()).list("articles").await;
    assert!(
        !delivered.is_empty()
            && delivered.iter().all(|a| a["published"] == true && ours.iter().any(|o| o["id"] == a["id"]))
    );
    assert_eq!(delivery(&one).list("articles").await, delivered);
    assert!(ours.iter().any(|a| a["published"] == false));
    let author = &delivery(&one.nobody()).list("authors").await[0];
    assert!(author.get("email").is_none() && author.get("payout_note").is_none(), "{author}");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outside_issuer_knows_the_people() {
    let house = House::open("kwestra").await;
    let admin = house.member(0, "admin").await;
    let me = admin.get("/api/v1/me").await.is(200).json();
    assert_eq!(me["membership"]["role"], "admin");
    let tenant = &house.ready.tenants[0];
    let way = Door::new(house.port, &tenant.sign_in_url);
    way.post("", &json!({"email": tenant.members[0].email, "password": "wrong"})).await.problem(401);
    way.post("", &json!({"email": "nobody@x.example", "password": tenant.members[0].password})).await.problem(401);
    for path in ["sign-in", "sign-up", "reset-request", "reset", "password", "refresh", "verify", "magic-link"] {
        house.tenant(0).post(&format!("/api/v1/auth/{path}"), &json!({})).await.problem(404);
    }
    // What the issuer did not sign is nothing.
    let token = admin.headers[0].1.strip_prefix("Bearer ").unwrap().to_owned();
    let parts: Vec<_> = token.split('.').collect();
    for forged in [
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], "A".repeat(parts[2].len())),
        format!("eyJhbGciOiJub25lIn0.{}.", parts[1]),
        format!("{}.{}x.{}", parts[0], parts[1], parts[2]),
        "x".to_owned(),
    ] {
        house.tenant(0).token(&forged).get("/api/v1/me").await.problem(401);
    }
    house.tenant(1).token(&token).get(&records("clients")).await.problem(401);
    admin.post("/api/v1/auth/sign-out-everywhere", &Value::Null).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    admin.get("/api/v1/me").await.problem(401);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_known_hosts_are_answered() {
    let house = House::of("nordkestrel").await;
    let port = house.port;
    for host in [
        "nobody.localhost",
        "example.com",
        "sjohuset.example.com",
        "sjohuset",
        "sjohuset.localhost.evil.example",
        "xn--.localhost",
        "a.sjohuset.localhost",
        "127.0.0.2.evil.example",
        "sjohuset.localhost@evil.example",
        "[::2]",
        "10.0.0.1",
        "-",
        "*.localhost",
    ] {
        let door = Door { host: format!("{host}:{port}"), ..house.apex() };
        let answer = door.get("/api/v1/me/rights").await;
        assert!(matches!(answer.status, 400 | 421), "{host}: {}", answer.status);
        let unanswered = answer.status;
        answer.problem(unanswered);
    }
    for host in ["sjohuset.localhost", "SJOHUSET.localhost", "sjohuset.localhost."] {
        let door = Door { host: format!("{host}:{port}"), ..house.apex() };
        door.get(&records("dishes")).await.is(200);
    }
    Door { host: "sjohuset.localhost:1".into(), ..house.apex() }.get("/").await.problem(421);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_asks_to_be_deleted_is_gone() {
    let house = House::open("nordkestrel").await;
    let (owner, admin) = (house.member(0, "owner").await, house.member(0, "admin").await);
    admin.post("/api/v1/tenant/deletion", &Value::Null).await.problem(403);
    let answer = owner.post("/api/v1/tenant/deletion", &Value::Null).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    for door in [&owner, &admin, &house.tenant(0)] {
        door.get(&records("dishes")).await.problem(421);
        door.get("/").await.problem(421);
    }
    house.tenant(1).get(&records("dishes")).await.is(200);
    let house = house.again().await;
    house.host("sjohuset.localhost").get(&records("dishes")).await.problem(421);
    house.end().await;
}
