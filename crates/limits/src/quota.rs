use std::{fmt::Write, sync::Arc};

use http::HeaderValue;

use crate::tier::Tier;

/// What remains, for the headers of draft-ietf-httpapi-ratelimit-headers: the tightest rate of the tier.
#[derive(Clone)]
pub struct Quota {
    tier: Arc<Tier>,
    rate: usize,
    remaining: u32,
    reset: u32,
}

impl Quota {
    pub(crate) fn new(tier: &Arc<Tier>, rate: usize, remaining: u32, reset: u32) -> Self {
        Self { tier: Arc::clone(tier), rate, remaining, reset }
    }
    pub(crate) fn untouched(tier: &Arc<Tier>) -> Self {
        Self::new(tier, 0, tier.lines.first().map_or(0, |line| line.count), 0)
    }
    /// Requests that would pass at once.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.remaining
    }
    /// Seconds until the budget is whole.
    #[must_use]
    pub const fn reset(&self) -> u32 {
        self.reset
    }
    /// `RateLimit: "api";r=119;t=1`.
    #[must_use]
    pub fn state(&self) -> HeaderValue {
        let label = self.tier.lines.get(self.rate).map_or(self.tier.name, |line| line.label.as_str());
        let mut text = String::with_capacity(label.len() + 32);
        // Writing to a String cannot fail; names are `[a-z0-9_-]`, so the value is always legal.
        let _ = write!(text, "\"{label}\";r={};t={}", self.remaining, self.reset);
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
    /// `RateLimit-Policy: "api";q=120;w=60`, one member per rate of the tier. Cheap: made once.
    #[must_use]
    pub fn policy(&self) -> HeaderValue {
        self.tier.policy.clone()
    }
}
