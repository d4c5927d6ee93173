//! Refresh tokens: turning, repeating, stealing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;

use std::sync::Arc;

use bench::{Answer, Bench, FIRM, MINUTE};
use kernel::{Failure, TenantId};
use serde_json::json;

const ACME: &str = "acme.localhost:8080";
const REFRESH: &str = "acme.localhost:8080/api/v1/auth/refresh";
const DAY: i64 = 24 * 60 * MINUTE;

async fn turn(b: &Bench, token: &str, device: Option<&str>) -> Result<Answer, Failure> {
    b.post(REFRESH, json!({ "refresh_token": token, "device": device })).await
}

async fn signed_in(manifest: &str) -> (Arc<Bench>, TenantId, Answer) {
    let b = Arc::new(Bench::new(manifest).await);
    let (acme, _) = b.tenant("acme").await;
    let tokens = b.sign_in(ACME, "owner@acme.example").await;
    (b, acme, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refresh_spends_the_token() {
    let (b, _, first) = signed_in(FIRM).await;
    let mut token = first.text("refresh_token");
    for _ in 0..3 {
        b.clock.advance(MINUTE);
        let next = turn(&b, &token, None).await.unwrap();
        assert_ne!(next.text("refresh_token"), token);
        assert!(b.get_as(&next.text("access_token"), &format!("{ACME}/api/v1/me")).await.is_ok());
        token = next.text("refresh_token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_can_be_asked_for_again_at_once_by_the_same_device() {
    let (b, _, first) = signed_in(FIRM).await;
    let (token, device) = (first.text("refresh_token"), first.text("device"));
    let one = turn(&b, &token, Some(&device)).await.unwrap();
    b.clock.advance(9_999);
    let again = turn(&b, &token, Some(&device)).await.unwrap();
    assert_eq!(one.text("refresh_token"), again.text("refresh_token"));
    turn(&b, &one.text("refresh_token"), Some(&device)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_token_that_comes_back_ends_the_session() {
    for (wait, same_device) in [(10_000, true), (0, false)] {
        let (b, acme, first) = signed_in(FIRM).await;
        let (token, device) = (first.text("refresh_token"), first.text("device"));
        let next = turn(&b, &token, Some(&device)).await.unwrap();
        b.clock.advance(wait);
        let shown = same_device.then_some(device.as_str());
        assert_eq!(turn(&b, &token, shown).await.unwrap_err(), Failure::SignInNeeded);
        // The family is gone: its newest token, and its access tokens.
        assert_eq!(turn(&b, &next.text("refresh_token"), Some(&device)).await.unwrap_err(), Failure::SignInNeeded);
        let me = format!("{ACME}/api/v1/me");
        assert_eq!(b.get_as(&next.text("access_token"), &me).await.unwrap_err(), Failure::SignInNeeded);
        assert!(b.leaves(acme).await.iter().any(|(action, ..)| action == "session.reuse"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_window_a_spent_token_is_theft_from_the_first_moment() {
    let strict = FIRM.replace("[roles.owner]", "[sessions]\nrefresh = { reuse_window = \"0 s\" }\n[roles.owner]");
    let (b, _, first) = signed_in(&strict).await;
    let (token, device) = (first.text("refresh_token"), first.text("device"));
    turn(&b, &token, Some(&device)).await.unwrap();
    assert_eq!(turn(&b, &token, Some(&device)).await.unwrap_err(), Failure::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_all_get_the_same_next_token_or_one_does() {
    let (b, _, first) = signed_in(FIRM).await;
    let (token, device) = (first.text("refresh_token"), first.text("device"));
    let tries: Vec<_> = (0..16)
        .map(|_| {
            let (b, token, device) = (Arc::clone(&b), token.clone(), device.clone());
            tokio::spawn(async move { turn(&b, &token, Some(&device)).await.map(|a| a.text("refresh_token")) })
        })
        .collect();
    let mut given = Vec::new();
    for each in tries {
        given.push(each.await.unwrap().unwrap());
    }
    given.dedup();
    assert_eq!(given.len(), 1);

    // Without the device's secret there is no second answer, only an alarm.
    let token = given.remove(0);
    let tries: Vec<_> = (0..16)
        .map(|_| {
            let (b, token) = (Arc::clone(&b), token.clone());
            tokio::spawn(async move { turn(&b, &token, None).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for each in tries {
        won += usize::from(each.await.unwrap());
    }
    assert_eq!(won, 1);
    assert!(b.get_as(&first.text("access_token"), &format!("{ACME}/api/v1/me")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_changes_nothing() {
    let (b, _, first) = signed_in(FIRM).await;
    let token = first.text("refresh_token");
    let (other, _, foreign) = signed_in(FIRM).await;
    drop(other);
    let mut forged = token.clone().into_bytes();
    forged[60] = if forged[60] == b'A' { b'B' } else { b'A' };
    for bad in [String::new(), "x".into(), String::from_utf8(forged).unwrap(), foreign.text("refresh_token")] {
        assert_eq!(turn(&b, &bad, None).await.unwrap_err(), Failure::SignInNeeded);
    }
    assert_eq!(b.post(REFRESH, json!({})).await.unwrap_err(), Failure::SignInNeeded);
    turn(&b, &token, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_when_idle_and_in_any_case() {
    let (b, _, first) = signed_in(FIRM).await;
    b.clock.advance(14 * DAY);
    assert_eq!(turn(&b, &first.text("refresh_token"), None).await.unwrap_err(), Failure::SignInNeeded);
    let mut token = b.sign_in(ACME, "owner@acme.example").await.text("refresh_token");
    for _ in 0..6 {
        b.clock.advance(13 * DAY);
        token = turn(&b, &token, None).await.unwrap().text("refresh_token");
    }
    b.clock.advance(12 * DAY - 60_000);
    let last = turn(&b, &token, None).await.unwrap();
    assert_eq!(last.body["expires_in"], json!(60), "no token outlives its session");
    b.clock.advance(60_000);
    assert_eq!(turn(&b, &last.text("refresh_token"), None).await.unwrap_err(), Failure::SignInNeeded);
}
