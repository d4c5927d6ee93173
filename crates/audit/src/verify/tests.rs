use encryption::OsRng;
use kernel::{Actor, Event, Id, Outcome, RequestId, Rng, Source};
use store::Chain;

use kernel::Time;

use super::*;
use crate::leaf::Leaf;
use crate::{Chained, verify_export};

const LEAVES: usize = 12;

fn log_of(count: usize, target: &str) -> Vec<Vec<u8>> {
    let (chained, mut head) = (Chained::new([7; 32]), Head::default());
    (0..count)
        .map(|at| {
            let fields = if at % 3 == 0 { vec![("email", format!("{at}@example.com"))] } else { Vec::new() };
            let event = Event {
                name: "record.created",
                actor: Actor::Visitor,
                target: format!("{target}/{at}"),
                outcome: Outcome::Done,
                source: Source::Public,
                request: RequestId(Id::v7(Time(1), [9; 10])),
                fields,
            };
            let now = Time(1_777_887_000_000 + i64::try_from(at).unwrap() * 7);
            let placed = chained.next(&head, &event, now, &OsRng);
            head = placed.head;
            placed.body
        })
        .collect()
}

fn log() -> Vec<Vec<u8>> {
    log_of(LEAVES, "notes")
}

fn at(seq: usize, why: Why) -> Result<Head, Broken> {
    Err(Broken { seq: seq as u64, why })
}

/// Changes a leaf's members and writes it canonically, as a forger would who knows the format.
fn forged(body: &[u8], change: impl FnOnce(&mut Leaf<'_>)) -> Vec<u8> {
    let mut leaf = Leaf::parse(body).unwrap();
    change(&mut leaf);
    leaf.bytes()
}

#[test]
fn an_untouched_log_holds_and_its_head_is_the_writers() {
    let log = log();
    let head = check(&log).unwrap();
    assert_eq!(head.size, LEAVES as u64);
    assert_eq!(head.hash, leaf_hash(&log[LEAVES - 1]));
    assert_eq!(check(Vec::<Vec<u8>>::new()), Ok(Head::default()));
}

#[test]
fn every_flipped_bit_is_named() {
    let log = log_of(4, "n");
    let end = check(&log).unwrap();
    for (seq, leaf) in log.iter().enumerate() {
        for bit in 0..leaf.len() * 8 {
            let mut bad = log.clone();
            bad[seq][bit / 8] ^= 1 << (bit % 8);
            let mut checker = Checker::default();
            let found = bad.iter().try_for_each(|leaf| checker.push(leaf)).and_then(|()| checker.finish(&end));
            // The changed leaf itself, or the link from the next leaf back to it.
            let broken = found.expect_err("a flipped bit");
            assert!((seq..=seq + 1).contains(&usize::try_from(broken.seq).unwrap()), "leaf {seq} bit {bit}: {broken}");
        }
    }
}

#[test]
fn every_canonical_edit_breaks_the_next_link_or_the_end() {
    let log = log();
    let end = check(&log).unwrap();
    let edits: [fn(&mut Leaf<'_>); 8] = [
        |l| l.action = "record.deleted".into(),
        |l| l.actor = "user/other".into(),
        |l| l.target = "notes/\u{1}".into(),
        |l| l.outcome = "refused".into(),
        |l| l.source = "admin".into(),
        |l| l.app_hash = "0".repeat(64).into(),
        |l| l.id = Id::NIL,
        |l| drop(l.fields.insert("x".into(), "a".repeat(64).into())),
    ];
    for edit in edits {
        for seq in 0..LEAVES {
            let mut bad = log.clone();
            bad[seq] = forged(&bad[seq], edit);
            if seq + 1 < LEAVES {
                assert_eq!(check(&bad), at(seq + 1, Why::Prev));
            } else {
                let mut checker = Checker::default();
                bad.iter().for_each(|leaf| checker.push(leaf).unwrap());
                assert_eq!(checker.finish(&end), at(seq, Why::End));
            }
        }
    }
}

#[test]
fn edits_of_place_link_and_time_are_named_where_they_are() {
    let log = log();
    for seq in 0..LEAVES {
        let edited = |change: fn(&mut Leaf<'_>)| {
            let mut bad = log.clone();
            bad[seq] = forged(&bad[seq], change);
            check(&bad)
        };
        assert_eq!(edited(|l| l.seq += 1), at(seq, Why::Place { found: seq as u64 + 1 }));
        assert_eq!(edited(|l| l.prev = "1".repeat(64).into()), at(seq, Why::Prev));
        assert_eq!(edited(|l| l.v = 2), at(seq, Why::NotALeaf));
        assert_eq!(edited(|l| l.ts = "2026-05-04T09:30:00Z".into()), at(seq, Why::NotALeaf));
        if seq > 0 {
            assert_eq!(edited(|l| l.ts = "2020-05-04T09:30:00.000Z".into()), at(seq, Why::Time));
        }
    }
}

#[test]
fn every_removal_is_named() {
    let log = log();
    let end = check(&log).unwrap();
    for from in 0..LEAVES {
        for to in from + 1..=LEAVES {
            let mut bad = log.clone();
            bad.drain(from..to);
            let mut checker = Checker::default();
            let found = bad.iter().try_for_each(|leaf| checker.push(leaf)).and_then(|()| checker.finish(&end));
            let why = if to < LEAVES { Why::Place { found: to as u64 } } else { Why::Short };
            assert_eq!(found, at(from, why), "{from}..{to}");
        }
    }
}

#[test]
fn every_insertion_is_named() {
    let (log, other) = (log(), log_of(LEAVES, "other"));
    for place in 0..=LEAVES {
        for (seq, stranger) in log.iter().chain(&other).enumerate().map(|(n, leaf)| (n % LEAVES, leaf)) {
            let mut bad = log.clone();
            bad.insert(place, stranger.clone());
            let found = check(&bad);
            let copy = place < LEAVES && bad[place] == log[place];
            let expected = if copy {
                // The leaf stands twice: the second is the one too many.
                at(place + 1, Why::Place { found: place as u64 })
            } else if seq != place {
                at(place, Why::Place { found: seq as u64 })
            } else if place == 0 {
                // A first leaf links to nothing, so the next place shows it.
                at(1, Why::Place { found: 0 })
            } else {
                at(place, Why::Prev)
            };
            assert_eq!(found, expected, "{seq} at {place}");
        }
    }
}

#[test]
fn every_swap_and_every_foreign_leaf_is_named() {
    let (log, other) = (log(), log_of(LEAVES, "other"));
    for a in 0..LEAVES {
        for b in a + 1..LEAVES {
            let mut bad = log.clone();
            bad.swap(a, b);
            assert_eq!(check(&bad), at(a, Why::Place { found: b as u64 }));
        }
        let mut bad = log.clone();
        bad[a].clone_from(&other[a]);
        assert_eq!(check(&bad), at(a.max(1), Why::Prev), "{a}");
    }
}

#[test]
fn random_damage_of_any_kind_is_named() {
    let log = log();
    let end = check(&log).unwrap();
    let rng: &dyn Rng = &OsRng;
    for _ in 0..2_000 {
        let [kind, a, b, ..] = rng.array::<4>().map(usize::from);
        let mut bad = log.clone();
        match kind % 4 {
            0 => drop(bad.remove(a % LEAVES)),
            1 => bad.swap(a % LEAVES, b % LEAVES),
            2 => bad.insert(a % (LEAVES + 1), log[b % LEAVES].clone()),
            _ => bad.rotate_left(a % LEAVES),
        }
        let mut checker = Checker::default();
        let found = bad.iter().try_for_each(|leaf| checker.push(leaf)).and_then(|()| checker.finish(&end));
        let first = bad.iter().zip(&log).position(|(x, y)| x != y).unwrap_or(bad.len().min(log.len()));
        match found {
            Ok(_) => assert_eq!(bad, log),
            Err(broken) => assert_eq!(broken.seq, first as u64, "{broken}"),
        }
    }
}

#[test]
fn a_rewritten_tail_is_seen_only_against_a_recorded_end() {
    let (log, end) = (log(), check(log()).unwrap());
    let rewritten = log_of(LEAVES, "notes");
    let mut checker = Checker::default();
    rewritten.iter().for_each(|leaf| checker.push(leaf).unwrap());
    assert_eq!(checker.clone().finish(&end), at(LEAVES - 1, Why::End));
    let longer = log_of(LEAVES + 1, "notes");
    let mut checker = Checker::default();
    longer.iter().for_each(|leaf| checker.push(leaf).unwrap());
    assert_eq!(checker.finish(&end), at(LEAVES, Why::Long));
    drop(log);
}

#[test]
fn a_walk_can_start_behind_a_pruned_part() {
    let log = log();
    let before = check(&log[..5]).unwrap();
    let mut checker = Checker::from(before);
    log[5..].iter().for_each(|leaf| checker.push(leaf).unwrap());
    assert_eq!(checker.head(), &check(&log).unwrap());
}

#[test]
fn what_is_not_a_leaf_is_refused() {
    let good = log_of(1, "n").remove(0);
    let text = String::from_utf8(good).unwrap();
    let spaced = text.replacen("\"v\":1", "\"v\": 1", 1);
    let extra = text.replacen("\"v\":1", "\"v\":1,\"w\":1", 1);
    let twice = text.replacen("\"v\":1", "\"v\":1,\"v\":1", 1);
    let float = text.replacen("\"seq\":0", "\"seq\":0.0", 1);
    let escaped = text.replacen("record", "\\u0072ecord", 1);
    let field = text.replacen("\"fields\":{", &format!("\"fields\":{{\"email\":\"{}\",", "a".repeat(64)), 1);
    for bad in ["", "null", "[]", "{}", "{", "\u{feff}{}", &spaced, &extra, &twice, &float, &escaped, &field] {
        assert_eq!(check([bad]), at(0, Why::NotALeaf), "{bad}");
    }
    assert_eq!(check([b"\xff\xfe".as_slice()]), at(0, Why::NotALeaf));
    let deep = "[".repeat(100_000);
    assert_eq!(check([deep.as_str()]), at(0, Why::NotALeaf));
}

#[test]
fn an_export_is_checked_line_by_line() {
    let log = log();
    let file =
        |leaves: &[Vec<u8>]| leaves.iter().flat_map(|leaf| [leaf.as_slice(), b"\n"].concat()).collect::<Vec<u8>>();
    let report = verify_export(file(&log).as_slice()).unwrap();
    assert_eq!((report.leaves, report.broken), (LEAVES as u64, None));
    assert_eq!(report.first, Some(Time(1_777_887_000_000)));
    assert_eq!(report.last, Some(Time(1_777_887_000_000 + 7 * 11)));
    assert_eq!(report.head, hex::encode(leaf_hash(&log[LEAVES - 1])));

    let unended = file(&log);
    assert_eq!(verify_export(&unended[..unended.len() - 1]).unwrap(), report);

    let mut bad = log.clone();
    bad.remove(4);
    let report = verify_export(file(&bad).as_slice()).unwrap();
    assert_eq!((report.leaves, report.broken), (4, Some(Broken { seq: 4, why: Why::Place { found: 5 } })));

    let front = verify_export(file(&log[3..]).as_slice()).unwrap();
    assert_eq!((front.first, front.broken), (None, Some(Broken { seq: 0, why: Why::Place { found: 3 } })));
    let cut = verify_export(&unended[..unended.len() - 10]).unwrap();
    assert_eq!(cut.broken, Some(Broken { seq: 11, why: Why::NotALeaf }));
    assert_eq!(verify_export(&b""[..]).unwrap().leaves, 0);
}

/// Leaf hashes of a log that others wrote: entries and level-0 tile in the C2SP tiles layout.
#[test]
#[expect(clippy::disallowed_methods, reason = "where the outside vectors lie")]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn leaf_hashes_of_a_published_log() {
    let Ok(folder) = std::env::var("VOUCHSAFE_VECTORS") else {
        eprintln!("skipped: VOUCHSAFE_VECTORS is not set");
        return;
    };
    let log = std::path::Path::new(&folder).join("tessera/testdata/log/tile");
    let entries = std::fs::read(log.join("entries/000.p/15")).unwrap();
    let tile = std::fs::read(log.join("0/000.p/15")).unwrap();
    let (mut rest, mut hashes) = (entries.as_slice(), Vec::new());
    while let [high, low, tail @ ..] = rest {
        let (entry, tail) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        hashes.extend(leaf_hash(entry));
        rest = tail;
    }
    assert_eq!(hashes.len(), 15 * 32);
    assert_eq!(hashes, tile);
}
