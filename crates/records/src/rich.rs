//! Rich text: sanitised when it is written and again when it is shown, so that neither alone is relied upon.

use std::{
    borrow::Cow,
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{PoisonError, RwLock},
};

/// Texts known to be clean are remembered by so many keyed hashes.
const KEPT: usize = 65_536;

/// HTML without scripts, styles, event handlers, frames and foreign schemes.
pub(crate) fn clean(html: &str) -> String {
    if kernel::sabotage::off("edge.sanitise") { html.to_owned() } else { ammonia::clean(html) }
}

/// Texts that cleaning would not change: the second pass over what the first wrote is then a hash. The hash's key is drawn
/// at start, so nobody can aim at a collision.
#[derive(Default)]
pub(crate) struct Known {
    keys: RandomState,
    clean: RwLock<HashSet<u64>>,
}

impl Known {
    /// What may be shown.
    pub(crate) fn shown<'t>(&self, html: &'t str) -> Cow<'t, str> {
        if !html.bytes().any(|b| matches!(b, b'<' | b'>' | b'&')) {
            return Cow::Borrowed(html);
        }
        let hash = self.keys.hash_one(html);
        if self.clean.read().unwrap_or_else(PoisonError::into_inner).contains(&hash) {
            return Cow::Borrowed(html);
        }
        let cleaned = clean(html);
        if cleaned != html {
            return Cow::Owned(cleaned);
        }
        let mut known = self.clean.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(hash);
        Cow::Borrowed(html)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_clean_the_second_time_too() {
        let known = Known::default();
        let bad = "<p onclick=\"x()\">Hi<script>alert(1)</script> <a href=\"javascript:x()\">y</a></p>";
        for _ in 0..2 {
            let shown = known.shown(bad);
            assert!(!shown.contains("onclick") && !shown.contains("script"), "{shown}");
        }
        let good = clean("<p>A &amp; <b>B</b></p>");
        assert!(matches!(known.shown(&good), Cow::Borrowed(_)));
        assert!(matches!(known.shown(&good), Cow::Borrowed(_)));
        assert_eq!(clean(&good), good);
    }
}
