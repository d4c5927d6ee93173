//! Card numbers in text: 12 to 19 digits, alone or in groups, of a known issuer range and length (ISO/IEC 7812-1), with a
//! right check digit (Luhn). Identifiers, order and telephone numbers pass.
//!
//! Not found: digits in groups of one or two, and other scripts than ASCII and full-width digits.

use std::{borrow::Cow, ops::Range};

/// Whether the text holds a card number.
#[must_use]
pub fn find(text: &str) -> bool {
    plausible(text) && !spans(text).is_empty()
}

/// The text with each card number replaced by `[card]`.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    if !plausible(text) {
        return Cow::Borrowed(text);
    }
    let found = spans(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for span in found {
        out.push_str(text.get(from..span.start).unwrap_or_default());
        out.push_str("[card]");
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// A cheap no for nearly every text.
fn plausible(text: &str) -> bool {
    // 0xEF leads the full-width digits in UTF-8.
    text.len() >= 12 && text.bytes().filter(|b| b.is_ascii_digit() || *b == 0xEF).take(12).count() == 12
}

/// A run of digits and its surroundings.
struct Group {
    at: Range<usize>,
    digits: Vec<u8>,
    /// Letters directly before and after.
    letters: (usize, usize),
    /// All those letters are hexadecimal digits.
    hex: bool,
    /// More digits follow behind the letters: an identifier.
    mixed: bool,
    /// `+` directly before: a telephone number.
    plus: bool,
}

impl Group {
    /// `card4111...` is a card, `4111...ab3f` is a hash.
    const fn alone(&self) -> bool {
        !self.mixed && (self.letters.0 + self.letters.1 == 0 || !self.hex)
    }
}

fn spans(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for chain in chains(text) {
        let total: usize = chain.iter().map(|g| g.digits.len()).sum();
        // E.164: at most 15 digits.
        if chain.first().is_some_and(|g| g.plus) && total <= 15 {
            continue;
        }
        let mut start = 0;
        while start < chain.len() {
            let window = chain.get(start..).unwrap_or_default();
            match longest(window) {
                Some(count) => {
                    let (first, last) = (window.first(), window.get(count - 1));
                    if let (Some(first), Some(last)) = (first, last) {
                        found.push(first.at.start..last.at.end);
                    }
                    start += count;
                }
                None => start += 1,
            }
        }
    }
    found
}

/// How many groups from the first on are a card number, the most that are.
fn longest(groups: &[Group]) -> Option<usize> {
    let mut digits: Vec<u8> = Vec::with_capacity(19);
    let mut best = None;
    for (at, group) in groups.iter().enumerate() {
        let earlier = groups.get(..at).unwrap_or_default();
        let fits = group.digits.len() >= 3 || earlier.iter().all(|g| g.digits.len() == 4);
        if digits.len() + group.digits.len() > 19 || !fits {
            break;
        }
        digits.extend(&group.digits);
        let first = earlier.first().unwrap_or(group);
        if first.alone() && group.alone() && issued(&digits) && luhn(&digits) {
            best = Some(at + 1);
        }
        // Only a card's last group may be so short, and letters end a number.
        if group.digits.len() < 3 || group.letters.1 > 0 {
            break;
        }
    }
    best
}

/// Groups that follow each other with at most two separators between, outside of UUIDs.
fn chains(text: &str) -> Vec<Vec<Group>> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let (mut chains, mut chain, mut gap, mut at) = (Vec::new(), Vec::<Group>::new(), 0, 0);
    while let Some((_, c)) = chars.get(at).copied() {
        if let Some(length) = uuid(&chars, at) {
            chains.push(std::mem::take(&mut chain));
            at += length;
            continue;
        }
        if digit(c).is_none() {
            gap += if separator(c) { 1 } else { 3 };
            at += 1;
            continue;
        }
        if gap > 2 {
            chains.push(std::mem::take(&mut chain));
        }
        let group = group(text, &chars, at);
        at += group.digits.len();
        gap = 0;
        chain.push(group);
    }
    chains.push(chain);
    chains
}

fn group(text: &str, chars: &[(usize, char)], at: usize) -> Group {
    let digits: Vec<u8> = chars.iter().skip(at).map_while(|(_, c)| digit(*c)).collect();
    let end = at + digits.len();
    let letter = |(_, c): &&(usize, char)| c.is_alphabetic() || *c == '_';
    let before: Vec<_> = chars.get(..at).unwrap_or_default().iter().rev().take_while(letter).collect();
    let after: Vec<_> = chars.get(end..).unwrap_or_default().iter().take_while(letter).collect();
    let digit_at = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|(_, c)| digit(*c).is_some());
    let mixed = (!before.is_empty() && digit_at(at.checked_sub(before.len() + 1)))
        || (!after.is_empty() && digit_at(Some(end + after.len())));
    let place = |at: usize| chars.get(at).map_or(text.len(), |(place, _)| *place);
    Group {
        at: place(at)..place(end),
        letters: (before.len(), after.len()),
        hex: before.iter().chain(&after).all(|(_, c)| c.is_ascii_hexdigit()),
        mixed,
        plus: at.checked_sub(1).and_then(|at| chars.get(at)).is_some_and(|(_, c)| *c == '+'),
        digits,
    }
}

fn digit(c: char) -> Option<u8> {
    let value = match c {
        '0'..='9' => u32::from(c) - u32::from('0'),
        '\u{ff10}'..='\u{ff19}' => u32::from(c) - 0xff10,
        _ => return None,
    };
    u8::try_from(value).ok()
}

const fn separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '-' | '.' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{200b}' | '\u{202f}' | '\u{2010}'
            ..='\u{2015}' | '\u{2212}'
    )
}

/// Length of the UUID that starts here, when one does.
fn uuid(chars: &[(usize, char)], at: usize) -> Option<usize> {
    let edge = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_none_or(|(_, c)| !c.is_alphanumeric());
    let shape = |(i, (_, c)): (usize, &(usize, char))| match i {
        8 | 13 | 18 | 23 => *c == '-',
        _ => c.is_ascii_hexdigit(),
    };
    let candidate = chars.get(at..at + 36)?;
    (edge(at.checked_sub(1)) && edge(Some(at + 36)) && candidate.iter().enumerate().all(shape)).then_some(36)
}

/// Whether some scheme issues numbers of this beginning and length.
fn issued(digits: &[u8]) -> bool {
    let length = digits.len();
    if !(12..=19).contains(&length) {
        return false;
    }
    let first = |n: usize| digits.iter().take(n).fold(0_u32, |sum, d| sum * 10 + u32::from(*d));
    let (two, three, four) = (first(2), first(3), first(4));
    match (two, three, four) {
        // Visa
        (40..=49, ..) => matches!(length, 13 | 16 | 19),
        // American Express
        (34 | 37, ..) => length == 15,
        // Mastercard; Mir below, Troy above
        (51..=55, ..) | (_, _, 2221..=2720 | 9792) => length == 16,
        (_, _, 2200..=2204) => length >= 16,
        // Diners Club
        (36 | 38 | 39, ..) | (_, 300..=305 | 309, _) => length == 14 || length >= 16,
        // JCB
        (_, _, 3528..=3589) => length >= 16,
        // Maestro
        (_, _, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763) => true,
        // Discover, UnionPay, RuPay
        (60 | 62 | 64 | 65 | 81 | 82, ..) | (_, 508, _) => length >= 16,
        _ => false,
    }
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let doubled = |(i, d): (usize, &u8)| match (i % 2, u32::from(*d) * 2) {
        (0, _) => u32::from(*d),
        (_, twice) if twice > 9 => twice - 9,
        (_, twice) => twice,
    };
    // All zeros and the like are placeholders.
    digits.iter().any(|d| Some(d) != digits.first())
        && digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CARDS: [&str; 18] = [
        "4111111111111111",
        "4222222222222",
        "4012 8888 8888 1881",
        "4012-8888-8888-1881",
        "4012.8888.8888.1881",
        "5555 5555 5555 4444",
        "2223003122003222",
        "3782 822463 10005",
        "371449635398431",
        "6011111111111117",
        "3056 9309 0259 04",
        "38520000023237",
        "3530111333300000",
        "6200000000000005",
        "6759649826438453",
        "4917 6100 0000 0000 003",
        "４１１１１１１１１１１１１１１１",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
    ];

    #[test]
    fn card_numbers_are_found_wherever_they_stand() {
        for card in CARDS {
            for text in [
                card.to_owned(),
                format!("my card is {card}, thanks"),
                format!("{card} 12/27 123"),
                format!("{card} 123"),
                format!("{{\"pan\":\"{card}\"}}"),
                format!("order-{card}"),
                format!("PAN{card}x"),
                format!("2026 {card}"),
                format!("é{card}é"),
            ] {
                assert!(find(&text), "{text}");
                let masked = mask(&text);
                assert!(!masked.contains(card) && masked.contains("[card]") && !find(&masked), "{text} -> {masked}");
            }
        }
    }

    #[test]
    fn other_numbers_pass() {
        for text in [
            "",
            "4111111111111112",
            "411111111111111",
            "0000000000000000",
            "4444444444444444",
            "1234567812345670",
            "41111111111111111111",
            "9999999999999995",
            "41111111-1111-4111-8111-111111111111",
            "0190a1b2-4111-7111-9111-111111111111",
            "4012888888881881abcdef0123456789",
            "+49 151 4111 1111 11",
            "+4915112345678",
            "2026-05-04 09:30:00.123",
            "1746351000000",
            "01ARZ3NDEKTSV4012888888881881FFFAV7",
            "ORD-2026-000123-0042",
            "192.168.100.200",
            "12.50 EUR, 13.50 EUR, 14.50 EUR, 15.50 EUR",
            "DE89 3704 0044 0532 0130 00",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert!(!find(text), "{text}");
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn two_cards_are_two() {
        assert_eq!(mask("4111111111111111 5555555555554444"), "[card] [card]");
    }

    proptest! {
        #[test]
        fn any_text_is_safe_and_masking_settles(text in "[0-9 .é+４a-f-]{0,80}") {
            let once = mask(&text).into_owned();
            prop_assert!(!find(&once) || once == text, "{} {}", text, once);
        }

        #[test]
        fn one_wrong_digit_is_no_card(at in 0_usize..16, by in 1_u8..10) {
            let mut digits = *b"4012888888881881";
            digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
            prop_assert!(!find(std::str::from_utf8(&digits).unwrap()));
        }
    }
}
