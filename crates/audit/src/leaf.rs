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
            && leaf.at().is_some_and(|at| at.to_string() == leaf.ts);
        (sound && leaf.bytes() == body).then_some(leaf)
    }
    /// When, in milliseconds.
    #[must_use]
    pub fn at(&self) -> Option<Time> {
        Time::parse(&self.ts)
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
