//! A shared host, and mailed links.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;

use std::sync::Arc;

use authentication::DemoPeople;
use bench::{Bench, MINUTE, STUDIO};
use http::Method;
use kernel::{Failure, Reason, Secret, Status};
use serde_json::json;
use store::Control;

const HOST: &str = "studio.localhost:8080";

async fn link(b: &Bench, email: &str) -> String {
    b.post(&format!("{HOST}/api/v1/auth/magic-link"), json!({ "email": email })).await.unwrap();
    b.mailed_token().await
}
async fn follow(b: &Bench, token: &str) -> Result<bench::Answer, Failure> {
    b.post(&format!("{HOST}/api/v1/auth/magic"), json!({ "token": token })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_once_and_only_when_the_button_is_pressed() {
    let b = Arc::new(Bench::new(STUDIO).await);
    b.tenant("north").await;
    let token = link(&b, "owner@north.example").await;
    for _ in 0..3 {
        let page = b.get(&format!("{HOST}/auth/magic?token={token}")).await.unwrap();
        assert!(page.text.contains("method=\"post\" action=\"/auth/magic\""));
    }
    let tries: Vec<_> = (0..12)
        .map(|_| {
            let (b, token) = (Arc::clone(&b), token.clone());
            tokio::spawn(async move { follow(&b, &token).await })
        })
        .collect();
    let (mut won, mut gone) = (0, 0);
    for each in tries {
        match each.await.unwrap() {
            Ok(_) => won += 1,
            Err(failure) => gone += usize::from(failure == Failure::Gone),
        }
    }
    assert_eq!((won, gone), (1, 11));
    let late = link(&b, "owner@north.example").await;
    b.clock.advance(15 * MINUTE);
    assert_eq!(follow(&b, &late).await.unwrap_err(), Failure::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_gets_the_same_answer_and_no_mail() {
    let b = Bench::new(STUDIO).await;
    b.tenant("north").await;
    let url = format!("{HOST}/api/v1/auth/magic-link");
    let known = b.post(&url, json!({ "email": "owner@north.example" })).await.unwrap();
    let unknown = b.post(&url, json!({ "email": "nobody@north.example" })).await.unwrap();
    assert_eq!((known.status, known.text), (unknown.status, unknown.text));
    assert_eq!(b.mails().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_slugs_of_two_customers_never_meet() {
    let b = Bench::new(STUDIO).await;
    let (one, _) = b.tenant("north").await;
    let (two, _) = b.tenant("north").await;
    assert_ne!(one, two);
    let token = follow(&b, &link(&b, "owner@north.example").await).await.unwrap().text("access_token");
    let me = |path: &str| format!("{HOST}{path}/api/v1/me");
    let mine = b.get_as(&token, &me("/w/north")).await.unwrap();
    assert_eq!(mine.body["membership"]["tenant"], json!(one.to_string()));
    assert!(b.get_as(&token, &me(&format!("/w/{one}"))).await.is_ok());
    // Foreign by id, unknown by slug, and for visitors everything: the same.
    for path in [format!("/w/{two}"), "/w/south".to_owned(), "/w/".to_owned(), "/w/North".to_owned()] {
        assert_eq!(b.get_as(&token, &me(&path)).await.unwrap_err(), Failure::NotFound, "{path}");
    }
    assert_eq!(b.get(&me("/w/north")).await.unwrap_err(), Failure::NotFound);

    // A member of both: the slug says nothing any more, the ids do.
    b.member(two, "owner@north.example", 1).await;
    assert_eq!(b.get_as(&token, &me("/w/north")).await.unwrap_err(), Failure::NotFound);
    let there = b.get_as(&token, &me(&format!("/w/{two}"))).await.unwrap();
    assert_eq!(there.body["membership"]["role"], json!("member"));
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_is_a_visitors_whatever_credential_comes_along() {
    let b = Bench::new(STUDIO).await;
    let (one, _) = b.tenant("north").await;
    let token = follow(&b, &link(&b, "owner@north.example").await).await.unwrap().text("access_token");
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let (principal, rest) = b.enter(HOST, &format!("/d/{one}/articles"), &headers).await.unwrap();
    assert_eq!((principal.tenant(), rest.as_str()), (one, "/articles"));
    assert_eq!(principal.actor(), &kernel::Actor::Visitor);
    for bad in ["/d/north/articles", "/d/00000000-0000-0000-0000-000000000000/x"] {
        assert_eq!(b.enter(HOST, bad, &headers).await.unwrap_err(), Failure::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_and_deletion_bite_on_the_next_request() {
    let b = Bench::new(STUDIO).await;
    let (one, _) = b.tenant("north").await;
    let token = follow(&b, &link(&b, "owner@north.example").await).await.unwrap().text("access_token");
    let me = format!("{HOST}/w/north/api/v1/me");
    assert!(b.get_as(&token, &me).await.is_ok());
    let batch = b.house("tenant.suspended").await.batch::<Control>("tenant");
    tenancy::suspend(batch, one).commit().await.unwrap();
    let suspended = Failure::Refused(Reason::TenantSuspended);
    assert_eq!(b.get_as(&token, &me).await.unwrap_err(), suspended);
    let none = http::HeaderMap::new();
    assert_eq!(b.enter(HOST, &format!("/d/{one}/x"), &none).await.unwrap_err(), suspended);
    let batch = b.house("tenant.resumed").await.batch::<Control>("tenant");
    tenancy::resume(batch, one).commit().await.unwrap();
    assert!(b.get_as(&token, &me).await.is_ok());
    let url = format!("{HOST}/w/north/api/v1/tenant/deletion");
    b.post_as(&token, &url, None).await.unwrap();
    assert_eq!(b.get_as(&token, &me).await.unwrap_err(), Failure::NotFound);
    assert_eq!(b.tenancy.home(one).await.unwrap().unwrap().status, Status::Deleted);
    let leaves = b.leaves(one).await;
    for name in ["tenant.suspended", "tenant.resumed", "tenant.deletion_requested"] {
        assert!(leaves.iter().any(|(action, ..)| action == name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_people_sign_in_with_the_demo_password_on_a_development_server() {
    let app = manifest::read(STUDIO, "app.toml").unwrap();
    let demo = DemoPeople {
        password: Secret::new("demo-demo-demo".as_bytes()),
        people: vec![("owner@north.example".into(), "north".into())],
    };
    let b = Bench::with(app, Some(demo)).await;
    b.tenant("north").await;
    let url = format!("{HOST}/dev/sign-in");
    let wrong = json!({ "email": "owner@north.example", "password": "x" });
    assert_eq!(b.post(&url, wrong).await.unwrap_err(), Failure::WrongCredentials);
    let right = json!({ "email": "owner@north.example", "password": "demo-demo-demo" });
    let token = b.post(&url, right).await.unwrap().text("access_token");
    assert!(b.get_as(&token, &format!("{HOST}/w/north/api/v1/me")).await.is_ok());
    assert!(!Bench::new(STUDIO).await.has("/dev/sign-in"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_methods_follow_the_manifest() {
    let b = Bench::new(STUDIO).await;
    for path in ["/api/v1/auth/sign-in", "/api/v1/auth/reset", "/api/v1/auth/password"] {
        assert!(!b.has(path), "{path}");
    }
    assert!(b.call(Method::GET, &format!("{HOST}/sign-in"), &[], None).await.unwrap().text.contains("Mail me a link"));
    let odd = manifest::read(&STUDIO.replace("[\"magic_link\"]", "[\"magic_link\", \"passkey\"]"), "app.toml").unwrap();
    assert_eq!(authentication::not_built(&odd), ["passkey"]);
}
