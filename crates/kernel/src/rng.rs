use crate::Id;

/// Where randomness comes from: the operating system in production, a seed in tests.
pub trait Rng: Send + Sync + 'static {
    /// Fills `bytes` with cryptographically secure random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Rng {
    /// `N` random bytes.
    #[must_use]
    pub fn array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A fresh time-ordered identifier (UUID version 7, RFC 9562) for the moment `now`.
    #[must_use]
    pub fn id(&self, now: crate::Time) -> Id {
        Id::v7(now, self.array())
    }
}
