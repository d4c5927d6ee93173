//! Strings as RFC 8785 (JCS) writes them.

/// Appends `text` as a JSON string: the short escapes where JSON has them, `\u00xx` for other control characters, and
/// everything else as it is.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let plain = |b: &u8| *b >= 0x20 && *b != b'"' && *b != b'\\';
    if text.as_bytes().iter().all(plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for byte in text.bytes() {
            match byte {
                b'"' => out.extend(b"\\\""),
                b'\\' => out.extend(b"\\\\"),
                0x08 => out.extend(b"\\b"),
                b'\t' => out.extend(b"\\t"),
                b'\n' => out.extend(b"\\n"),
                0x0c => out.extend(b"\\f"),
                b'\r' => out.extend(b"\\r"),
                0..0x20 => {
                    let digit = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
                    out.extend(b"\\u00");
                    out.extend([digit(byte >> 4), digit(byte & 15)]);
                }
                other => out.push(other),
            }
        }
    }
    out.push(b'"');
}

/// The order of an object's members: by UTF-16 code units.
pub(crate) fn order(a: &str, b: &str) -> std::cmp::Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_character_as_the_oracle_writes_it() {
        let samples =
            ["", "plain", "quote\" back\\slash /", "ø 漢字 😀 \u{2028}\u{2029}", "\u{7f}\u{80}\u{ffff}\u{10ffff}"];
        for sample in samples {
            assert_eq!(written(sample), serde_jcs::to_string(sample).unwrap());
        }
        for c in (0..=0xffffu32).chain([0x1_0000, 0x10_ffff]).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            assert_eq!(written(&text), serde_jcs::to_string(&text).unwrap(), "{:x}", u32::from(c));
        }
    }

    #[test]
    fn names_are_ordered_by_code_units() {
        // RFC 8785, section 3.2.3.
        let mut names = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
        names.sort_by(|a, b| order(a, b));
        assert_eq!(names, ["\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"]);
    }
}
