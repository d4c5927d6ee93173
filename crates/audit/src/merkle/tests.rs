use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::*;
use crate::leaf_hash;

fn leaves(n: u64) -> Vec<Hash> {
    (0..n).map(|at| leaf_hash(&at.to_be_bytes())).collect()
}

/// RFC 6962, 2.1, word for word.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty(),
        [one] => *one,
        more => {
            let k = more.len().next_power_of_two() / 2;
            node(&mth(&more[..k]), &mth(&more[k..]))
        }
    }
}

fn along(leaves: &[Hash], path: Vec<(u64, u64)>) -> Vec<Hash> {
    path.into_iter().map(|(low, high)| mth(&leaves[low as usize..high as usize])).collect()
}

#[test]
fn roots_are_those_of_the_definition() {
    let all = leaves(300);
    let mut tree = Frontier::default();
    assert_eq!(tree.root(), empty());
    for n in 1..=300 {
        tree.push(all[n - 1]);
        assert_eq!(tree.root(), mth(&all[..n]), "{n}");
        assert_eq!(tree.peaks().len() as u32, (n as u64).count_ones());
        let covered: Vec<Hash> =
            cover(0, n as u64).iter().map(|(l, i)| mth(&all[(i << l) as usize..((i + 1) << l) as usize])).collect();
        assert_eq!(covered, tree.peaks());
    }
}

#[test]
fn every_proof_of_every_small_tree_holds_and_no_other_does() {
    let all = leaves(40);
    for size in 1..=40_u64 {
        let root = mth(&all[..size as usize]);
        for index in 0..size {
            let path = along(&all, inclusion_path(index, size).unwrap());
            let leaf = &all[index as usize];
            assert_eq!(inclusion_root(leaf, index, size, &path), Some(root));
            let beside = if size > 1 { (index + 1) % size } else { 0 };
            if beside != index {
                assert_ne!(inclusion_root(leaf, beside, size, &path), Some(root));
            }
            let mut longer = path.clone();
            longer.push(root);
            assert_ne!(inclusion_root(leaf, index, size, &longer), Some(root));
            if !path.is_empty() {
                assert_ne!(inclusion_root(leaf, index, size, &path[1..]), Some(root));
                assert_ne!(inclusion_root(leaf, index, size, &path[..path.len() - 1]), Some(root));
            }
        }
        for old in 1..=size {
            let before = mth(&all[..old as usize]);
            let proof = along(&all, consistency_path(old, size).unwrap());
            assert!(consistent((old, &before), (size, &root), &proof), "{old} {size}");
            for other in (1..=size).filter(|other| *other != old) {
                assert!(
                    !consistent((old, &mth(&all[..other as usize])), (size, &root), &proof),
                    "{old} {other} {size}"
                );
            }
            for at in 0..proof.len() {
                let mut wrong = proof.clone();
                wrong[at][7] ^= 1;
                assert!(!consistent((old, &before), (size, &root), &wrong));
                wrong.remove(at);
                assert!(!consistent((old, &before), (size, &root), &wrong));
            }
        }
    }
    assert!(inclusion_path(5, 5).is_none() && consistency_path(0, 5).is_none() && consistency_path(6, 5).is_none());
}

/// A fork: two trees that agree up to a point. No proof leads from one to the other.
#[test]
fn no_proof_leads_from_one_history_to_another() {
    let one = leaves(20);
    let mut other = one.clone();
    other[9] = [9; 32];
    for size in 10..20 {
        for proof in
            [along(&one, consistency_path(size, 20).unwrap()), along(&other, consistency_path(size, 20).unwrap())]
        {
            let (before, after) = (mth(&one[..size as usize]), mth(&other));
            assert!(!consistent((size, &before), (20, &after), &proof));
        }
    }
}

/// The class of bug where verifying and proving are the same recursion and both believe a "linear" proof made up of the
/// new root alone (immudb, 2022): a made-up proof must not hold.
#[test]
fn made_up_proofs_do_not_hold() {
    let (old, new) = ([1; 32], [2; 32]);
    for (m, n) in [(1, 2), (3, 8), (4, 8), (6, 7), (8, 8), (0, 4)] {
        for proof in [vec![], vec![new], vec![old, new], vec![old; 3], vec![new; 4], vec![old, new, old, new]] {
            assert!(!consistent((m, &old), (n, &new), &proof), "{m} {n} {}", proof.len());
        }
    }
    assert!(!consistent((u64::MAX - 1, &old), (u64::MAX, &new), &[old; 70]));
    let lengths: Vec<usize> =
        (0..80).filter(|n| inclusion_root(&old, 1 << 63, u64::MAX, &vec![new; *n]).is_some()).collect();
    assert_eq!(lengths, [64]);
}

/// The shared vectors (transparency-dev/merkle, Apache-2.0), when they are there.
fn vectors(kind: &str) -> Vec<Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("VOUCHSAFE_VECTORS").map_or(beside, PathBuf::from).join("merkle/testdata").join(kind);
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap());
            }
        }
    }
    if found.is_empty() {
        eprintln!("skipped: no shared vectors of {kind}");
    }
    found
}

fn hash(value: &Value) -> Option<Hash> {
    STANDARD.decode(value.as_str().unwrap_or_default()).ok()?.try_into().ok()
}

fn proof(value: &Value) -> Option<Vec<Hash>> {
    value.as_array().map_or(Some(Vec::new()), |all| all.iter().map(hash).collect())
}

#[test]
fn inclusion_vectors() {
    for v in vectors("inclusion") {
        let (index, size) = (v["leafIdx"].as_u64().unwrap(), v["treeSize"].as_u64().unwrap());
        let root = hash(&v["root"]);
        let held = proof(&v["proof"])
            .zip(hash(&v["leafHash"]))
            .and_then(|(path, leaf)| inclusion_root(&leaf, index, size, &path))
            .is_some_and(|found| Some(found) == root);
        assert_eq!(held, !v["wantErr"].as_bool().unwrap(), "{}: {index} {size}", v["desc"]);
    }
}

#[test]
fn consistency_vectors() {
    for v in vectors("consistency") {
        let (one, two) = (v["size1"].as_u64().unwrap(), v["size2"].as_u64().unwrap());
        // Some say "don't care" where a hash belongs.
        let some = |v: &Value| hash(v).or_else(|| Some(leaf_hash(v.as_str()?.as_bytes())));
        let held = match (some(&v["root1"]), some(&v["root2"]), proof(&v["proof"])) {
            (Some(a), Some(b), Some(path)) => consistent((one, &a), (two, &b), &path),
            _ => false,
        };
        assert_eq!(held, !v["wantErr"].as_bool().unwrap(), "{}: {one} {two}", v["desc"]);
    }
}

/// `ct-merkle`, somebody else's tree, makes the same roots and accepts the same proofs.
#[test]
fn a_foreign_tree_agrees() {
    use ct_merkle::{ConsistencyProof, InclusionProof, mem_backed_tree::MemoryBackedTree};
    use sha2::Sha256;
    type Tree = MemoryBackedTree<Sha256, Vec<u8>>;
    let entries: Vec<Vec<u8>> = (0..130_u64).map(|at| at.to_be_bytes().to_vec()).collect();
    let all: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let (mut theirs, mut ours, mut olds) = (Tree::new(), Frontier::default(), Vec::new());
    for entry in &entries {
        theirs.push(entry.clone());
        ours.push(leaf_hash(entry));
        assert_eq!(theirs.root().as_bytes().as_slice(), ours.root());
        olds.push(theirs.root());
    }
    let root = theirs.root();
    for index in (0..130).step_by(7) {
        let path = along(&all, inclusion_path(index, 130).unwrap());
        let proof = InclusionProof::<Sha256>::try_from_bytes(path.concat()).unwrap();
        root.verify_inclusion(&entries[index as usize], index, &proof).unwrap();
        assert_eq!(theirs.prove_inclusion(index as usize).as_bytes(), path.concat());
    }
    for old in (1..130).step_by(5) {
        let path = along(&all, consistency_path(old, 130).unwrap());
        let proof = ConsistencyProof::<Sha256>::try_from_bytes(path.concat()).unwrap();
        root.verify_consistency(&olds[old as usize - 1], &proof).unwrap();
        assert_eq!(theirs.prove_consistency((130 - old) as usize).as_bytes(), path.concat());
    }
}
