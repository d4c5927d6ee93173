//! A leaf's members and bytes.

use std::{borrow::Cow, collections::BTreeMap};

use encryption::hash::Sha256;
use kernel::{Id, Time};
use serde::Deserialize;

use crate::jcs;

/// RFC 6962, section 2.1: SHA-256 of a zero byte and the leaf.
#[must_use]
pub fn leaf_hash(body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(&[0]);
    hash.update(body);
    hash.finish()
}

/// The moment of `2026-05-04T09:30:00.000Z`, which is how every moment from year 0 to 9999 is written; nothing else is
/// read, so what was read was canonical.
pub(crate) fn moment(text: &[u8]) -> Option<Time> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let fixed = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if fixed.iter().any(|(at, byte)| text.get(*at) != Some(byte)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, milli) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970-01-01, years beginning in March, so that the leap day is the last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day - 719_469;
    Some(Time((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milli))
}

/// A leaf's members; see the crate's head for what each is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf<'l> {
    /// Name of the event, such as `record.created`.
    #[serde(borrow)]
    pub action: Cow<'l, str>,
    /// Who acted.
    #[serde(borrow)]
    pub actor: Cow<'l, str>,
    /// SHA-256 of the manifest in force, hex.
    #[serde(borrow)]
    pub app_hash: Cow<'l, str>,
    /// Commitments, hex, by field.
    #[serde(borrow)]
    pub fields: BTreeMap<Cow<'l, str>, Cow<'l, str>>,
    /// The event's own id.
    pub id: Id,
    /// `done`, `refused` or `failed`.
    #[serde(borrow)]
    pub outcome: Cow<'l, str>,
    /// Hash of the leaf before, hex.
    #[serde(borrow)]
    pub prev: Cow<'l, str>,
    /// The request.
    pub req_id: Id,
    /// Place in the log, from 0.
    pub seq: u64,
    /// Through which door.
    #[serde(borrow)]
    pub source: Cow<'l, str>,
    /// What was acted on.
    #[serde(borrow)]
    pub target: Cow<'l, str>,
    /// When.
    #[serde(borrow)]
    pub ts: Cow<'l, str>,
    /// Version of the format.
    pub v: u8,
}

impl<'l> Leaf<'l> {
    /// Reads a leaf. None unless the bytes are exactly those this format gives to these members.
    #[must_use]
    pub fn parse(body: &'l [u8]) -> Option<Self> {
        let leaf: Self = serde_json::from_slice(body).ok()?;
        let hex = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let sound = leaf.v == 1
            && hex(&leaf.prev)
            && hex(&leaf.app_hash)
            && leaf.fields.values().all(|commitment| hex(commitment))
            && leaf.at().is_some();
        (sound && leaf.bytes() == body).then_some(leaf)
    }
    /// When; none unless it is written as this format writes it.
    #[must_use]
    pub fn at(&self) -> Option<Time> {
        moment(self.ts.as_bytes())
    }
    /// The canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut fields: Vec<(&str, &str)> = self.fields.iter().map(|(name, c)| (name.as_ref(), c.as_ref())).collect();
        fields.sort_by(|(a, _), (b, _)| jcs::order(a, b));
        let mut out = Vec::with_capacity(640 + self.target.len() + 90 * fields.len());
        let member = |name: &str, value: &str, out: &mut Vec<u8>| {
            out.extend(name.as_bytes());
            jcs::string(out, value);
        };
        let mut id = [0; 36];
        member("{\"action\":", &self.action, &mut out);
        member(",\"actor\":", &self.actor, &mut out);
        member(",\"app_hash\":", &self.app_hash, &mut out);
        out.extend(b",\"fields\":{");
        for (at, (name, commitment)) in fields.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            jcs::string(&mut out, name);
            member(":", commitment, &mut out);
        }
        member("},\"id\":", self.id.encode(&mut id), &mut out);
        member(",\"outcome\":", &self.outcome, &mut out);
        member(",\"prev\":", &self.prev, &mut out);
        member(",\"req_id\":", self.req_id.encode(&mut id), &mut out);
        out.extend(b",\"seq\":");
        out.extend(self.seq.to_string().as_bytes());
        member(",\"source\":", &self.source, &mut out);
        member(",\"target\":", &self.target, &mut out);
        member(",\"ts\":", &self.ts, &mut out);
        out.extend(b",\"v\":");
        out.extend(self.v.to_string().as_bytes());
        out.push(b'}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        assert_eq!(moment(b"1970-01-01T00:00:00.000Z"), Some(Time(0)));
        let mut at = -62_167_219_200_000_i64;
        while at < 253_402_300_799_999 {
            let text = Time(at).to_string();
            assert_eq!(moment(text.as_bytes()), Some(Time(at)), "{text}");
            at += 86_400_000 * 11 + 3_723_457;
        }
        for (year, leap) in [(1900, false), (2000, true), (2024, true), (2026, false)] {
            assert_eq!(moment(format!("{year}-02-29T23:59:59.999Z").as_bytes()).is_some(), leap, "{year}");
        }
        for bad in [
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-04-31T00:00:00.000Z",
            "2026-04-00T00:00:00.000Z",
            "2026-04-01T24:00:00.000Z",
            "2026-04-01T00:60:00.000Z",
            "2026-04-01T00:00:60.000Z",
            "2026-04-01T00:00:00.00Z",
            "2026-04-01T00:00:00.0000Z",
            "2026-04-01t00:00:00.000Z",
            "2026-04-01T00:00:00.000z",
            "2026-04-01T00:00:00,000Z",
            "+026-04-01T00:00:00.000Z",
            "2026-04-01T00:00:00.000+",
            "",
        ] {
            assert_eq!(moment(bad.as_bytes()), None, "{bad}");
        }
    }
}
