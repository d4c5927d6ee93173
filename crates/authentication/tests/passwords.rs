//! Accounts with a password: signing in, locking out, resetting, changing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;

use bench::{Bench, FIRM, MINUTE, PASSWORD};
use http::{Method, StatusCode};
use kernel::{Failure, Secret, TenantId};
use serde_json::json;
use store::Control;

fn wrong(email: &str) -> serde_json::Value {
    json!({ "email": email, "password": "not the password" })
}

const ACME: &str = "acme.localhost:8080";
const SIGN_IN: &str = "acme.localhost:8080/api/v1/auth/sign-in";

#[tokio::test(flavor = "multi_thread")]
async fn a_member_signs_in_and_every_cause_of_refusal_reads_alike() {
    let b = Bench::new(FIRM).await;
    let (acme, owner) = b.tenant("acme").await;
    let (globex, _) = b.tenant("globex").await;
    let tokens = b.sign_in(ACME, "owner@acme.example").await;
    assert_eq!((tokens.body["expires_in"].as_i64(), tokens.body["token_type"].as_str()), (Some(900), Some("Bearer")));
    let me = b.get_as(&tokens.text("access_token"), &format!("{ACME}/api/v1/me")).await.unwrap();
    assert_eq!(me.body["id"], json!(owner.to_string()));
    assert_eq!(me.body["membership"]["role"], json!("owner"));

    // Wrong password, unknown account, a member of another tenant with the right one, no address at all.
    for body in [
        wrong("owner@acme.example"),
        wrong("nobody@acme.example"),
        json!({ "email": "owner@globex.example", "password": PASSWORD }),
        json!({ "email": "nonsense", "password": PASSWORD }),
    ] {
        assert_eq!(b.post(SIGN_IN, body).await.unwrap_err(), Failure::WrongCredentials);
    }
    let leaves = b.leaves(acme).await;
    let of = |outcome: &str| leaves.iter().filter(|(a, o, _)| a == "session.created" && o == outcome).count();
    assert_eq!((of("done"), of("failed")), (1, 4), "{leaves:?}");
    assert!(b.leaves(TenantId::HOUSE).await.iter().any(|(a, o, _)| a == "session.created" && o == "done"));
    assert!(!b.leaves(globex).await.iter().any(|(a, ..)| a == "session.created"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_tenant_is_a_strangers_at_another() {
    let b = Bench::new(FIRM).await;
    b.tenant("acme").await;
    let (globex, _) = b.tenant("globex").await;
    b.member(globex, "owner@acme.example", 1).await;
    let token = b.sign_in(ACME, "owner@acme.example").await.text("access_token");
    let there = b.get_as(&token, "globex.localhost:8080/api/v1/me").await.unwrap();
    assert_eq!(there.body["membership"], json!(null), "a member there too, but the token is bound");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_failures_lock_known_and_unknown_accounts_alike() {
    let b = Bench::new(FIRM).await;
    let (acme, _) = b.tenant("acme").await;
    for email in ["owner@acme.example", "nobody@acme.example"] {
        for _ in 0..5 {
            assert_eq!(b.post(SIGN_IN, wrong(email)).await.unwrap_err(), Failure::WrongCredentials);
        }
        let right = json!({ "email": email, "password": PASSWORD });
        assert_eq!(b.post(SIGN_IN, right).await.unwrap_err(), Failure::Locked(900));
    }
    // No leaf while locked: the log does not grow by trying.
    assert_eq!(b.leaves(acme).await.iter().filter(|(_, o, _)| o == "failed").count(), 10);
    b.clock.advance(15 * MINUTE);
    b.sign_in(ACME, "owner@acme.example").await;
    for _ in 0..4 {
        let _ = b.post(SIGN_IN, wrong("owner@acme.example")).await;
    }
    b.sign_in(ACME, "owner@acme.example").await;
    for _ in 0..4 {
        assert_eq!(b.post(SIGN_IN, wrong("owner@acme.example")).await.unwrap_err(), Failure::WrongCredentials);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_die_with_time_session_user_and_membership() {
    let b = Bench::new(FIRM).await;
    let (acme, owner) = b.tenant("acme").await;
    let clerk = b.member(acme, "clerk@acme.example", 1).await;
    let me = format!("{ACME}/api/v1/me");
    let token = b.sign_in(ACME, "owner@acme.example").await.text("access_token");
    b.clock.advance(15 * MINUTE - 1000);
    assert!(b.get_as(&token, &me).await.is_ok());
    b.clock.advance(1000);
    assert_eq!(b.get_as(&token, &me).await.unwrap_err(), Failure::SignInNeeded);

    let token = b.sign_in(ACME, "owner@acme.example").await.text("access_token");
    let other = b.sign_in(ACME, "owner@acme.example").await.text("access_token");
    b.post_as(&token, &format!("{ACME}/api/v1/auth/sign-out"), None).await.unwrap();
    assert_eq!(b.get_as(&token, &me).await.unwrap_err(), Failure::SignInNeeded);
    assert!(b.get_as(&other, &me).await.is_ok());
    b.post_as(&other, &format!("{ACME}/api/v1/auth/sign-out-everywhere"), None).await.unwrap();
    assert_eq!(b.get_as(&other, &me).await.unwrap_err(), Failure::SignInNeeded);

    let token = b.sign_in(ACME, "clerk@acme.example").await.text("access_token");
    assert_eq!(b.get_as(&token, &me).await.unwrap().body["membership"]["role"], json!("clerk"));
    let now = kernel::Standing { role: 1, suspended: false };
    let batch = b.house("member.removed").await.batch::<Control>("member");
    tenancy::roster::remove(batch, &b.app, acme, clerk, now).commit().await.unwrap();
    assert_eq!(b.get_as(&token, &me).await.unwrap().body["membership"], json!(null));

    let token = b.sign_in(ACME, "owner@acme.example").await.text("access_token");
    let batch = b.house("user.deactivated").await.batch::<Control>("user");
    authentication::people::deactivate(batch, owner, b.now()).commit().await.unwrap();
    assert_eq!(b.get_as(&token, &me).await.unwrap_err(), Failure::SignInNeeded);
    let right = json!({ "email": "owner@acme.example", "password": PASSWORD });
    assert_eq!(b.post(SIGN_IN, right).await.unwrap_err(), Failure::WrongCredentials);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_every_session_and_gives_a_new_one() {
    let b = Bench::new(FIRM).await;
    b.tenant("acme").await;
    let (one, two) = (b.sign_in(ACME, "owner@acme.example").await, b.sign_in(ACME, "owner@acme.example").await);
    let url = format!("{ACME}/api/v1/auth/password");
    let token = one.text("access_token");
    let body = |old: &str, new: &str| Some(json!({ "old": old, "new": new }));
    assert_eq!(
        b.post_as(&token, &url, body("wrong wrong wrong", "a new tide pool")).await.unwrap_err(),
        Failure::WrongCredentials
    );
    assert!(matches!(b.post_as(&token, &url, body(PASSWORD, "short")).await.unwrap_err(), Failure::Invalid(_)));
    let fresh = b.post_as(&token, &url, body(PASSWORD, "a new tide pool")).await.unwrap();
    let me = format!("{ACME}/api/v1/me");
    for dead in [&one, &two] {
        assert_eq!(b.get_as(&dead.text("access_token"), &me).await.unwrap_err(), Failure::SignInNeeded);
        let refresh = json!({ "refresh_token": dead.text("refresh_token"), "device": dead.text("device") });
        assert_eq!(b.post(&format!("{ACME}/api/v1/auth/refresh"), refresh).await.unwrap_err(), Failure::SignInNeeded);
    }
    assert!(b.get_as(&fresh.text("access_token"), &me).await.is_ok());
    let old = json!({ "email": "owner@acme.example", "password": PASSWORD });
    assert_eq!(b.post(SIGN_IN, old).await.unwrap_err(), Failure::WrongCredentials);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_works_once_within_the_hour_and_says_nothing_of_who_exists() {
    let b = Bench::new(FIRM).await;
    b.tenant("acme").await;
    b.tenant("globex").await;
    let before = b.sign_in(ACME, "owner@acme.example").await.text("access_token");
    let (request, reset) = (format!("{ACME}/api/v1/auth/reset-request"), format!("{ACME}/api/v1/auth/reset"));
    let mut answers = Vec::new();
    for email in ["owner@acme.example", "nobody@acme.example", "owner@globex.example"] {
        let answer = b.post(&request, json!({ "email": email })).await.unwrap();
        answers.push((answer.status, answer.text));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    let mails = b.mails().await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0]["text"].as_str().unwrap().contains("http://acme.localhost:8080/auth/reset?token="));
    let token = b.mailed_token().await;
    assert!(b.tokens().await.iter().all(|(hash, _)| hex::encode(hash) != token));

    // A password that is refused does not spend the token.
    let weak = b.post(&reset, json!({ "token": token, "password": "password123" })).await.unwrap_err();
    assert!(matches!(weak, Failure::Invalid(_)));
    let body = json!({ "token": token, "password": "another tide pool" });
    assert_eq!(b.post(&reset, body.clone()).await.unwrap().status, StatusCode::OK);
    assert_eq!(b.post(&reset, body).await.unwrap_err(), Failure::Gone);
    assert_eq!(b.get_as(&before, &format!("{ACME}/api/v1/me")).await.unwrap_err(), Failure::SignInNeeded);
    b.post(SIGN_IN, json!({ "email": "owner@acme.example", "password": "another tide pool" })).await.unwrap();

    b.post(&request, json!({ "email": "owner@acme.example" })).await.unwrap();
    let late = b.mailed_token().await;
    b.clock.advance(60 * MINUTE);
    let body = json!({ "token": late, "password": "yet another pool" });
    assert_eq!(b.post(&reset, body).await.unwrap_err(), Failure::Gone);
    let unknown = json!({ "token": "0".repeat(64), "password": "yet another pool" });
    assert_eq!(b.post(&reset, unknown).await.unwrap_err(), Failure::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_resets_at_once_wins() {
    let b = std::sync::Arc::new(Bench::new(FIRM).await);
    b.tenant("acme").await;
    b.post(&format!("{ACME}/api/v1/auth/reset-request"), json!({ "email": "owner@acme.example" })).await.unwrap();
    let token = b.mailed_token().await;
    let tries = (0..6).map(|n| {
        let (b, token) = (std::sync::Arc::clone(&b), token.clone());
        tokio::spawn(async move {
            let body = json!({ "token": token, "password": format!("tide pool number {n}") });
            b.post(&format!("{ACME}/api/v1/auth/reset"), body).await.is_ok()
        })
    });
    let mut won = 0;
    for each in tries.collect::<Vec<_>>() {
        won += usize::from(each.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_are_the_only_trace_of_a_password_and_weak_ones_are_replaced() {
    let b = Bench::new(FIRM).await;
    b.tenant("acme").await;
    let hashes = b.hashes().await;
    assert!(hashes.iter().all(|phc| phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")), "{hashes:?}");
    // bcrypt, cost 4.
    let old = bcrypt::hash(PASSWORD, 4).unwrap();
    b.weaken(&old).await;
    b.sign_in(ACME, "owner@acme.example").await;
    assert!(b.hashes().await.iter().all(|phc| phc.starts_with("$argon2id$")));
    b.sign_in(ACME, "owner@acme.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_only_when_asked_for_and_a_dead_one_is_no_failure() {
    let b = Bench::new(FIRM).await;
    b.tenant("acme").await;
    assert!(b.sign_in(ACME, "owner@acme.example").await.cookies().is_empty());
    let body = json!({ "email": "owner@acme.example", "password": PASSWORD, "cookies": true });
    let answer = b.post(SIGN_IN, body).await.unwrap();
    assert!(answer.body.get("access_token").is_none());
    let cookies = answer.cookies();
    assert_eq!(cookies.len(), 3);
    for cookie in &cookies {
        for part in ["__Host-", "; Path=/", "; Secure", "; HttpOnly", "; SameSite="] {
            assert!(cookie.contains(part), "{cookie}");
        }
    }
    let jar = cookies.iter().map(|c| c.split(';').next().unwrap()).collect::<Vec<_>>().join("; ");
    let me = format!("{ACME}/api/v1/me");
    assert!(b.call(Method::GET, &me, &[("cookie", &jar)], None).await.is_ok());
    let refreshed =
        b.call(Method::POST, &format!("{ACME}/api/v1/auth/refresh"), &[("cookie", &jar)], None).await.unwrap();
    assert_eq!(refreshed.cookies().len(), 2);
    b.call(Method::POST, &format!("{ACME}/api/v1/auth/sign-out"), &[("cookie", &jar)], None).await.unwrap();
    assert_eq!(b.call(Method::GET, &me, &[("cookie", &jar)], None).await.unwrap_err(), Failure::SignInNeeded);
    assert!(b.call(Method::GET, &format!("{ACME}/sign-in"), &[("cookie", &jar)], None).await.is_ok());

    let form = "email=owner%40acme.example&password=tide-pool-lantern".to_owned();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    let answer = b.call(Method::POST, SIGN_IN, &headers, Some(form.into())).await.unwrap();
    assert_eq!((answer.status, answer.cookies().len()), (StatusCode::SEE_OTHER, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_is_inert_until_the_address_is_confirmed() {
    let b = Bench::new(FIRM).await;
    let (up, verify) = ("localhost:8080/api/v1/auth/sign-up", "localhost:8080/api/v1/auth/verify");
    let body = json!({ "email": "Ada@New.example", "name": "Ada", "password": PASSWORD });
    assert_eq!(b.post(up, body.clone()).await.unwrap().status, StatusCode::ACCEPTED);
    let token = b.mailed_token().await;
    let sign_in = "localhost:8080/api/v1/auth/sign-in";
    let right = json!({ "email": "ada@new.example", "password": PASSWORD });
    assert_eq!(b.post(sign_in, right.clone()).await.unwrap_err(), Failure::WrongCredentials);
    assert!(b.get(&format!("localhost:8080/auth/verify?token={token}")).await.unwrap().text.contains(&token));
    assert_eq!(
        b.post(sign_in, right.clone()).await.unwrap_err(),
        Failure::WrongCredentials,
        "looking is not confirming"
    );
    b.post(verify, json!({ "token": token })).await.unwrap();
    assert_eq!(b.post(verify, json!({ "token": token })).await.unwrap_err(), Failure::Gone);
    b.post(sign_in, right).await.unwrap();

    // Again: the same answer, another mail, nothing changed.
    let again = json!({ "email": "ada@new.example", "name": "Eve", "password": "eves own password" });
    assert_eq!(b.post(up, again).await.unwrap().status, StatusCode::ACCEPTED);
    assert!(b.mails().await.last().unwrap()["text"].as_str().unwrap().contains("has an account already"));
    let eve = json!({ "email": "ada@new.example", "password": "eves own password" });
    assert_eq!(b.post(sign_in, eve).await.unwrap_err(), Failure::WrongCredentials);
    assert!(b.tokens().await.iter().all(|(_, data)| data.as_deref().is_none_or(|d| !d.contains(PASSWORD))));

    let late = json!({ "email": "late@new.example", "name": "Late", "password": PASSWORD });
    b.post(up, late).await.unwrap();
    let token = b.mailed_token().await;
    b.clock.advance(24 * 60 * MINUTE);
    assert_eq!(b.post(verify, json!({ "token": token })).await.unwrap_err(), Failure::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_did_not_get_the_mail_has_set_no_password() {
    let b = Bench::new(FIRM).await;
    let up = "localhost:8080/api/v1/auth/sign-up";
    let thief = json!({ "email": "ada@new.example", "name": "Eve", "password": "the thiefs password" });
    b.post(up, thief).await.unwrap();
    b.post(up, json!({ "email": "ada@new.example", "name": "Ada", "password": PASSWORD })).await.unwrap();
    let token = b.mailed_token().await;
    b.post("localhost:8080/api/v1/auth/verify", json!({ "token": token })).await.unwrap();
    let sign_in = "localhost:8080/api/v1/auth/sign-in";
    let thief = json!({ "email": "ada@new.example", "password": "the thiefs password" });
    assert_eq!(b.post(sign_in, thief).await.unwrap_err(), Failure::WrongCredentials);
    b.post(sign_in, json!({ "email": "ada@new.example", "password": PASSWORD })).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_opens_when_its_owner_confirms() {
    let b = Bench::new(FIRM).await;
    let tenants = "localhost:8080/api/v1/tenants";
    let body = json!({ "slug": "north", "name": "North", "email": "ada@north.example", "password": PASSWORD });
    let made = b.post(tenants, body).await.unwrap();
    assert_eq!((made.status, made.text("url").as_str()), (StatusCode::CREATED, "http://north.localhost:8080"));
    assert_eq!(b.get("north.localhost:8080/sign-in").await.unwrap_err(), Failure::UnknownHost);
    let taken = json!({ "slug": "north", "name": "N", "email": "eve@north.example", "password": PASSWORD });
    assert!(matches!(b.post(tenants, taken).await.unwrap_err(), Failure::Conflict(_)));
    let reserved = json!({ "slug": "adm1n", "name": "N", "email": "eve@north.example", "password": PASSWORD });
    assert!(matches!(b.post(tenants, reserved).await.unwrap_err(), Failure::Invalid(_)));
    let token = b.mailed_token().await;
    b.post("localhost:8080/api/v1/auth/verify", json!({ "token": token })).await.unwrap();
    let tokens = b.sign_in("north.localhost:8080", "ada@north.example").await;
    let me = b.get_as(&tokens.text("access_token"), "north.localhost:8080/api/v1/me").await.unwrap();
    assert_eq!(me.body["membership"]["role"], json!("owner"));

    // Signed in at the house, a second one at once.
    let tokens = b.sign_in("localhost:8080", "ada@north.example").await;
    let body = Some(json!({ "slug": "south", "name": "South" }));
    let made = b.post_as(&tokens.text("access_token"), tenants, body.clone()).await.unwrap();
    assert_eq!(made.body["confirm"], json!(false));
    let me = b.get_as(&tokens.text("access_token"), "localhost:8080/api/v1/me").await.unwrap();
    assert_eq!(me.body["memberships"].as_array().unwrap().len(), 2);
    b.sign_in("south.localhost:8080", "ada@north.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bcrypt_refuses_what_it_would_cut_off() {
    let b = Bench::new(&FIRM.replace("argon2id", "bcrypt")).await;
    b.tenant("acme").await;
    assert!(b.hashes().await.iter().all(|phc| phc.starts_with("$2b$12$")));
    b.sign_in(ACME, "owner@acme.example").await;
    let long = Secret::new("long and longer ".repeat(5).into_bytes());
    assert!(matches!(b.authentication.hash(&long).await.unwrap_err(), Failure::Invalid(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_the_same_moment_get_five_tries() {
    let b = std::sync::Arc::new(Bench::new(FIRM).await);
    b.tenant("acme").await;
    let tries = (0..20).map(|_| {
        let b = std::sync::Arc::clone(&b);
        tokio::spawn(async move { b.post(SIGN_IN, wrong("owner@acme.example")).await.unwrap_err() })
    });
    let mut tried = 0;
    for each in tries.collect::<Vec<_>>() {
        tried += usize::from(each.await.unwrap() == Failure::WrongCredentials);
    }
    assert_eq!(tried, 5);
}
