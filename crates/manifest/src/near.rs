//! "Did you mean": the nearest of some known words.

/// Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&row, j) + 1).min(at(&last, j + 1) + 1).min(at(&last, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

/// The known word nearest to `word`, unless even that is far off.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let bound = (word.chars().count() / 3).max(2);
    let capped: String = word.chars().take(60).collect();
    known
        .into_iter()
        // Lengths alone tell most candidates apart.
        .filter(|k| k.len().abs_diff(capped.len()) <= 2 * bound)
        .map(|k| (distance(&capped, k), k))
        .filter(|(d, k)| *d <= bound && *d < k.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// "Did you mean `write`? Verbs here: read, write." with `title` = "Verbs here".
pub(crate) fn hint<'k>(word: &str, title: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let mean = nearest(word, known.iter().copied()).map(|k| format!("Did you mean `{k}`? ")).unwrap_or_default();
    match known.len() {
        0 => format!("{mean}{title}: none."),
        _ => format!("{mean}{title}: {}.", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_letters_are_one_slip() {
        assert_eq!(distance("wriet", "write"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("wriet", ["read", "write", "delete"]), Some("write"));
        assert_eq!(nearest("zzzzz", ["read", "write"]), None);
    }
}
