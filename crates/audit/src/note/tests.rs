use kernel::Secret;

use super::*;

fn signer(n: u8) -> Signer {
    Signer::from_seed(&Secret::new([n; 32])).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: "app.example/0190".into(), size: 12_345, root: [9; 32] }
}

fn key(n: u8) -> Vkey {
    Vkey { name: checkpoint().origin, public: signer(n).public().try_into().unwrap() }
}

#[test]
fn a_checkpoint_opens_with_its_key_alone() {
    let note = checkpoint().sign(&signer(1));
    assert_eq!(Checkpoint::open(&note, &key(1)), Some(checkpoint()));
    assert_eq!(Checkpoint::open(&note, &key(2)), None);
    assert_eq!(Checkpoint::parse(&note), Some(checkpoint()));
    assert_eq!(Vkey::parse(&key(1).to_string()), Some(key(1)));
    let other = Checkpoint { origin: "app.example/0191".into(), ..checkpoint() }.sign(&signer(1));
    assert_eq!(Checkpoint::open(&other, &key(1)), None);
    // A witness's line beside ours changes nothing; our own twice is refused.
    let witnessed = format!("{note}\u{2014} witness.example AAAAAAA=\n");
    assert_eq!(Checkpoint::open(&witnessed, &key(1)), Some(checkpoint()));
    let twice = format!("{note}{}\n", note.trim_end().rsplit('\n').next().unwrap());
    assert_eq!(Checkpoint::open(&twice, &key(1)), None);
}

#[test]
fn every_flipped_bit_is_refused() {
    let note = checkpoint().sign(&signer(1));
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let opened = String::from_utf8(bytes).ok().and_then(|text| Checkpoint::open(&text, &key(1)));
            assert_eq!(opened, None, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn other_spellings_are_refused() {
    for (from, to) in
        [("12345", "012345"), ("12345", "+12345"), ("12345\n", "12345\nextension\n"), ("app.example", "app example")]
    {
        assert_eq!(Checkpoint::parse(&checkpoint().sign(&signer(1)).replace(from, to)), None, "{to:?}");
    }
    for text in ["", "\n\n", "a\n1\n\n\n", "a\n1\nAAAA\n\n\u{2014} a b\n"] {
        assert_eq!(Checkpoint::parse(text), None);
    }
    for text in ["", "a", "a+b", "a+00000000+AQ==", "+1+2"] {
        assert_eq!(Vkey::parse(text), None);
    }
}

/// `signed_note` is somebody else's reading of the same specification.
#[test]
fn a_foreign_reader_accepts_what_we_sign() {
    use signed_note::{Note, StandardVerifier, VerifierList};
    let verifier = StandardVerifier::new(&key(1).to_string()).unwrap();
    let note = checkpoint().sign(&signer(1));
    let read = Note::from_bytes(note.as_bytes()).unwrap();
    let (verified, unverified) = read.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    assert_eq!(read.text(), checkpoint().body().as_bytes());
    let theirs = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), ("app.example/0190", 12_345, [9; 32]));
}

/// The small log beside the shared vectors: the checkpoints of sizes 0 to 15, with tiles and entries.
#[test]
fn we_read_a_foreign_log() {
    let folder =
        std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/tessera/testdata/log");
    if !folder.is_dir() {
        eprintln!("skipped: no shared vectors");
        return;
    }
    let mut before: Option<(u64, Hash)> = None;
    for size in 0..16_u64 {
        let note = std::fs::read_to_string(folder.join(format!("checkpoint.{size}"))).unwrap();
        let read = Checkpoint::parse(&note).unwrap();
        assert_eq!((read.size, read.origin.as_str()), (size, "example.com/log/testdata"));
        if size == 0 {
            continue;
        }
        let tile = crate::tile::hashes(&std::fs::read(folder.join(format!("tile/0/000.p/{size}"))).unwrap()).unwrap();
        let bundle = std::fs::read(folder.join(format!("tile/entries/000.p/{size}"))).unwrap();
        let entries = crate::tile::split(&bundle, usize::try_from(size).unwrap()).unwrap();
        let mut tree = crate::merkle::Frontier::default();
        for (entry, hash) in entries.iter().zip(&tile) {
            assert_eq!(crate::leaf_hash(entry), *hash);
            tree.push(*hash);
        }
        assert_eq!(tree.root(), read.root, "size {size}");
        if let Some((old, root)) = before {
            let path = crate::merkle::consistency_path(old, size).unwrap();
            let part = |(low, high): (u64, u64)| {
                let mut part = crate::merkle::Frontier::default();
                (low..high).for_each(|at| part.push(tile[usize::try_from(at).unwrap()]));
                part.root()
            };
            let proof: Vec<Hash> = path.into_iter().map(part).collect();
            assert!(crate::merkle::consistent((old, &root), (size, &read.root), &proof));
        }
        before = Some((size, read.root));
    }
}

#[test]
fn a_proof_file_reads_as_it_was_written() {
    let note = checkpoint().sign(&signer(1));
    for path in [vec![], vec![[1; 32]], vec![[1; 32], [2; 32], [3; 32]]] {
        let file = proof_file(7, &path, &note);
        assert_eq!(read_proof(&file), Some((7, path, note.as_str())));
    }
    let extra = proof_file(7, &[[1; 32]], &note).replacen("index", "extra AAAA\nindex", 1);
    assert_eq!(read_proof(&extra).unwrap().0, 7);
    assert_eq!(read_proof("c2sp.org/tlog-proof@v1\nindex 07\n\n"), None);
    assert_eq!(read_proof("c2sp.org/tlog-proof@v2\nindex 7\n\n"), None);
}
