use std::{collections::BTreeMap, net::IpAddr};

use kernel::{Id, Steered, TenantId, Time};
use manifest::{Millis, Per, Rate};

use super::*;

const MINUTE: i64 = 60_000;

fn rate(count: u32, window: i64, per: Per) -> Rate {
    Rate { count, window: Millis(window), per }
}

fn limits(tiers: &[(&'static str, &[Rate])], capacity: usize) -> (Limits, Arc<Steered>) {
    let tiers: BTreeMap<_, _> = tiers.iter().map(|(name, rates)| (*name, rates.to_vec())).collect();
    let repeat = vec![Millis(MINUTE), Millis(15 * MINUTE), Millis(60 * MINUTE)];
    let clock = Arc::new(Steered::at(Time(1_700_000_000_000)));
    (
        Limits::sized(
            &manifest::Limits { own: Vec::new(), tiers, repeat },
            Arc::clone(&clock) as Arc<dyn Clock>,
            capacity,
        ),
        clock,
    )
}

fn who(ip: &str) -> Who<'static> {
    let ip: IpAddr = ip.parse().unwrap();
    Who { ip, account: None, key: None, tenant: None, source: None, route: "/" }
}

fn wait(answer: Result<Quota, Failure>) -> Option<u32> {
    match answer {
        Ok(_) => None,
        Err(Failure::TooMany { retry_after, .. }) => Some(retry_after),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn the_declared_number_passes_and_the_answer_tells_the_truth() {
    let (l, clock) = limits(&[("orders", &[rate(12, MINUTE, Per::Ip)])], CAPACITY);
    let me = who("192.0.2.1");
    for left in (0..12).rev() {
        assert_eq!(l.take("orders", &me).unwrap().remaining(), left);
    }
    assert_eq!(wait(l.take("orders", &me)), Some(5));
    clock.advance(4_000);
    assert_eq!(
        wait(l.take("orders", &me)),
        Some(1),
        "a second earlier it is refused, and this does not lengthen the wait"
    );
    clock.advance(1_000);
    assert_eq!(wait(l.take("orders", &me)), None);
}

#[test]
fn a_second_source_and_a_second_tier_are_unaffected() {
    let (l, _) = limits(&[("orders", &[rate(1, MINUTE, Per::Ip)]), ("uploads", &[rate(1, MINUTE, Per::Ip)])], CAPACITY);
    assert!(l.take("orders", &who("127.0.0.1")).is_ok());
    assert!(l.take("orders", &who("127.0.0.1")).is_err());
    assert!(l.take("orders", &who("127.0.0.2")).is_ok());
    assert!(l.take("orders", &who("::1")).is_ok());
    assert!(l.take("uploads", &who("127.0.0.1")).is_ok());
}

#[test]
fn an_ipv6_subscriber_is_one_source_and_a_mapped_address_is_its_ipv4() {
    let (l, _) = limits(&[("t", &[rate(1, MINUTE, Per::Ip)])], CAPACITY);
    assert!(l.take("t", &who("2001:db8:1:2::1")).is_ok());
    assert!(l.take("t", &who("2001:db8:1:2:ffff::9")).is_err());
    assert!(l.take("t", &who("2001:db8:1:3::1")).is_ok());
    assert!(l.take("t", &who("192.0.2.7")).is_ok());
    assert!(l.take("t", &who("::ffff:192.0.2.7")).is_err());
}

#[test]
fn nothing_is_spent_when_one_rate_refuses() {
    let (l, clock) = limits(&[("r", &[rate(1, MINUTE, Per::Ip), rate(3, 60 * MINUTE, Per::Tenant)])], CAPACITY);
    let tenant = Some(TenantId(Id::from_bytes([7; 16])));
    let me = Who { tenant, ..who("192.0.2.1") };
    assert!(l.take("r", &me).is_ok());
    for _ in 0..50 {
        assert!(l.take("r", &me).is_err());
    }
    assert!(l.take("r", &Who { tenant, ..who("192.0.2.2") }).is_ok());
    assert!(l.take("r", &Who { tenant, ..who("192.0.2.3") }).is_ok());
    let (told, other) = (l.take("r", &Who { tenant, ..who("192.0.2.4") }), TenantId(Id::from_bytes([8; 16])));
    assert_eq!(wait(told), Some(1200));
    assert!(l.take("r", &Who { tenant: Some(other), ..who("192.0.2.4") }).is_ok());
    clock.advance(1_200_000);
    assert!(l.take("r", &Who { tenant, ..who("192.0.2.4") }).is_ok());
}

#[test]
fn absent_keys_do_not_count_but_nobody_goes_free() {
    let (l, _) = limits(&[("api", &[rate(2, MINUTE, Per::Account), rate(1, MINUTE, Per::Key)])], CAPACITY);
    let me = Who { account: Some("u1"), ..who("192.0.2.1") };
    assert!(l.take("api", &me).is_ok() && l.take("api", &me).is_ok() && l.take("api", &me).is_err());
    assert!(l.take("api", &Who { account: Some("u2"), ..me }).is_ok());
    let nobody = who("192.0.2.1");
    assert!(l.take("api", &nobody).is_ok() && l.take("api", &nobody).is_ok());
    assert!(l.take("api", &nobody).is_err(), "without account and key the first rate counts the address");
}

#[test]
fn each_repeat_offence_blocks_longer_and_quiet_forgives() {
    let (l, clock) = limits(&[("pin", &[rate(5, 15 * MINUTE, Per::Ip)])], CAPACITY);
    let me = who("192.0.2.1");
    let offend = || {
        while let Ok(quota) = l.take("pin", &me) {
            assert!(quota.remaining() < 5);
        }
        let told = wait(l.take("pin", &me)).unwrap();
        clock.advance(i64::from(told) * 1000 - 1000);
        assert!(l.take("pin", &me).is_err());
        clock.advance(1000);
        assert!(l.take("pin", &me).is_ok());
        told
    };
    let blocks: Vec<u32> = (0..5).map(|_| offend()).collect();
    assert_eq!(blocks, [180, 360, 900, 3600, 3600]);
    clock.advance(2 * 3_600_000);
    assert_eq!(offend(), 180);
}

#[test]
fn a_shared_budget_is_not_a_weapon() {
    let (l, clock) = limits(&[("p", &[rate(1, 1000, Per::Tenant)])], CAPACITY);
    let me = Who { tenant: Some(TenantId::HOUSE), ..who("192.0.2.1") };
    for _ in 0..20 {
        assert!(l.take("p", &me).is_ok());
        assert_eq!(wait(l.take("p", &me)), Some(1));
        clock.advance(1000);
    }
}

#[test]
fn a_clock_set_back_costs_at_most_one_window() {
    let (l, clock) = limits(&[("t", &[rate(2, MINUTE, Per::Tenant)])], CAPACITY);
    let me = Who { tenant: Some(TenantId::HOUSE), ..who("192.0.2.1") };
    assert!(l.take("t", &me).is_ok() && l.take("t", &me).is_ok());
    clock.advance(-86_400_000);
    assert_eq!(wait(l.take("t", &me)), Some(30));
    clock.advance(30_000);
    assert!(l.take("t", &me).is_ok());
}

#[test]
fn a_spray_of_addresses_is_bounded_and_refused_by_network() {
    let (l, clock) = limits(&[("t", &[rate(3, MINUTE, Per::Ip)])], 4096);
    let known = who("198.51.100.1");
    assert!(l.take("t", &known).is_ok());
    let mut passed = 0;
    for n in 0..200_000_u32 {
        let ip = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        passed += u32::from(l.take("t", &Who { ip, ..known }).is_ok());
    }
    assert!(l.held() <= 4096 + 1024, "{}", l.held());
    assert!(passed < 4096 + 3 * 1024);
    assert!(l.take("t", &known).is_ok(), "who was known keeps an own budget");
    clock.advance(MINUTE * 200);
    l.sweep();
    assert_eq!(l.held(), 0);
    assert!(l.take("t", &who("10.0.0.1")).is_ok());
}

#[test]
fn idle_budgets_leave_by_themselves() {
    let (l, clock) = limits(&[("t", &[rate(100, 1000, Per::Ip)])], CAPACITY);
    for n in 0..300_000_u32 {
        clock.advance(1);
        assert!(l.take("t", &Who { ip: IpAddr::from(n.to_be_bytes()), ..who("::1") }).is_ok());
    }
    assert!(l.held() < 64 * 300, "{}", l.held());
}

#[test]
fn concurrent_requests_get_exactly_the_budget() {
    let (l, _) = limits(&[("t", &[rate(100, MINUTE, Per::Ip), rate(120, MINUTE, Per::Route)])], CAPACITY);
    let l = Arc::new(l);
    let run = |ip: &'static str| {
        let l = Arc::clone(&l);
        std::thread::spawn(move || (0..500).filter(|_| l.take("t", &who(ip)).is_ok()).count())
    };
    let threads = [run("192.0.2.1"), run("192.0.2.1"), run("192.0.2.2"), run("192.0.2.2")];
    assert_eq!(threads.into_iter().map(|t| t.join().unwrap()).sum::<usize>(), 120);
}

#[test]
fn the_headers_read_as_the_draft_has_them() {
    let (l, _) = limits(&[("api", &[rate(120, MINUTE, Per::Ip), rate(1000, 86_400_000, Per::Tenant)])], CAPACITY);
    let quota = l.take("api", &Who { tenant: Some(TenantId::HOUSE), ..who("::1") }).unwrap();
    assert_eq!(quota.policy(), "\"api\";q=120;w=60, \"api-tenant\";q=1000;w=86400");
    assert_eq!(quota.state(), "\"api\";r=119;t=1");
    assert_eq!(l.spent("api", 7).unwrap().state(), "\"api\";r=0;t=7");
}

#[test]
fn an_unknown_tier_answers_nothing() {
    let (l, _) = limits(&[], CAPACITY);
    assert!(matches!(l.take("nope", &who("::1")), Err(Failure::Internal(_))));
}

#[test]
fn odd_rates_do_not_overflow() {
    let (l, clock) =
        limits(&[("t", &[rate(u32::MAX, 1, Per::Ip), rate(1, i64::MAX, Per::Account), rate(0, 0, Per::Route)])], 64);
    clock.advance(i64::MAX / 4);
    let me = Who { account: Some("a"), ..who("::1") };
    let _ = l.take("t", &me);
    assert!(l.take("t", &me).is_err());
}

/// Not a timed test: prints what a decision costs. `cargo test -p limits --release -- --ignored --nocapture`
#[test]
#[ignore = "prints a figure"]
fn what_a_decision_costs() {
    let (l, _) = limits(
        &[("t", &[rate(1_000_000_000, MINUTE, Per::Account), rate(1_000_000_000, MINUTE, Per::Tenant)])],
        CAPACITY,
    );
    let me = Who { account: Some("0190a1b2-0000-7000-8000-000000000001"), tenant: Some(TenantId::HOUSE), ..who("::1") };
    let start = std::time::Instant::now();
    for _ in 0..1_000_000 {
        std::hint::black_box(l.take("t", &me).is_ok());
    }
    println!("{} ns", start.elapsed().as_nanos() / 1_000_000);
}
