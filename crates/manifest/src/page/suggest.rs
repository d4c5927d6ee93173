//! Which checks an unbound sentence may have meant.

use std::collections::BTreeSet;

use crate::catalogue;

/// Words too common to mean anything here.
const COMMON: [&str; 24] = [
    "that", "this", "with", "from", "have", "your", "their", "them", "they", "what", "when", "which", "than", "only",
    "each", "every", "over", "into", "within", "never", "also", "other", "more", "else",
];

/// Stems of the words that carry meaning: the first five letters.
fn stems(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|w| w.chars().count() >= 4 && !COMMON.contains(&w.as_str()))
        .map(|w| w.chars().take(5).collect())
        .collect()
}

/// The three nearest checks, best first.
pub(crate) fn checks(text: &str) -> Vec<&'static str> {
    let wanted = stems(text);
    let mut scored: Vec<(usize, &'static str)> = catalogue::checks()
        .iter()
        .map(|check| {
            let in_name = stems(&check.id.replace(['.', '_'], " ")).intersection(&wanted).count();
            let in_words = stems(check.statement).intersection(&wanted).count();
            (2 * in_name + in_words, check.id)
        })
        .filter(|(score, _)| *score > 0)
        .collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().take(3).map(|(_, id)| id).collect()
}
