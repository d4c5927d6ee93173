//! C2SP checkpoints: a signed note (Ed25519) that says how large a log is and what its root.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use encryption::{Signer, hash::Sha256};

use crate::merkle::Hash;

/// Algorithm byte of Ed25519 in signed notes.
const ED25519: u8 = 1;

/// A log's public key by name: `name+hash+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vkey {
    /// The log's origin.
    pub name: String,
    /// The Ed25519 public key.
    pub public: [u8; 32],
}

impl Vkey {
    /// Reads `name+hash+key`; none unless the hash fits and the spelling is the canonical one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The key is Base64, whose alphabet holds `+`: name and hash are found from the left.
        let (name, rest) = text.split_once('+')?;
        let (_, key) = rest.split_once('+')?;
        let bytes = STANDARD.decode(key).ok()?;
        let (algorithm, public) = bytes.split_first()?;
        let found = Self { name: name.to_owned(), public: public.try_into().ok()? };
        (*algorithm == ED25519 && valid(name) && found.to_string() == text).then_some(found)
    }
    /// First four bytes of the SHA-256 over name, newline, algorithm and key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update(&[b'\n', ED25519]);
        hash.update(&self.public);
        let [a, b, c, d, ..] = hash.finish();
        [a, b, c, d]
    }
}

impl std::fmt::Display for Vkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![ED25519];
        key.extend(self.public);
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

/// Whether a text can name a log or a key: not empty, no space, no plus sign, no control character.
pub(crate) fn valid(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// What a log's key says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the app's domain and the tenant's id.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The signed text.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }
    /// The root, Base64.
    #[must_use]
    pub fn root(&self) -> String {
        STANDARD.encode(self.root)
    }
    /// The note: text and signature.
    #[must_use]
    pub fn sign(&self, signer: &Signer) -> String {
        let body = self.body();
        let public = signer.public().try_into().unwrap_or([0; 32]);
        let mut line = Vkey { name: self.origin.clone(), public }.id().to_vec();
        line.extend(signer.sign(body.as_bytes()));
        format!("{body}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(line))
    }
    /// Reads a note's text, whoever signed it. Extension lines are refused: our logs write none.
    #[must_use]
    pub fn parse(note: &str) -> Option<Self> {
        let (body, _) = note.split_once("\n\n")?;
        let mut lines = body.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let found = Self {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root: STANDARD.decode(root).ok()?.try_into().ok()?,
        };
        (valid(origin) && found.body().strip_suffix('\n') == Some(body)).then_some(found)
    }
    /// Reads a note that `key` signed. None when it did not, or when the same key signs twice.
    #[must_use]
    pub fn open(note: &str, key: &Vkey) -> Option<Self> {
        let found = Self::parse(note).filter(|found| found.origin == key.name)?;
        let signatures = note.get(found.body().len() + 1..)?.strip_suffix('\n')?;
        let mut ours = Vec::new();
        for line in signatures.split('\n') {
            let (name, text) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let bytes = STANDARD.decode(text).ok()?;
            let (id, signature) = bytes.split_first_chunk::<4>()?;
            if name == key.name && *id == key.id() {
                ours.push(signature.to_vec());
            }
        }
        let [signature] = ours.as_slice() else { return None };
        encryption::verify_ed25519(&key.public, found.body().as_bytes(), signature).then_some(found)
    }
}

/// A tlog-proof file (C2SP): that the entry at `index` is in the log of the checkpoint.
#[must_use]
pub fn proof_file(index: u64, path: &[Hash], checkpoint: &str) -> String {
    let mut out = format!("c2sp.org/tlog-proof@v1\nindex {index}\n");
    for hash in path {
        out.push_str(&STANDARD.encode(hash));
        out.push('\n');
    }
    out.push('\n');
    out.push_str(checkpoint);
    out
}

/// Reads a tlog-proof file: index, path, checkpoint.
#[must_use]
pub fn read_proof(text: &str) -> Option<(u64, Vec<Hash>, &str)> {
    let rest = text.strip_prefix("c2sp.org/tlog-proof@v1\n")?;
    let rest = match rest.strip_prefix("extra ") {
        Some(rest) => rest.split_once('\n')?.1,
        None => rest,
    };
    let (index, mut rest) = rest.strip_prefix("index ")?.split_once('\n')?;
    let number: u64 = index.parse().ok().filter(|n: &u64| n.to_string() == index)?;
    let mut path = Vec::new();
    loop {
        let (line, behind) = rest.split_once('\n')?;
        rest = behind;
        if line.is_empty() {
            return Some((number, path, rest));
        }
        path.push(STANDARD.decode(line).ok()?.try_into().ok()?);
    }
}

#[cfg(test)]
mod tests;
