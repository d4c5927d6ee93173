//! Texts that match a field's pattern: the part of regular expressions that manifests use.

use crate::random;

/// A random text that matches `pattern`, which is anchored; `None` when the pattern says more than is understood here.
#[must_use]
pub fn text(pattern: &str) -> Option<String> {
    let chars: Vec<char> = pattern.trim_start_matches('^').trim_end_matches('$').chars().collect();
    let mut at = 0;
    let out = alternatives(&chars, &mut at)?;
    (at == chars.len()).then_some(out)
}

fn alternatives(chars: &[char], at: &mut usize) -> Option<String> {
    let mut choices = vec![sequence(chars, at)?];
    while chars.get(*at) == Some(&'|') {
        *at += 1;
        choices.push(sequence(chars, at)?);
    }
    let n = random::below(choices.len());
    choices.into_iter().nth(n)
}

fn sequence(chars: &[char], at: &mut usize) -> Option<String> {
    let mut out = String::new();
    while let Some(&c) = chars.get(*at) {
        if c == '|' || c == ')' {
            break;
        }
        let start = *at;
        let first = atom(chars, at)?;
        let end = *at;
        let (low, high) = times(chars, at)?;
        // Long enough to be one of a kind, short enough for any column.
        let n = low.max(high.min(12).min(low.max(10)));
        for i in 0..n {
            let mut again = start;
            out.push_str(&if i == 0 { first.clone() } else { atom(chars.get(..end)?, &mut again)? });
        }
    }
    Some(out)
}

fn atom(chars: &[char], at: &mut usize) -> Option<String> {
    let c = *chars.get(*at)?;
    *at += 1;
    match c {
        '(' => {
            if chars.get(*at) == Some(&'?') && chars.get(*at + 1) == Some(&':') {
                *at += 2;
            }
            let inner = alternatives(chars, at)?;
            *at += 1;
            (chars.get(*at - 1) == Some(&')')).then_some(inner)
        }
        '[' => class(chars, at),
        '.' => Some("x".to_owned()),
        '\\' => {
            let c = *chars.get(*at)?;
            *at += 1;
            match c {
                'd' => one("0123456789"),
                'w' => one("abcdefghijklmnopqrstuvwxyz0123456789"),
                's' => Some(" ".to_owned()),
                c if c.is_ascii_alphanumeric() => None,
                c => Some(c.to_string()),
            }
        }
        '^' | '$' | '*' | '+' | '?' | '{' => None,
        c => Some(c.to_string()),
    }
}

fn class(chars: &[char], at: &mut usize) -> Option<String> {
    let mut set = String::new();
    if chars.get(*at) == Some(&'^') {
        return None;
    }
    loop {
        let c = *chars.get(*at)?;
        *at += 1;
        if c == ']' {
            break;
        }
        let c = if c == '\\' {
            let next = *chars.get(*at)?;
            *at += 1;
            next
        } else {
            c
        };
        let to = chars.get(*at + 1).copied().filter(|e| chars.get(*at) == Some(&'-') && *e != ']');
        match to {
            Some(end) => {
                set.extend(c..=end);
                *at += 2;
            }
            None => set.push(c),
        }
    }
    // Punctuation makes poor names (`--`, `//`): letters and digits where the class has any.
    let plain: String = set.chars().filter(char::is_ascii_alphanumeric).collect();
    one(if plain.is_empty() { &set } else { &plain })
}

fn one(set: &str) -> Option<String> {
    set.chars().nth(random::below(set.chars().count())).map(String::from)
}

fn times(chars: &[char], at: &mut usize) -> Option<(usize, usize)> {
    let bounds = match chars.get(*at) {
        Some('*') => (0, 12),
        Some('+') => (1, 12),
        Some('?') => (0, 1),
        Some('{') => {
            let inner: String = chars.get(*at + 1..)?.iter().take_while(|c| **c != '}').collect();
            *at += inner.chars().count() + 1;
            let (low, high) = inner.split_once(',').unwrap_or((&inner, &inner));
            let low = low.parse().ok()?;
            (low, if high.is_empty() { low + 12 } else { high.parse().ok()? })
        }
        _ => return Some((1, 1)),
    };
    *at += 1;
    Some(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_their_patterns() {
        let slug = text("[a-z0-9-]{1,60}").unwrap();
        assert!(
            (10..=12).contains(&slug.len()) && slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "{slug}"
        );
        let path = text("/[a-z0-9/-]{0,200}").unwrap();
        assert!(path.starts_with('/') && path.len() > 5);
        let color = text("#[0-9a-f]{6}").unwrap();
        assert_eq!((color.len(), color.starts_with('#')), (7, true));
        let code = text(r"(KT|VX)-\d{4}").unwrap();
        assert!(code.len() == 7 && code.contains('-'), "{code}");
        assert_eq!(text("[^a]"), None);
        assert_eq!(text(r"\bx"), None);
    }
}
