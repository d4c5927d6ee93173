//! What can be tried to hide a verdict, and what comes of it.

mod bench;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::{Failure, Time};
use serde_json::Value;

use self::bench::{Bench, HOUR, START, text};
use crate::{Testing, Wish};

const CROSS: &str = "tenant.cross_read";

fn wish(subject: &str, expires: Option<Time>) -> Wish {
    Wish {
        subject: subject.to_owned(),
        name: "Ann Berg".to_owned(),
        statement: "Every access was reviewed.".to_owned(),
        evidence: Some("https://intranet.example/review".to_owned()),
        expires,
    }
}

/// Whether a detached JWS over these bytes is by the published key: with another library's primitive, from what is served.
async fn signed(bench: &Bench, jws: &str, payload: &[u8]) -> bool {
    let keys = bench.json("/trust/keys.json").await;
    let key = URL_SAFE_NO_PAD.decode(keys["keys"][0]["x"].as_str().unwrap()).unwrap();
    let parts: Vec<&str> = jws.split('.').collect();
    let [head, "", signature] = parts.as_slice() else { return false };
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    assert_eq!((&header["alg"], &header["kid"]), (&"EdDSA".into(), &keys["keys"][0]["kid"]));
    let input = format!("{head}.{}", URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ED25519, key).verify(input.as_bytes(), &signature).is_ok()
}

#[tokio::test]
async fn a_report_is_signed_and_a_changed_byte_breaks_it() {
    let bench = Bench::open("nordkestrel").await;
    assert_eq!(bench.ask("GET", "/trust/report.json", &[]).await.err(), Some(Failure::NotFound));
    assert!(bench.publish(&[(CROSS, "proven")]).await);
    let reply = bench.ask("GET", "/trust/report.json", &[]).await.unwrap();
    let jws = reply.headers["x-jws-signature"].to_str().unwrap().to_owned();
    let bytes = text(reply).into_bytes();
    assert!(signed(&bench, &jws, &bytes).await);
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(!signed(&bench, &jws, &changed).await);
    }
    let report: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(report["promises"].as_array().unwrap().len(), 44);
    let summary = bench.json("/trust.json").await;
    assert_eq!(summary["run"]["signature"], *jws);
    let leaf = encryption::hash::sha256(&bytes);
    assert_eq!(summary["run"]["report_sha256"], hex::encode(leaf), "the leaf names it: verdicts/<sha256>");
}

#[tokio::test]
async fn a_copy_is_told_from_the_service() {
    let bench = Bench::open("nordkestrel").await;
    let mut round = bench.round(&[(CROSS, "proven")]);
    round.seen[0].place = "own instance".to_owned();
    bench.d.publish(bench.tx("verdicts.published"), round).await.unwrap();
    assert!(bench.text("/trust").await.contains("<dt>On a copy<dd>96 ids"));
    bench.clock.advance(HOUR);
    bench.publish(&[(CROSS, "proven")]).await;
    let page = bench.text("/trust").await;
    assert!(page.contains("<dt>We saw<dd>96 ids") && !page.contains("<dt>On a copy"));
}

#[tokio::test]
async fn what_does_not_apply_grows_stale_and_a_clock_set_right_hides_nothing() {
    let bench = Bench::open("nordkestrel").await;
    bench.publish(&[(CROSS, "not applicable")]).await;
    assert_eq!(bench.verdict("NOR-4.6").await, "not applicable");
    bench.clock.advance(72 * HOUR);
    assert_eq!(bench.verdict("NOR-4.6").await, "stale");
    bench.publish(&[(CROSS, "proven")]).await;
    // The clock was three hours ahead: what is seen now counts all the same.
    bench.clock.advance(-3 * HOUR);
    bench.publish(&[(CROSS, "failing")]).await;
    assert_eq!(bench.verdict("NOR-4.6").await, "failing");
}

#[tokio::test]
async fn a_review_that_lapsed_is_expired_whoever_signed() {
    let bench = Bench::open("kontraktr").await;
    bench.publish(&[("gov.page_review", "unsigned")]).await;
    assert_eq!(bench.verdict("KON-0.1").await, "unsigned");
    bench.clock.advance(HOUR);
    bench.publish(&[("gov.page_review", "expired")]).await;
    assert_eq!(bench.verdict("KON-0.1").await, "expired");
}

#[tokio::test]
async fn a_failing_promise_stays_until_it_is_proven_and_then_in_its_history() {
    let bench = Bench::open("nordkestrel").await;
    bench.publish(&[(CROSS, "proven")]).await;
    assert_eq!(bench.verdict("NOR-4.6").await, "proven");
    bench.clock.advance(HOUR / 60);
    assert!(bench.publish(&[(CROSS, "failing")]).await, "at once");
    assert!(bench.text("/trust").await.contains("1 of 44 failing"));
    // Nothing but a proof repairs it: no time-out, no probe taken away, no waiting.
    for verdict in ["inconclusive", "unproven"] {
        bench.clock.advance(HOUR);
        bench.publish(&[(CROSS, verdict)]).await;
        assert_eq!(bench.verdict("NOR-4.6").await, "failing", "{verdict}");
    }
    bench.clock.advance(72 * HOUR);
    assert_eq!(bench.verdict("NOR-4.6").await, "failing");
    bench.publish(&[(CROSS, "proven")]).await;
    let promise = bench.promise("NOR-4.6").await;
    assert_eq!((&promise["verdict"], &promise["times_broken"]), (&"proven".into(), &1.into()));
    let days = promise["days"].as_array().unwrap();
    assert_eq!(days.iter().filter(|d| **d == "failing").count(), 2, "the day it broke and the day it was repaired");
    let history = bench.json("/trust/history/NOR-4.6").await;
    let changes: Vec<&str> = history["changes"].as_array().unwrap().iter().map(|c| c["to"].as_str().unwrap()).collect();
    assert_eq!(changes, ["proven", "failing", "proven"]);
    assert!(history["changes"][1]["saw"].as_str().unwrap().contains("200 with 3 rows"));
    let page = bench.text("/trust").await;
    assert!(page.contains("Seen failing 1 time, last on 4 May 2026"));
    assert!(bench.text("/trust/history/NOR-4.6").await.contains("200 with 3 rows"));
}

#[tokio::test]
async fn no_edit_of_the_page_hides_a_verdict() {
    let mut bench = Bench::open("nordkestrel").await;
    assert!(!bench.compare().await, "the same page leaves no trace");
    bench.publish(&[(CROSS, "failing")]).await;
    // The promise is taken away.
    let words = "byte for byte the one for a number";
    bench.clock.advance(24 * HOUR);
    bench
        .edited(|page| {
            let from = page.find("- Ask for another restaurant's order").unwrap();
            let to = from + page[from..].find("\n\n").unwrap();
            page[..from].to_owned() + &page[to..]
        })
        .await;
    let page = bench.text("/trust").await;
    assert!(page.contains("What this page used to say") && page.contains(words), "old words");
    assert!(page.contains("4 May 2026 to 5 May 2026, last failing; taken off the page"), "with dates and the verdict");
    let history = bench.json("/trust/history/NOR-4.6").await;
    assert_eq!(history["now"], Value::Null);
    assert_eq!(history["changes"][0]["to"], "failing");
    // It comes back with other words, bound to a check that holds: the old ones stay.
    bench.clock.advance(24 * HOUR);
    bench
        .edited(|page| {
            page.replace(words, "much the one for a number").replace("](#tenant.cross_read)", "](#edge.csp)")
        })
        .await;
    bench.publish(&[("edge.csp", "proven")]).await;
    let promise = bench.promise("NOR-4.6").await;
    assert_eq!(promise["verdict"], "proven");
    assert_eq!(promise["former_wordings"][0]["last_verdict"], "failing");
    assert_eq!(promise["times_broken"], 1);
    let page = bench.text("/trust").await;
    assert!(page.contains(words) && page.contains("Now: Ask for another restaurant"), "old and new");
    let unknown = bench.ask("GET", "/trust/history/NOR-99.9", &[]).await.err();
    assert_eq!(unknown, Some(Failure::NotFound));
}

#[tokio::test]
async fn what_cannot_be_told_keeps_the_last_verdict_and_grows_stale() {
    let bench = Bench::open("nordkestrel").await;
    bench.publish(&[(CROSS, "proven")]).await;
    bench.clock.advance(HOUR);
    bench.publish(&[(CROSS, "inconclusive")]).await;
    assert_eq!(bench.verdict("NOR-4.6").await, "proven");
    assert!(bench.text("/trust").await.contains("told nothing: not done within 55 s"));
    bench.clock.advance(HOUR + 1000);
    assert_eq!(bench.verdict("NOR-4.6").await, "stale", "by time alone, without a round");
    bench.clock.advance(5 * HOUR);
    bench.publish(&[(CROSS, "proven")]).await;
    let history = bench.json("/trust/history/NOR-4.6").await;
    let changes = history["changes"].as_array().unwrap();
    let told: Vec<_> = changes.iter().map(|c| (c["to"].as_str().unwrap(), c["at"].as_str().unwrap())).collect();
    assert_eq!(
        told[1],
        ("stale", START.plus(2 * HOUR).to_string().as_str()),
        "since when it was old, not since when seen"
    );
    assert_eq!((told[0].0, told[2].0), ("proven", "proven"));
    // One that was never told stays so, and then is stale too.
    bench.publish(&[("edge.csp", "inconclusive")]).await;
    assert!(bench.json("/trust.json").await["counts"]["inconclusive"].as_u64().is_some());
}

#[tokio::test]
async fn a_signature_is_bound_to_words_and_date() {
    let mut bench = Bench::open("nordkestrel").await;
    bench.publish(&[("gov.legal_docs", "unsigned")]).await;
    assert_eq!(bench.verdict("NOR-5.5").await, "unsigned");
    for (subject, expires) in [
        ("NOR-4.6", None),
        ("NOR-99", None),
        ("edge.csp", None),
        ("NOR-5.5", Some(START)),
        ("NOR-5.5", Some(START.plus(800 * 24 * HOUR))),
    ] {
        let refused = bench.d.attest(bench.tx("promise.attested"), wish(subject, expires)).await.err();
        assert!(matches!(refused, Some(Failure::Invalid(_))), "{subject} {expires:?}");
    }
    let until = START.plus(40 * 24 * HOUR);
    let (_, made) = bench.d.attest(bench.tx("promise.attested"), wish("NOR-5.5", Some(until))).await.unwrap();
    let promise = bench.promise("NOR-5.5").await;
    assert_eq!((&promise["verdict"], &promise["attestation"]["name"]), (&"attested".into(), &"Ann Berg".into()));
    assert!(bench.text("/trust").await.contains("Every access was reviewed.”"));
    let remind = async |bench: &Bench| bench.d.reminders(&bench.tx("")).await.unwrap().as_array().unwrap().len();
    assert_eq!(remind(&bench).await, 0);
    bench.clock.advance(20 * 24 * HOUR);
    assert_eq!(remind(&bench).await, 1, "before it ends");
    // Other words are not what was signed.
    bench.edited(|page| page.replace("a named person signs for that statement", "a named person signs for it")).await;
    assert_eq!(bench.verdict("NOR-5.5").await, "unsigned");
    bench.edited(|page| page).await;
    assert_eq!(bench.verdict("NOR-5.5").await, "attested");
    bench.clock.advance(20 * 24 * HOUR);
    assert_eq!(bench.verdict("NOR-5.5").await, "expired");
    assert_eq!(remind(&bench).await, 1);
    let signer = bench.d.key().unwrap();
    assert!(super::Attestation::read(&signer, &made.signature).is_some());
    let longer = made.signature.replacen('.', ".e", 1);
    assert!(super::Attestation::read(&signer, &longer).is_none(), "a date edited in the database counts for nothing");
    let (_, _) = bench.d.attest(bench.tx("promise.attested"), wish("gov.legal_docs", None)).await.unwrap();
    assert_eq!(bench.verdict("NOR-5.5").await, "attested", "a signature under the check counts for its promises");
}

#[tokio::test]
async fn a_prober_cannot_sign_for_people_nor_bring_junk() {
    let bench = Bench::open("nordkestrel").await;
    for verdict in ["attested", "provider", "green", ""] {
        bench.publish(&[(CROSS, verdict)]).await;
        assert_eq!(bench.verdict("NOR-4.6").await, "unproven", "{verdict}");
    }
    assert!(!bench.publish(&[("no.such_check", "proven")]).await);
    let mut foreign = bench.round(&[(CROSS, "proven")]);
    foreign.app = "other".to_owned();
    let refused = bench.d.publish(bench.tx("verdicts.published"), foreign).await.err();
    assert!(matches!(refused, Some(Failure::BadInput(_))));
    let mut huge = bench.round(&[(CROSS, "proven")]);
    huge.seen[0].summary = "x".repeat(5000);
    assert!(bench.d.publish(bench.tx("verdicts.published"), huge).await.unwrap().is_none());
    bench.publish(&[(CROSS, "proven")]).await;
    let mut older = bench.round(&[(CROSS, "failing")]);
    older.seen[0].at = START.plus(-HOUR);
    assert!(bench.d.publish(bench.tx("verdicts.published"), older).await.unwrap().is_none(), "no going back");
    let hostile = "<script>alert(1)</script>\"'";
    bench.clock.advance(HOUR);
    let mut round = bench.round(&[(CROSS, "proven")]);
    round.seen[0].summary = hostile.to_owned();
    bench.d.publish(bench.tx("verdicts.published"), round).await.unwrap();
    let page = bench.text("/trust").await;
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
}

#[tokio::test]
async fn the_same_verdicts_are_published_every_ten_minutes_only() {
    let bench = Bench::open("nordkestrel").await;
    assert!(bench.publish(&[(CROSS, "proven")]).await);
    bench.clock.advance(45_000);
    assert!(!bench.publish(&[(CROSS, "proven")]).await);
    bench.clock.advance(600_000);
    assert!(bench.publish(&[(CROSS, "proven")]).await);
    bench.clock.advance(45_000);
    assert!(bench.publish(&[(CROSS, "failing")]).await, "news go out at once");
}

#[tokio::test]
async fn the_largest_page_is_one_request_of_less_than_60_kilobytes() {
    for app in ["kontraktr", "nordkestrel", "connectwyze", "estokad", "kwestra"] {
        let bench = Bench::open(app).await;
        let claims = &bench.d.page().claims;
        bench.publish_all().await;
        bench.days(|day| if day == 60 { super::Verdict::Failing } else { super::Verdict::Proven }).await;
        bench.clock.advance(60_000);
        bench.publish(&[(CROSS, "failing"), ("edge.csp", "inconclusive")]).await;
        bench.d.set_test_now(Testing { cheap: |_| true, run: Arc::new(|_| Box::pin(async { Err(Failure::Busy(1)) })) });
        let page = bench.text("/trust").await;
        let marks = page.matches("<details ").count();
        assert_eq!(marks, claims.len());
        for claim in claims {
            let id = claim.id.as_str();
            let found = [" ", ">"].map(|end| page.matches(&format!("<details id={id}{end}")).count());
            assert_eq!(found[0] + found[1], 1, "{id}");
        }
        for bad in
            [" src=", "<link rel=\"stylesheet", "url(http", "@import", "<script", " style=", " onclick", "{live."]
        {
            assert!(!page.contains(bad), "{bad}");
        }
        assert!(page.len() < 60_000, "{app}: {} bytes", page.len());
    }
}

#[tokio::test]
async fn the_formats_agree() {
    let bench = Bench::open("nordkestrel").await;
    bench.publish(&[(CROSS, "proven")]).await;
    let reply = bench.ask("GET", "/trust.json", &[]).await.unwrap();
    assert_eq!(reply.headers["cache-control"], "public, max-age=60");
    let tag = reply.headers["etag"].to_str().unwrap().to_owned();
    let again = bench.ask("GET", "/trust.json", &[("if-none-match", &tag)]).await.unwrap();
    assert_eq!(again.status, 304);
    assert_eq!(text(again), "");
    let all = bench.json("/trust.json").await;
    let promise = bench.promise("NOR-4.6").await;
    assert_eq!(promise["checks"][0]["control"], "tenant.cross_read");
    assert_eq!(promise["evidence"][CROSS]["ids"], 96);
    assert_eq!(promise["days"].as_array().unwrap().len(), 90);
    assert_eq!(all["promises"].as_array().unwrap().len(), 44);
    let csv = bench.text("/trust/answers.csv").await;
    assert!(csv.starts_with("control,area,question,promises,words,verdict,evidence,checked_at\r\n"));
    let line = csv.lines().find(|l| l.starts_with("tenant.cross_read,")).unwrap();
    assert!(line.contains("NOR-4.6") && line.contains(",proven,"), "{line}");
    let badge = bench.text("/trust/badge.svg").await;
    assert!(badge.contains(&format!("promises proven: {}", all["proven"].as_str().unwrap())));
    bench.clock.advance(60_000);
    bench.publish(&[(CROSS, "failing")]).await;
    assert!(bench.text("/trust/badge.svg").await.contains("1 failing"));
}

#[tokio::test]
async fn a_visitors_test_joins_and_is_kept_and_is_bounded() {
    let bench = Bench::open("nordkestrel").await;
    let path = "/trust/test/NOR-4.6";
    assert_eq!(bench.ask("POST", path, &[]).await.err(), Some(Failure::NotFound), "no prober here");
    let (runs, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (counted, held, round) = (Arc::clone(&runs), Arc::clone(&gate), bench.round(&[(CROSS, "proven")]));
    bench.d.set_test_now(Testing {
        cheap: |check| check != "edge.tls",
        run: Arc::new(move |check| {
            let (held, mut round) = (Arc::clone(&held), round.clone());
            counted.fetch_add(1, Ordering::SeqCst);
            round.seen[0].check = check.to_owned();
            Box::pin(async move {
                held.acquire().await.map_err(|_| Failure::Busy(1))?.forget();
                Ok(round)
            })
        }),
    });
    assert_eq!(bench.ask("POST", "/trust/test/NOR-2.1", &[]).await.err(), Some(Failure::NotFound), "not cheap");
    assert_eq!(bench.ask("POST", "/trust/test/NOR-99", &[]).await.err(), Some(Failure::NotFound));
    for _ in 0..3 {
        assert_eq!(bench.ask("POST", path, &[]).await.unwrap().status, 202);
    }
    let sent = bench.ask("POST", path, &[("accept", "text/html")]).await.unwrap();
    assert_eq!((sent.status.as_u16(), sent.headers["location"].to_str().unwrap()), (303, "NOR-4.6"));
    assert!(bench.text(path).await.contains("http-equiv=\"refresh\""));
    assert_eq!(bench.ask("POST", "/trust/test/NOR-4.3", &[]).await.unwrap().status, 202);
    assert_eq!(bench.ask("POST", "/trust/test/NOR-4.4", &[]).await.err(), Some(Failure::Busy(15)), "two at once");
    gate.add_permits(10);
    let result = loop {
        let reply = bench.ask("POST", path, &[]).await.unwrap();
        if reply.status == 200 {
            break text(reply);
        }
        tokio::task::yield_now().await;
    };
    assert!(result.contains("\"verdict\":\"proven\""), "{result}");
    assert_eq!(runs.load(Ordering::SeqCst), 2, "joined and kept");
    assert!(bench.text(path).await.contains("96 ids"));
    assert_eq!(bench.verdict("NOR-4.6").await, "unproven", "nothing of it is published");
    bench.clock.advance(601_000);
    assert_eq!(bench.ask("POST", path, &[]).await.unwrap().status, 202, "ten minutes later it is looked at anew");
}
