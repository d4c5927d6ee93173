//! Witnesses of the instance's log (C2SP tlog-witness, tlog-cosignature): others who remember the largest tree they saw and
//! sign a checkpoint only when it begins with that tree. Whoever asks for their signatures need not compare checkpoints.
//!
//! Optional, and of the deployment: a policy file (C2SP tlog-policy) with lines `witness NAME VKEY URL`. A witness that is
//! down or refuses never holds up the end of a day; its line is then missing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use encryption::{Post, hash::Sha256};
use kernel::{Failure, TenantId, Time, Write};
use store::{Control, Reader, Tx};

use crate::{
    merkle::Hash,
    note::{Checkpoint, valid},
    seal::Audit,
    sql,
    tree::{Nodes, State},
};

/// Algorithm byte of a timestamped Ed25519 cosignature.
const COSIGNATURE: u8 = 4;
/// How far a witness's clock may be from ours, in seconds.
const SKEW: i64 = 300;
/// How often a witness may name another size before it is left alone until the next round.
const TURNS: usize = 3;
/// Longest proof that a witness takes, in hashes.
const HASHES: usize = 63;

/// A witness's key: `name+hash+key`, with the algorithm of cosignatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigner {
    /// Its name.
    pub name: String,
    /// Its Ed25519 public key.
    pub public: [u8; 32],
}

impl Cosigner {
    /// Reads a verifier key; none unless its hash fits and it is one of cosignatures.
    #[must_use]
    pub fn parse(vkey: &str) -> Option<Self> {
        let (name, rest) = vkey.split_once('+')?;
        let (_, key) = rest.split_once('+')?;
        let bytes = STANDARD.decode(key).ok()?;
        let (algorithm, public) = bytes.split_first()?;
        let found = Self { name: name.to_owned(), public: public.try_into().ok()? };
        (*algorithm == COSIGNATURE && valid(name) && found.to_string() == vkey).then_some(found)
    }
    fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update(&[b'\n', COSIGNATURE]);
        hash.update(&self.public);
        let [a, b, c, d, ..] = hash.finish();
        [a, b, c, d]
    }
    /// When it cosigned this text of a checkpoint, in seconds, if this line is its cosignature.
    #[must_use]
    pub fn cosigned(&self, body: &str, line: &str) -> Option<i64> {
        let (name, text) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = STANDARD.decode(text).ok()?;
        let (id, rest) = bytes.split_first_chunk::<4>()?;
        let (at, signature) = rest.split_first_chunk::<8>()?;
        let at = i64::try_from(u64::from_be_bytes(*at)).ok()?;
        let said = format!("cosignature/v1\ntime {at}\n{body}");
        let ours = name == self.name && *id == self.id();
        (ours && encryption::verify_ed25519(&self.public, said.as_bytes(), signature)).then_some(at)
    }
}

impl std::fmt::Display for Cosigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![COSIGNATURE];
        key.extend(self.public);
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

/// A witness and where it is asked.
#[derive(Clone)]
pub struct Witness {
    /// Its key.
    pub key: Cosigner,
    /// Its submission prefix.
    pub post: Post,
}

/// The witnesses of a policy file: key and address. Its lines on logs, groups and quorums are for verifiers.
///
/// # Errors
/// Words, with the line.
pub fn policy(text: &str) -> Result<Vec<(Cosigner, String)>, String> {
    let mut found: Vec<(Cosigner, String)> = Vec::new();
    for (at, line) in (1..).zip(text.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["log", ..] | ["quorum", "none"] => {}
            // A threshold that is read over would be believed in force.
            [word @ ("group" | "quorum"), ..] => {
                return Err(format!(
                    "line {at}: `{word}` is not built: every witness is asked, and none is waited for"
                ));
            }
            [first, ..] if first.starts_with('#') => {}
            ["witness", _, vkey, url] => {
                let key = Cosigner::parse(vkey).ok_or_else(|| {
                    format!("line {at}: not a witness's key: NAME+HASH+KEY of an Ed25519 cosigner (algorithm 4)")
                })?;
                if found.iter().any(|(other, _)| *other == key) {
                    return Err(format!("line {at}: the same witness twice"));
                }
                found.push((key, (*url).to_owned()));
            }
            _ => return Err(format!("line {at}: `witness NAME VKEY URL` is expected")),
        }
    }
    Ok(found)
}

/// The body of an `add-checkpoint` request.
fn request(old: u64, proof: &[Hash], note: &str) -> String {
    let mut out = format!("old {old}\n");
    for hash in proof {
        out.push_str(&STANDARD.encode(hash));
        out.push('\n');
    }
    out.push('\n');
    out.push_str(note);
    out
}

/// What a witness answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Its line.
    Cosigned(String),
    /// It last signed a tree of this size.
    Knows(u64),
}

fn refused(words: impl Into<String>) -> Failure {
    Failure::Internal(format!("audit: witness: {}", words.into()).into())
}

/// Reads an answer to a checkpoint that was signed at `signed`, now.
fn read(
    key: &Cosigner,
    body: &str,
    (signed, now): (Time, Time),
    (status, kind, said): (u16, &str, &[u8]),
) -> Result<Answer, Failure> {
    let text = std::str::from_utf8(said).map_err(|_| refused("an answer that is no text"))?;
    match status {
        200 => {
            let whole = text.strip_suffix('\n').ok_or_else(|| refused("an answer that does not end"))?;
            // Signatures of keys that nobody here knows are not looked at.
            let found = whole.split('\n').find_map(|line| Some((line, key.cosigned(body, line)?)));
            let (line, at) = found.ok_or_else(|| refused("no signature of its key on this checkpoint"))?;
            let (first, last) = (signed.0.div_euclid(1000) - SKEW, now.0.div_euclid(1000) + SKEW);
            if !(first..=last).contains(&at) {
                return Err(refused("a signature of another time than this checkpoint's"));
            }
            Ok(Answer::Cosigned(line.to_owned()))
        }
        409 if kind == "text/x.tlog.size" => {
            let size = text.strip_suffix('\n').and_then(|t| t.parse::<u64>().ok().filter(|n| n.to_string() == t));
            size.map(Answer::Knows).ok_or_else(|| refused("409 without a size"))
        }
        // 409 without a size: it knows another tree of the same size. 422: ours does not begin with the one it knows.
        409 | 422 => Err(refused(format!("answered {status}: it has seen another history"))),
        other => Err(refused(format!("answered {other}"))),
    }
}

impl Audit {
    /// Who witnesses the instance's log. Said once, at start.
    pub fn witnessed_by(&self, witnesses: Vec<Witness>) {
        let _the_first_stays = self.witnesses.set(witnesses);
    }
    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        self.witnesses.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// Asks one witness for its signature on the instance's newest checkpoint, unless that is there. `false`: nothing to do.
    ///
    /// # Errors
    /// Internal, with words: the witness cannot be reached, refuses, or answers what does not hold. Those of the store.
    pub async fn witness(&self, tx: Tx<Write>, witness: &Witness) -> Result<bool, Failure> {
        let reader = tx.reader();
        let state = State::load(&reader).await?;
        let notes = reader.all(&sql::CHECKPOINTS, (TenantId::HOUSE.to_string(), 1)).await?;
        let newest = notes.into_iter().next().filter(|row| row.1.unsigned_abs() == state.head.size);
        let Some((_, size, note, _, _, signed)) = newest else { return Ok(false) };
        let name = witness.key.to_string();
        let known = reader.all(&sql::WITNESSED_UP_TO, (name.clone(),)).await?;
        let known = known.into_iter().next().and_then(|(size,)| size).unwrap_or(0);
        if known >= size {
            return Ok(false);
        }
        let line = self.cosignature(&reader, &state, witness, (&note, Time(signed)), known.unsigned_abs()).await?;
        let batch = tx.batch::<Control>(format!("checkpoint/{size}")).fact("witness", witness.key.name.clone());
        batch.any(&sql::COSIGN, (name, size, line, self.means.clock.now().0)).commit().await?;
        Ok(true)
    }

    async fn cosignature(
        &self,
        reader: &Reader,
        state: &State,
        witness: &Witness,
        (note, signed): (&str, Time),
        mut old: u64,
    ) -> Result<String, Failure> {
        let size = state.head.size;
        let body = Checkpoint::parse(note).ok_or_else(|| refused("our own checkpoint is damaged"))?.body();
        let mut nodes = Nodes::published(reader, state).await?.ok_or(Failure::NotFound)?;
        for _ in 0..TURNS {
            let proof = if old == 0 || old == size { Vec::new() } else { nodes.consistency(old, size).await? };
            if proof.len() > HASHES {
                return Err(refused("a proof longer than it may be"));
            }
            let text = request(old, &proof, note);
            let headers = [("content-type", "text/plain; charset=utf-8")];
            let sent = witness.post.send_below("add-checkpoint", &headers, text.into()).await;
            let told = sent.map_err(|why| refused(format!("{} cannot be reached: {why}", witness.post.authority())))?;
            let times = (signed, self.means.clock.now());
            match read(&witness.key, &body, times, (told.status, &told.kind, &told.body))? {
                Answer::Cosigned(line) => return Ok(line),
                Answer::Knows(theirs) if theirs > size => {
                    return Err(refused("it has seen a larger tree than ours"));
                }
                Answer::Knows(theirs) if theirs == old => {
                    return Err(refused("it asks for the size that it was given"));
                }
                Answer::Knows(theirs) => old = theirs,
            }
        }
        Err(refused("it named another size each time"))
    }
}

/// The instance's checkpoint with the lines of its witnesses behind ours.
pub(crate) fn with_lines(note: String, lines: Vec<(String,)>) -> String {
    lines.into_iter().fold(note, |note, (line,)| note + &line + "\n")
}

#[cfg(test)]
mod tests;
