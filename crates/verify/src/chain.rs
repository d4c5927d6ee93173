//! A verifier of audit logs of the prober's own: RFC 6962 leaf hashes over the bytes as exported, each leaf naming the one
//! before.

use serde_json::Value;

use crate::random::sha256;

/// RFC 6962, section 2.1.
#[must_use]
pub fn leaf_hash(body: &[u8]) -> [u8; 32] {
    sha256(&[&[0], body].concat())
}

/// Whether every leaf names the one before it and its own place; else the place of the first that does not. A log that was
/// changed in its last leaf is found only against a known `head`.
///
/// # Errors
/// Place of the first link that does not hold.
pub fn verify(lines: &[Vec<u8>], head: Option<[u8; 32]>) -> Result<[u8; 32], usize> {
    let mut prev = [0; 32];
    for (at, line) in lines.iter().enumerate() {
        let leaf: Value = serde_json::from_slice(line).map_err(|_| at)?;
        let named = leaf.get("prev").and_then(Value::as_str).and_then(|p| hex::decode(p).ok());
        let place = leaf.get("seq").and_then(Value::as_u64).and_then(|s| usize::try_from(s).ok());
        if named.as_deref() != Some(&prev) || place != Some(at) {
            return Err(at);
        }
        prev = leaf_hash(line);
    }
    match head {
        Some(head) if head != prev => Err(lines.len()),
        _ => Ok(prev),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn log(n: usize) -> Vec<Vec<u8>> {
        let mut out: Vec<Vec<u8>> = Vec::new();
        for seq in 0..n {
            let prev = out.last().map_or([0; 32], |l| leaf_hash(l));
            out.push(json!({"seq": seq, "prev": hex::encode(prev), "action": "a"}).to_string().into_bytes());
        }
        out
    }

    #[test]
    fn every_change_is_named() {
        let whole = log(6);
        let head = verify(&whole, None).unwrap();
        let mut edited = whole.clone();
        edited[2] = String::from_utf8(edited[2].clone()).unwrap().replace("\"a\"", "\"b\"").into_bytes();
        assert_eq!(verify(&edited, None), Err(3));
        let mut dropped = whole.clone();
        dropped.remove(2);
        assert_eq!(verify(&dropped, None), Err(2));
        let mut swapped = whole.clone();
        swapped.swap(2, 3);
        assert_eq!(verify(&swapped, None), Err(2));
        let mut inserted = whole.clone();
        inserted.insert(2, whole[2].clone());
        assert_eq!(verify(&inserted, None), Err(3));
        let mut last = whole.clone();
        last[5].push(b' ');
        assert_eq!(verify(&last, Some(head)), Err(6));
    }
}
