use encryption::{OsRng, Signer};
use kernel::{Actor, Event, Id, Outcome, RequestId, Secret, Source};
use store::Chain as _;

use super::*;
use crate::{Chained, file::Consistency, merkle::consistency_path};

const ORIGIN: &str = "app.example/0190";

fn signer(n: u8) -> Signer {
    Signer::from_seed(&Secret::new([n; 32])).unwrap()
}

fn vkey(signer: &Signer) -> Vkey {
    Vkey { name: ORIGIN.to_owned(), public: signer.public().try_into().unwrap() }
}

fn log(count: usize, word: &str) -> Vec<Vec<u8>> {
    let (chained, mut head) = (Chained::new([7; 32]), Head::default());
    let leaf = |at: usize| {
        let event = Event {
            name: "record.changed",
            actor: Actor::Visitor,
            target: format!("{word}/{at}"),
            outcome: Outcome::Done,
            source: Source::Public,
            request: RequestId(Id::v7(Time(1), [9; 10])),
            fields: if at.is_multiple_of(3) { vec![("email", format!("{at}@x.example"))] } else { Vec::new() },
        };
        let placed = chained.next(&head, &event, Time(1_777_887_000_000 + at as i64), &OsRng);
        head = placed.head;
        placed.body
    };
    (0..count).map(leaf).collect()
}

fn root(leaves: &[Vec<u8>]) -> Hash {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(leaf_hash(leaf)));
    tree.root()
}

fn note(leaves: &[Vec<u8>], key: &Signer) -> String {
    Checkpoint { origin: ORIGIN.to_owned(), size: leaves.len() as u64, root: root(leaves) }.sign(key)
}

fn peaks(leaves: &[Vec<u8>]) -> Vec<String> {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(leaf_hash(leaf)));
    tree.peaks().iter().map(|hash| STANDARD.encode(hash)).collect()
}

/// An export of a log from a place on, signed, as the server writes it.
fn export(log: &[Vec<u8>], from: usize, since: Option<u64>, key: &Signer) -> Vec<u8> {
    let header = Header {
        checkpoint: note(log, key),
        format: FORMAT.to_owned(),
        from: from as u64,
        frontier: peaks(&log[..from]),
        origin: ORIGIN.to_owned(),
        size: log.len() as u64,
        vkey: vkey(key).to_string(),
    };
    let consistency = since.map(|old| Consistency {
        from: old,
        proof: consistency_path(old, log.len() as u64)
            .unwrap()
            .into_iter()
            .map(|(low, high)| STANDARD.encode(root(&log[low as usize..high as usize])))
            .collect(),
        root: STANDARD.encode(root(&log[..old as usize])),
    });
    let head = log[from..].last().map_or([0; 32], |leaf| leaf_hash(leaf));
    let footer = Footer {
        consistency,
        head: hex::encode(head),
        header: header.hash().unwrap(),
        leaves: (log.len() - from) as u64,
    };
    let mut out = header.line().unwrap();
    for leaf in &log[from..] {
        out.extend(leaf);
        out.push(b'\n');
    }
    out.extend(footer.line().unwrap());
    out
}

fn fault(bytes: &[u8], trust: &Trust) -> Fault {
    verify_with(bytes, trust).unwrap().fault.expect("refused")
}

#[test]
fn a_whole_export_holds_from_any_place() {
    let (log, key) = (log(21, "notes"), signer(1));
    for from in [0, 1, 7, 8, 20, 21] {
        let report = verify_export(export(&log, from, None, &key).as_slice()).unwrap();
        assert_eq!((report.leaves, report.fault.clone()), (21 - from as u64, None), "{from}");
        assert_eq!(report.checkpoint.unwrap().size, 21);
    }
    let trust = Trust { key: Some(vkey(&key)), since: Some(note(&log[..13], &key)) };
    for (from, since) in [(0, None), (5, None), (13, None), (15, Some(13)), (21, Some(13))] {
        let report = verify_with(export(&log, from, since, &key).as_slice(), &trust).unwrap();
        assert_eq!((report.fault, report.since), (None, Some(13)), "{from}");
    }
    assert!(fault(&export(&log, 15, None, &key), &trust).what.contains("holds no proof"));
    assert!(fault(&export(&log, 15, Some(12), &key), &trust).what.contains("holds no proof"));
}

/// One flipped bit anywhere: refused, and the line it is in is named.
#[test]
fn every_flipped_bit_of_an_export_is_refused_at_its_place() {
    let (log, key) = (log(5, "n"), signer(1));
    for (from, since) in [(0, None), (2, Some(1))] {
        let whole = export(&log, from, since, &key);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let found = verify_export(bytes.as_slice()).unwrap();
                let Some(fault) = found.fault else { panic!("bit {bit} of byte {at} passed (from {from})") };
                let (low, high) = fault.bytes;
                // A changed line end makes two lines one, or one two.
                let near = whole[at] == b'\n' || bytes[at] == b'\n';
                let slack = if near { 1 + whole.len() as u64 } else { 0 };
                assert!(
                    low <= at as u64 + slack && at as u64 <= high + slack,
                    "bit {bit} of byte {at} named as {fault:?} (from {from})"
                );
                if near {
                    let line = whole[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
                    assert!((line..=line + 1).contains(&fault.line), "line end {at}, {line}: {fault:?}");
                }
            }
        }
    }
}

#[test]
fn edits_removals_insertions_swaps_and_cuts_are_named() {
    let (log, key) = (log(12, "n"), signer(1));
    let whole = export(&log, 0, None, &key);
    let lines: Vec<Vec<u8>> = whole.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let named = |lines: &[Vec<u8>]| fault(&lines.concat(), &Trust::default());

    for leaf in 0..12 {
        let mut edited = lines.clone();
        let text = String::from_utf8(edited[leaf + 1].clone()).unwrap().replace("record.changed", "record.created");
        edited[leaf + 1] = text.into_bytes();
        assert_eq!(named(&edited).leaf, Some(leaf as u64), "edited");

        let mut removed = lines.clone();
        removed.remove(leaf + 1);
        assert_eq!(named(&removed).leaf, Some(leaf as u64), "removed");

        let mut doubled = lines.clone();
        doubled.insert(leaf + 1, lines[leaf + 1].clone());
        assert_eq!(named(&doubled).leaf, Some(leaf as u64 + 1), "doubled");

        if leaf < 11 {
            let mut swapped = lines.clone();
            swapped.swap(leaf + 1, leaf + 2);
            assert_eq!(named(&swapped).leaf, Some(leaf as u64), "swapped");
        }
        // Cut with and without a footer.
        assert_eq!(named(&lines[..=leaf]).leaf, Some(leaf as u64), "cut");
    }
    let footer = lines.last().unwrap().clone();
    assert_eq!(named(&[lines[..9].to_vec(), vec![footer.clone()]].concat()).leaf, Some(8));
    assert!(named(&[lines.clone(), vec![footer]].concat()).what.contains("behind the end"));
    assert!(named(&lines[..13]).what.contains("cut off"));
    for length in 1..whole.len() {
        assert!(verify_export(&whole[..length]).unwrap().fault.is_some() || length < lines[0].len(), "cut at {length}");
    }
}

/// The careful forger: every hash and place of the leaves made to fit, header and footer too, all but the key.
#[test]
fn a_consistent_rewriting_is_refused() {
    let (log, other, key, thief) = (log(12, "n"), log(12, "m"), signer(1), signer(2));
    let known = Trust { key: Some(vkey(&key)), since: None };
    assert!(fault(&export(&other, 0, None, &thief), &known).what.contains("another key"));

    // The signed checkpoint stays, the leaves do not.
    let mut mixed: Vec<Vec<u8>> =
        export(&other, 0, None, &key).split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let mut header = Header::read(mixed[0].strip_suffix(b"\n").unwrap()).unwrap();
    header.checkpoint = note(&log, &key);
    mixed[0] = header.line().unwrap();
    let mut footer = Footer::read(mixed[13].strip_suffix(b"\n").unwrap()).unwrap();
    footer.header = header.hash().unwrap();
    mixed[13] = footer.line().unwrap();
    assert!(fault(&mixed.concat(), &Trust::default()).what.contains("rewritten together"));

    // A server that signs two histories: each holds by itself, and neither against what was saved of the other.
    for saved in [1, 8, 11, 12] {
        let trust = Trust { key: Some(vkey(&key)), since: Some(note(&log[..saved], &key)) };
        assert_eq!(verify_with(export(&log, 0, None, &key).as_slice(), &trust).unwrap().since, Some(saved as u64));
        assert!(verify_export(export(&other, 0, None, &key).as_slice()).unwrap().fault.is_none());
        assert!(fault(&export(&other, 0, None, &key), &trust).what.contains("another history"), "{saved}");
        assert!(
            fault(&export(&other, 12, Some(saved as u64), &key), &trust).what.contains("another history"),
            "{saved}"
        );
    }
    // Cut short and signed again.
    let trust = Trust { key: Some(vkey(&key)), since: Some(note(&log, &key)) };
    assert!(fault(&export(&log[..9], 0, None, &key), &trust).what.contains("cut off"));
    // A saved checkpoint that nobody signed, or of another log.
    let trust = Trust { key: Some(vkey(&key)), since: Some(note(&log, &thief)) };
    assert!(fault(&export(&log, 0, None, &key), &trust).what.contains("not signed"));
    let trust = Trust { key: None, since: Some(note(&log, &key).replace(ORIGIN, "app.example/0191")) };
    assert!(fault(&export(&log, 0, None, &key), &trust).what.contains("another log"));
    let trust = Trust { key: None, since: Some("nonsense".to_owned()) };
    assert!(fault(&export(&log, 0, None, &key), &trust).what.contains("is none"));
}

#[test]
fn bare_lines_are_checked_against_a_saved_checkpoint_too() {
    let (log, other, key) = (log(12, "n"), log(12, "m"), signer(1));
    let trust = Trust { key: Some(vkey(&key)), since: Some(note(&log[..9], &key)) };
    let bare = |log: &[Vec<u8>]| log.iter().flat_map(|leaf| [leaf.as_slice(), b"\n"].concat()).collect::<Vec<u8>>();
    let report = verify_with(bare(&log).as_slice(), &trust).unwrap();
    assert_eq!((report.fault, report.since, report.checkpoint), (None, Some(9), None));
    assert!(fault(&bare(&other), &trust).what.contains("another history"));
    assert!(fault(&bare(&log[..8]), &trust).what.contains("cut off"));
    // A key alone binds nothing that it did not sign.
    let trust = Trust { key: Some(vkey(&key)), since: None };
    assert!(fault(&bare(&log), &trust).what.contains("nothing here is signed"));
}

#[test]
fn rubbish_is_refused_without_falling_over() {
    for rubbish in
        [&b"\n"[..], b"{}", b"{\"checkpoint\":1}", b"\xff\xfe", b"{\"checkpoint\":\"\",\"format\":\"\"}\n\n\n"]
    {
        assert!(verify_export(rubbish).unwrap().fault.is_some());
    }
    let long = vec![b'x'; CHUNK + 5];
    assert!(verify_export(long.as_slice()).unwrap().fault.is_some());
    assert!(fault(b"", &Trust::default()).what.contains("empty"));
}

#[test]
#[ignore = "a measurement; run with --ignored --nocapture, optimised"]
#[expect(clippy::print_stdout, reason = "a measurement")]
fn cost_of_a_million_leaves() {
    let (log, key) = (log(1_000_000, "notes"), signer(1));
    let file = export(&log, 0, None, &key);
    let began = std::time::Instant::now();
    let report = verify_export(file.as_slice()).unwrap();
    println!("{} leaves, {} MB, checked in {:?}", report.leaves, file.len() / 1_000_000, began.elapsed());
    assert_eq!(report.fault, None);
}
