//! What a chain needs of a leaf, read in one pass over its canonical bytes. [`Leaf`] is the format; this reads the same
//! bytes and refuses the same, without building a leaf and writing it again: a tenth of the time for whoever checks millions.

use kernel::{Id, Time};

use crate::{
    jcs,
    leaf::{Leaf, moment},
};

/// A leaf's place, the hash of the leaf before, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    pub(crate) seq: u64,
    pub(crate) prev: [u8; 32],
    pub(crate) at: Time,
}

impl Links {
    /// None where [`Leaf::parse`] says none.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        // Without exit, so that many bytes are looked at in one step.
        if body.iter().fold(false, |found, byte| found | (*byte < 0x20)) {
            return None;
        }
        let mut scan = Scan { rest: str::from_utf8(body).ok()?, escaped: false };
        match scan.links() {
            // Names with escapes are ordered by what they stand for.
            None if scan.escaped => Self::of(&Leaf::parse(body)?),
            read => read,
        }
    }

    fn of(leaf: &Leaf<'_>) -> Option<Self> {
        Some(Self { seq: leaf.seq, prev: hash(&leaf.prev)?, at: leaf.at()? })
    }
}

/// 64 lower-case hexadecimal digits.
fn hash(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    lower(text).then(|| hex::decode_to_slice(text, &mut out).ok())??;
    Some(out)
}

fn lower(text: &str) -> bool {
    text.len() == 64 && text.bytes().fold(true, |fine, b| fine & matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

struct Scan<'b> {
    rest: &'b str,
    /// Whether a field's name had an escape.
    escaped: bool,
}

impl<'b> Scan<'b> {
    fn links(&mut self) -> Option<Links> {
        self.member("{\"action\":")?;
        self.member(",\"actor\":")?;
        lower(self.member(",\"app_hash\":")?).then_some(())?;
        self.literal(",\"fields\":{")?;
        self.fields()?;
        self.id("},\"id\":")?;
        self.member(",\"outcome\":")?;
        let prev = hash(self.member(",\"prev\":")?)?;
        self.id(",\"req_id\":")?;
        self.literal(",\"seq\":")?;
        let seq = self.number()?;
        self.member(",\"source\":")?;
        self.member(",\"target\":")?;
        let at = moment(self.member(",\"ts\":")?.as_bytes())?;
        self.literal(",\"v\":1}")?;
        self.rest.is_empty().then_some(Links { seq, prev, at })
    }

    fn literal(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn member(&mut self, name: &str) -> Option<&'b str> {
        self.literal(name)?;
        self.string()
    }

    /// What stands between the quotes, as it stands there.
    fn string(&mut self) -> Option<&'b str> {
        let text = self.rest.strip_prefix('"')?;
        let bytes = text.as_bytes();
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes.get(at) == Some(&b'"') {
                break;
            }
            at += escape(bytes.get(at + 1..)?)?;
        }
        self.rest = text.get(at + 1..)?;
        text.get(..at)
    }

    fn fields(&mut self) -> Option<()> {
        let mut before: Option<&str> = None;
        while !self.rest.starts_with('}') {
            if before.is_some() {
                self.literal(",")?;
            }
            let name = self.string()?;
            if name.contains('\\') {
                self.escaped = true;
                return None;
            }
            if before.is_some_and(|before| jcs::order(before, name).is_ge()) {
                return None;
            }
            before = Some(name);
            lower(self.member(":")?).then_some(())?;
        }
        Some(())
    }

    fn id(&mut self, name: &str) -> Option<()> {
        let text = self.member(name)?;
        let id: Id = text.parse().ok()?;
        (id.encode(&mut [0; 36]) == text).then_some(())
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.rest.bytes().position(|b| !b.is_ascii_digit())?;
        let (digits, rest) = self.rest.split_at_checked(end)?;
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.rest = rest;
        digits.parse().ok()
    }
}

/// Bytes of a canonical escape, its backslash with it: the short one where JSON has one (RFC 8785, section 3.2.2.2).
fn escape(after: &[u8]) -> Option<usize> {
    match after {
        [b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', ..] => Some(2),
        [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..]
        | [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => Some(6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn leaf(target: &str, fields: &[&str], seq: u64) -> Vec<u8> {
        let commitment = "0123456789abcdef".repeat(4);
        Leaf {
            action: "record.created".into(),
            actor: "member ø \"q\" \\ \n \u{1} \u{1f}".into(),
            app_hash: commitment.clone().into(),
            fields: fields.iter().map(|name| ((*name).into(), commitment.clone().into())).collect::<BTreeMap<_, _>>(),
            id: Id::from_bytes([0xab; 16]),
            outcome: "done".into(),
            prev: commitment.into(),
            req_id: Id::from_bytes([7; 16]),
            seq,
            source: "api".into(),
            target: target.into(),
            ts: "2026-05-04T09:30:00.000Z".into(),
            v: 1,
        }
        .bytes()
    }

    /// Both say the same of it.
    fn same(body: &[u8]) -> bool {
        let read = Links::read(body);
        assert_eq!(read, Leaf::parse(body).and_then(|leaf| Links::of(&leaf)), "{}", String::from_utf8_lossy(body));
        read.is_some()
    }

    #[test]
    fn reads_what_a_leaf_is() {
        let names = ["a", "b", "ø", "\u{fb33}", "\u{1f600}", "tab\there", "quote\""];
        for target in ["", "x", "\u{8}\t\n\u{c}\r\"\\/ 漢字 😀 \u{7f}\u{2028}", "\u{0}\u{b}\u{e}\u{10}"] {
            for seq in [0, 1, 10, u64::MAX] {
                for many in 0..names.len() {
                    assert!(same(&leaf(target, &names[..many], seq)));
                }
            }
        }
    }

    #[test]
    fn refuses_what_a_leaf_is_not() {
        for body in [leaf("t\\", &["a", "b"], 17), leaf("\u{1}", &["quote\"", "ø"], 0)] {
            for at in 0..body.len() {
                // Everything that means something to JSON, and what is next to it.
                for byte in *b"\"\\{}[]:,0123456789abcdefABCDEFtrunZ-.+ /\n\t\x00\x1f\x7f\x80\xc3\xff" {
                    let mut other = body.clone();
                    other[at] = byte;
                    same(&other);
                    other.insert(at, body[at]);
                    same(&other);
                }
                let mut cut = body.clone();
                cut.remove(at);
                same(&cut);
                same(&body[..at]);
            }
        }
        let twice = leaf("t", &["a", "b"], 1);
        let text = String::from_utf8(twice).unwrap();
        let (a, b) = (text.find("\"a\":").unwrap(), text.find("\"b\":").unwrap());
        for (at, name) in [(b, "a"), (a, "b"), (a, "c"), (b, "\\u0062"), (a, "\\u0009"), (a, "\\t")] {
            let mut other = text.clone();
            other.replace_range(at + 1..at + 2, name);
            same(other.as_bytes());
        }
        for (from, to) in [
            ("\"seq\":1,", "\"seq\":01,"),
            ("\"seq\":1,", "\"seq\":-1,"),
            ("\"v\":1", "\"v\":2"),
            ("\"seq\":1,", "\"seq\":1e0,"),
        ] {
            assert!(!same(text.replace(from, to).as_bytes()));
        }
    }
}
