//! Leaves in the making: what the store's writer calls, last, inside each savepoint.

use std::{
    borrow::Cow,
    sync::{PoisonError, RwLock},
};

use encryption::hash::Sha256;
use kernel::{Event, Rng, Time};
use store::{Chain, Head, Placed};

use crate::{
    jcs,
    leaf::{Leaf, leaf_hash},
};

/// The domain of commitments.
pub const COMMITMENT: &str = "audit/commitment/v1";

/// What a leaf says of a value: its salted hash.
#[must_use]
pub fn commitment(id: &str, field: &str, salt: &[u8; 32], value: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for piece in [COMMITMENT.as_bytes(), id.as_bytes(), field.as_bytes(), salt, value.as_bytes()] {
        hash.framed(piece);
    }
    hash.finish()
}

/// Makes leaves under one manifest.
pub struct Chained {
    app_hash: RwLock<String>,
}

impl Chained {
    /// `app_hash`: SHA-256 of the manifest in force.
    #[must_use]
    pub fn new(app_hash: [u8; 32]) -> Self {
        Self { app_hash: RwLock::new(hex::encode(app_hash)) }
    }
    /// The manifest was edited: leaves from now on name the new one.
    pub fn reload(&self, app_hash: [u8; 32]) {
        *self.app_hash.write().unwrap_or_else(PoisonError::into_inner) = hex::encode(app_hash);
    }
}

impl Chain for Chained {
    fn next(&self, head: &Head, event: &Event, now: Time, rng: &dyn Rng) -> Placed {
        let at = now.max(head.at);
        let mut values = draw(event, rng);
        values.sort_by(|(a, ..), (b, ..)| jcs::order(a, b));
        // A name can stand once in an object; the event's last word counts.
        values.dedup_by(|later, kept| {
            let twice = later.0 == kept.0;
            if twice {
                std::mem::swap(later, kept);
            }
            twice
        });
        let id = rng.id(at);
        let text = id.to_string();
        let hashes: Vec<String> =
            values.iter().map(|(field, salt, value)| hex::encode(commitment(&text, field, salt, value))).collect();
        let fields = values.iter().zip(&hashes).map(|((field, ..), hash)| (Cow::from(*field), Cow::from(hash)));
        let prev = if kernel::sabotage::off("audit.hash_chain") { [0; 32] } else { head.hash };
        let body = Leaf {
            action: event.name.into(),
            actor: event.actor.to_string().into(),
            app_hash: self.app_hash.read().unwrap_or_else(PoisonError::into_inner).as_str().into(),
            fields: fields.collect(),
            id,
            outcome: event.outcome.word().into(),
            prev: hex::encode(prev).into(),
            req_id: event.request.0,
            seq: head.size,
            source: event.source.word().into(),
            target: event.target.as_str().into(),
            ts: at.to_string().into(),
            v: 1,
        }
        .bytes();
        Placed { head: Head { size: head.size + 1, hash: leaf_hash(&body), at }, body, values }
    }
}

type Salted = (&'static str, [u8; 32], String);

fn draw(event: &Event, rng: &dyn Rng) -> Vec<Salted> {
    event.fields.iter().map(|(field, value)| (*field, rng.array::<32>(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::{Actor, Id, Outcome, RequestId, Source};
    use serde_json::{Value, json};

    use super::*;

    struct Counting;
    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().zip(1..).for_each(|(b, n)| *b = n);
        }
    }

    fn event(fields: Vec<(&'static str, String)>) -> Event {
        Event {
            name: "order.refunded",
            actor: Actor::Operator(Arc::from("ann \"ø\" \u{1}\n")),
            target: "orders/\u{2028}😀\\".into(),
            outcome: Outcome::Done,
            source: Source::Admin,
            request: RequestId(Id::v7(Time(3), [4; 10])),
            fields,
        }
    }

    fn head() -> Head {
        Head { size: 12_345, hash: [0xab; 32], at: Time(1_777_887_000_123) }
    }

    #[test]
    fn the_bytes_are_canonical_and_say_what_happened() {
        let fields = vec![("total", "12.50 EUR".to_owned()), ("email", "a@b.example".to_owned())];
        let placed = Chained::new([0xcd; 32]).next(&head(), &event(fields), Time(1_777_887_000_999), &Counting);
        let value: Value = serde_json::from_slice(&placed.body).unwrap();
        assert_eq!(placed.body, serde_jcs::to_vec(&value).unwrap());
        let id = value["id"].as_str().unwrap();
        let salted = |at: usize| {
            let (field, salt, text) = &placed.values[at];
            hex::encode(commitment(id, field, salt, text))
        };
        assert_eq!(
            value,
            json!({
                "v": 1, "seq": 12_345, "ts": "2026-05-04T09:30:00.999Z", "prev": "ab".repeat(32), "id": id,
                "action": "order.refunded", "actor": "operator/ann \"ø\" \u{1}\n", "target": "orders/\u{2028}😀\\",
                "outcome": "done", "source": "admin", "req_id": Id::v7(Time(3), [4; 10]).to_string(),
                "fields": { "email": salted(0), "total": salted(1) }, "app_hash": "cd".repeat(32),
            })
        );
        assert_eq!(placed.head, Head { size: 12_346, hash: leaf_hash(&placed.body), at: Time(1_777_887_000_999) });
        let parsed = Leaf::parse(&placed.body).unwrap();
        assert_eq!(parsed.actor, "operator/ann \"ø\" \u{1}\n");
    }

    #[test]
    fn time_never_goes_back() {
        let placed = Chained::new([0; 32]).next(&head(), &event(Vec::new()), Time(5), &Counting);
        assert_eq!(placed.head.at, head().at);
        assert_eq!(Leaf::parse(&placed.body).unwrap().at(), Some(head().at));
    }

    #[test]
    fn a_name_given_twice_stands_once_with_its_last_value() {
        let twice = vec![("role", "a".to_owned()), ("age", "1".to_owned()), ("role", "b".to_owned())];
        let placed = Chained::new([0; 32]).next(&head(), &event(twice), Time(5), &Counting);
        let kept: Vec<_> = placed.values.iter().map(|(n, _, v)| (*n, v.as_str())).collect();
        assert_eq!(kept, [("age", "1"), ("role", "b")]);
        assert!(Leaf::parse(&placed.body).is_some());
    }

    #[test]
    fn the_values_themselves_are_not_in_the_leaf() {
        let placed = Chained::new([0; 32]).next(
            &head(),
            &event(vec![("email", "someone@example.com".into())]),
            Time(5),
            &encryption::OsRng,
        );
        assert!(!String::from_utf8(placed.body).unwrap().contains("someone"));
        let (_, salt, _) = &placed.values[0];
        assert_ne!(salt, &[0; 32]);
    }

    #[test]
    fn a_commitment_is_of_all_its_parts() {
        let one = commitment("id", "field", &[1; 32], "value");
        assert_ne!(one, commitment("ie", "field", &[1; 32], "value"));
        assert_ne!(one, commitment("idf", "ield", &[1; 32], "value"));
        assert_ne!(one, commitment("id", "field", &[2; 32], "value"));
        assert_ne!(one, commitment("id", "field", &[1; 32], "valuf"));
        // Computed independently (Python's hashlib) from the description at the crate's head.
        assert_eq!(hex::encode(one), "356dc1dcf95d9f7ef0bb6cfef0b2e327eb0c263f5b95246ab73296de64b9df75");
    }

    #[test]
    fn a_reload_names_the_new_manifest() {
        let chained = Chained::new([1; 32]);
        chained.reload([2; 32]);
        let placed = chained.next(&head(), &event(Vec::new()), Time(5), &Counting);
        assert_eq!(Leaf::parse(&placed.body).unwrap().app_hash, "02".repeat(32));
    }

    #[test]
    #[ignore = "a measurement; run with --ignored --nocapture, optimised"]
    #[expect(clippy::print_stdout, reason = "a measurement")]
    fn cost_of_a_leaf() {
        let (chained, mut at, event) = (Chained::new([1; 32]), Head::default(), event(vec![("email", "a@b".into())]));
        let start = std::time::Instant::now();
        for _ in 0..100_000 {
            at = chained.next(&at, &event, Time(1_777_887_000_999), &encryption::OsRng).head;
        }
        println!("{:?} per leaf", start.elapsed() / 100_000);
    }
}
