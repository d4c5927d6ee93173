//! Where an outside issuer keeps the identities.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;

use authentication::{DemoPeople, external_id};
use bench::{Bench, MINUTE, PORTAL};
use kernel::{Failure, Secret};
use serde_json::json;
use store::Control;
use tenancy::roster;

const ISSUER: &str = "https://id.portal.example";
const ACME: &str = "acme.localhost:8080";

async fn bench() -> Bench {
    let app = manifest::read(PORTAL, "app.toml").unwrap_or_else(|faults| panic!("{faults:?}"));
    let people = vec![("ada@acme.example".into(), "acme".into()), ("eve@globex.example".into(), "globex".into())];
    let b = Bench::with(app, Some(DemoPeople { password: Secret::new("demo-demo-demo".as_bytes()), people })).await;
    let (acme, _) = b.tenant("acme").await;
    b.tenant("globex").await;
    let user = external_id(ISSUER, "ada@acme.example");
    let batch = b.house("member.joined").await.batch::<Control>("member");
    let who = roster::Newcomer { user, role: 0, email: None, name: None, at: b.now() };
    roster::add(batch, &b.app, acme, who).commit().await.unwrap();
    b
}

async fn token(b: &Bench, host: &str, email: &str) -> bench::Answer {
    let body = json!({ "email": email, "password": "demo-demo-demo" });
    b.post(&format!("{host}/dev/issuer/sign-in"), body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_takes_a_password_and_no_row_keeps_one() {
    let b = bench().await;
    for path in [
        "/api/v1/auth/sign-in",
        "/api/v1/auth/sign-up",
        "/api/v1/auth/reset",
        "/api/v1/auth/reset-request",
        "/api/v1/auth/password",
        "/api/v1/auth/magic",
        "/api/v1/auth/refresh",
        "/forgot",
        "/auth/reset",
    ] {
        assert!(!b.has(path), "{path}");
    }
    // The page only leads to the issuer.
    let page = b.call(http::Method::GET, &format!("{ACME}/sign-in"), &[], None).await.unwrap().text;
    assert!(page.contains("keeps no passwords") && !page.contains("type=\"password\""));
    assert!(b.call(http::Method::POST, &format!("{ACME}/sign-in"), &[], None).await.is_err());
    assert!(b.hashes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuers_token_opens_the_tenant_it_names() {
    let b = bench().await;
    let tokens = token(&b, ACME, "ada@acme.example").await;
    let me = b.get_as(&tokens.text("access_token"), &format!("{ACME}/api/v1/me")).await.unwrap();
    assert_eq!(me.body["membership"]["role"], json!("owner"));
    let there = b.get_as(&tokens.text("access_token"), "globex.localhost:8080/api/v1/me").await;
    assert_eq!(there.unwrap_err(), Failure::SignInNeeded);
    // Known to the issuer, not to the tenant.
    let eve = token(&b, "globex.localhost:8080", "eve@globex.example").await.text("access_token");
    let me = b.get_as(&eve, "globex.localhost:8080/api/v1/me").await.unwrap();
    assert_eq!(me.body["membership"], json!(null));

    b.clock.advance(15 * MINUTE);
    let late = b.get_as(&tokens.text("access_token"), &format!("{ACME}/api/v1/me")).await;
    assert_eq!(late.unwrap_err(), Failure::SignInNeeded);
    let body = json!({ "refresh_token": tokens.text("refresh_token") });
    let again = b.post(&format!("{ACME}/dev/issuer/refresh"), body).await.unwrap();
    assert!(b.get_as(&again.text("access_token"), &format!("{ACME}/api/v1/me")).await.is_ok());
    for bad in ["x.y.z", "", &tokens.text("refresh_token")] {
        assert_eq!(b.get_as(bad, &format!("{ACME}/api/v1/me")).await.unwrap_err(), Failure::SignInNeeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_set_is_public() {
    let b = bench().await;
    let keys = b.get("localhost:8080/dev/issuer/jwks.json").await.unwrap();
    assert_eq!(keys.body["keys"][0]["alg"], json!("EdDSA"));
}
