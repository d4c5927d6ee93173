use std::borrow::Cow;

use crate::cards;

/// A free text without what must not be kept: card numbers, e-mail addresses, bearer tokens, values of members that are
/// named like secrets, and long random words. UUIDs stay.
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    if kernel::sabotage::off("obs.error_scrub") {
        return Cow::Borrowed(text);
    }
    let text = cards::mask(text);
    match words(&text) {
        Some(clean) => Cow::Owned(clean),
        None => text,
    }
}

/// Parts of a member's name that make its value a secret.
const NAMED: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "authorization",
    "cookie",
    "signature",
    "credential",
];
/// Whole names that do.
const SHORT: [&str; 8] = ["tok", "pwd", "pin", "otp", "sig", "key", "session", "jwt"];

fn words(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut changed) = (text, false);
    while !rest.is_empty() {
        let end = rest.find(ends).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            let next = rest.chars().next().map_or(rest.len(), char::len_utf8);
            let (mark, after) = rest.split_at(next);
            out.push_str(mark);
            rest = after;
            continue;
        }
        let masked = shown(word);
        changed |= masked != word;
        out.push_str(masked);
        rest = after;
        if let Some((before, value, left)) = value_of(word, after) {
            out.push_str(before);
            changed |= !value.is_empty();
            out.push_str(if value.is_empty() { "" } else { "[secret]" });
            rest = left;
        }
    }
    changed.then_some(out)
}

fn shown(word: &str) -> &str {
    let trimmed = word.trim_matches(['.', '-']);
    match trimmed.split_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() => "[email]",
        _ if random(trimmed) => "[secret]",
        _ => word,
    }
}

/// Where a word ends.
const fn ends(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '"' | '\''
                | '`'
                | ','
                | ';'
                | ':'
                | '='
                | '&'
                | '?'
                | '#'
                | '/'
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '<'
                | '>'
                | '|'
        )
}

/// What stands between a secret's name and its value, the value, and the rest.
fn value_of<'t>(name: &str, after: &'t str) -> Option<(&'t str, &'t str, &'t str)> {
    let scheme = ["bearer", "basic", "digest"].iter().any(|s| name.eq_ignore_ascii_case(s));
    let start = if scheme && after.starts_with(' ') {
        after.len() - after.trim_start().len()
    } else if secret(name) {
        let marks = after.trim_start_matches(['"', '\'', ' ', '%', '3', 'D', 'd']);
        let marks = marks.strip_prefix([':', '='])?.trim_start();
        after.len() - marks.len()
    } else {
        return None;
    };
    let (before, value) = after.split_at(start);
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (skip, end) = match quote {
        Some(quote) => (1, value.get(1..)?.find(quote).map_or(value.len(), |end| end + 1)),
        None if name.to_ascii_lowercase().contains("cookie") => {
            (0, value.find(['\n', '\r', '"', '\'']).unwrap_or(value.len()))
        }
        None => (0, value.find(|c: char| c.is_whitespace() || matches!(c, '&' | '"' | '\'')).unwrap_or(value.len())),
    };
    // `authorization: Bearer abc`: the scheme is not the secret.
    let scheme = value.get(..end)?;
    if ["bearer", "basic", "digest"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) {
        return Some((before, "", value));
    }
    let before = after.get(..before.len() + skip)?;
    Some((before, value.get(skip..end)?, value.get(end..)?))
}

fn secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SHORT.contains(&plain.as_str()) || NAMED.iter().any(|n| plain.contains(n))
}

/// Long, of letters and digits mixed, and no UUID: keys, tokens, hashes.
fn random(word: &str) -> bool {
    let count = |test: fn(&u8) -> bool| word.bytes().filter(test).count();
    word.len() >= 24
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'+' | b'~' | b'%'))
        && count(u8::is_ascii_digit) >= 3
        && count(u8::is_ascii_alphabetic) >= 3
        && word.parse::<kernel::Id>().is_err()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_must_not_be_kept_is_masked() {
        for (text, clean) in [
            ("sent to ann.lee+x@mail.example.com.", "sent to [email]"),
            ("smtp://user:pa55@host:25", "smtp://user:[email]:25"),
            ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [secret]"),
            ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic [secret]"),
            ("/verify?tok=abc&next=1", "/verify?tok=[secret]&next=1"),
            ("{\"password\":\"a b, c\",\"n\":1}", "{\"password\":\"[secret]\",\"n\":1}"),
            ("new_password = 'hunter 2'!", "new_password = '[secret]'!"),
            ("api-key: 12345 end", "api-key: [secret] end"),
            ("X-Api-Key=12345", "X-Api-Key=[secret]"),
            ("refresh_token=", "refresh_token="),
            ("key nk_live_4f9a8b7c6d5e4f3a2b1c used", "key [secret] used"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlMTIz", "[secret]"),
            ("paid with 4111 1111 1111 1111", "paid with [card]"),
            ("cookie: __Host-session=abc; __Host-refresh=def", "cookie: [secret]"),
        ] {
            assert_eq!(scrub(text), clean);
        }
    }

    #[test]
    fn plain_words_stay() {
        for text in [
            "store: a column is missing or of another type",
            "record 0190a1b2-0000-7000-8000-000000000001 of orders",
            "/work/src/main.rs:12:5",
            "called `Option::unwrap()` on a `None` value",
            "a_very_long_function_name_without_figures",
            "é ü 漢字 @ home, 50 % off; key",
            "",
        ] {
            assert!(matches!(scrub(text), Cow::Borrowed(_)), "{text} -> {}", scrub(text));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,60}|[a-z:=\"' @.%]{0,40}|(token|Bearer|key)[ :=\"']{0,4}\\PC{0,10}") {
            let _ = scrub(&text);
        }
    }
}
