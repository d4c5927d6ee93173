//! Randomness of the prober's own.

/// Random bytes. If the system has none, zeros: the probes then collide and say so.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    let _filled = aws_lc_rs::rand::fill(&mut out);
    out
}

/// `2 * n` hex digits.
#[must_use]
pub fn hex(n: usize) -> String {
    let text = hex::encode(bytes::<32>());
    text.chars().cycle().take(n * 2).collect()
}

/// A number below `limit`.
#[must_use]
pub fn below(limit: usize) -> usize {
    let n = u64::from_le_bytes(bytes());
    usize::try_from(n % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or(0)
}

/// SHA-256.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data);
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}
