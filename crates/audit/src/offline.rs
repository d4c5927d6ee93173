//! An export without its server: the whole chain, the tree over it, its checkpoint, and one that was saved before. Leaves
//! are parsed and hashed on every core; what does not hold is named with its bytes and its leaf.

use std::{io::Read, thread};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::Time;
use store::Head;

use crate::{
    file::{FORMAT, Footer, Header},
    leaf::leaf_hash,
    links::Links,
    merkle::{Frontier, Hash, consistent},
    note::{Checkpoint, Vkey},
    verify::{Broken, Why},
};

/// Bytes read at once: also the longest line.
const CHUNK: usize = 8 << 20;

/// What the reader brings along.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// A checkpoint that was saved earlier.
    pub since: Option<String>,
    /// The log's key, from its JWKS; without it, the one that the export names.
    pub key: Option<Vkey>,
}

/// What does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line of the file, from 1.
    pub line: u64,
    /// Bytes of the file, from 0: first, and one past the last.
    pub bytes: (u64, u64),
    /// Place in the log, when it is a leaf.
    pub leaf: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (line {}, bytes {} to {})", self.what, self.line, self.bytes.0, self.bytes.1)
    }
}

/// What a check of an exported log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Leaves that hold, from the first on.
    pub leaves: u64,
    /// Hash of the last of them, hex.
    pub head: String,
    /// Time of the first leaf.
    pub first: Option<Time>,
    /// Time of the last leaf that holds.
    pub last: Option<Time>,
    /// The checkpoint that binds them; none in bare lines of leaves.
    pub checkpoint: Option<Checkpoint>,
    /// Size of the saved checkpoint that they agree with.
    pub since: Option<u64>,
    /// The first link that does not hold.
    pub broken: Option<Broken>,
    /// The first thing that does not hold, of any kind.
    pub fault: Option<Fault>,
}

/// Checks an exported log, trusting nothing but itself.
///
/// # Errors
/// When the reader fails.
pub fn verify_export(from: impl Read) -> std::io::Result<Report> {
    verify_with(from, &Trust::default())
}

/// Checks an exported log against what the reader knows already.
///
/// # Errors
/// When the reader fails.
pub fn verify_with(mut from: impl Read, trust: &Trust) -> std::io::Result<Report> {
    let mut walk = Walk::new(trust);
    let (mut buffer, mut offset, mut ended) = (Vec::with_capacity(CHUNK), 0_u64, false);
    while !ended && !walk.over() {
        let room = u64::try_from(CHUNK - buffer.len()).unwrap_or(0);
        ended = from.by_ref().take(room).read_to_end(&mut buffer)? < usize::try_from(room).unwrap_or(0);
        let whole = if ended { buffer.len() } else { buffer.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1) };
        let lines = lines(buffer.get(..whole).unwrap_or_default(), offset);
        for (line, parsed) in lines.iter().zip(parse(&lines)) {
            if walk.over() {
                break;
            }
            walk.line(line, parsed);
        }
        if whole == 0 && !ended {
            walk.fail(&Line { bytes: &[], from: offset, ended: false }, None, "a line longer than any leaf".to_owned());
        }
        offset += whole as u64;
        buffer.drain(..whole);
    }
    Ok(walk.finish(offset))
}

#[derive(Clone, Copy)]
struct Line<'b> {
    bytes: &'b [u8],
    from: u64,
    /// Whether it ends in a newline.
    ended: bool,
}

fn lines(buffer: &[u8], offset: u64) -> Vec<Line<'_>> {
    let mut out = Vec::new();
    let mut at = 0;
    for end in memchr::memchr_iter(b'\n', buffer) {
        out.push(Line { bytes: buffer.get(at..end).unwrap_or_default(), from: offset + at as u64, ended: true });
        at = end + 1;
    }
    let rest = buffer.get(at..).unwrap_or_default();
    if !rest.is_empty() {
        out.push(Line { bytes: rest, from: offset + at as u64, ended: false });
    }
    out
}

/// What links need of a leaf.
struct Parsed {
    links: Links,
    hash: Hash,
}

fn parsed(line: &Line<'_>) -> Option<Parsed> {
    Some(Parsed { links: Links::read(line.bytes)?, hash: leaf_hash(line.bytes) })
}

/// On every core.
fn parse(lines: &[Line<'_>]) -> Vec<Option<Parsed>> {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(8);
    let each = lines.len().div_ceil(cores).max(64);
    if lines.len() <= each {
        return lines.iter().map(parsed).collect();
    }
    thread::scope(|scope| {
        let work: Vec<_> =
            lines.chunks(each).map(|some| scope.spawn(move || some.iter().map(parsed).collect::<Vec<_>>())).collect();
        work.into_iter().flat_map(|done| done.join().unwrap_or_default()).collect()
    })
}

/// Where a leaf stands in the file.
#[derive(Clone, Copy)]
struct Span {
    line: u64,
    bytes: (u64, u64),
    leaf: u64,
}

/// A link that does not hold: one of two leaves was changed, and the next line tells which.
struct Suspect {
    before: Option<Span>,
    here: Span,
    hash: Hash,
}

struct Walk<'t> {
    trust: &'t Trust,
    saved: Option<Checkpoint>,
    saved_root: Option<Hash>,
    header: Option<(Header, Option<Checkpoint>, Span)>,
    footer: Option<(Footer, Span)>,
    tree: Frontier,
    head: Head,
    first: Option<Time>,
    count: u64,
    lines: u64,
    last: Option<Span>,
    suspect: Option<Suspect>,
    broken: Option<Broken>,
    fault: Option<Fault>,
}

impl<'t> Walk<'t> {
    fn new(trust: &'t Trust) -> Self {
        let saved = trust.since.as_deref().and_then(Checkpoint::parse);
        let mut walk = Self {
            trust,
            saved,
            saved_root: None,
            header: None,
            footer: None,
            tree: Frontier::default(),
            head: Head::default(),
            first: None,
            count: 0,
            lines: 0,
            last: None,
            suspect: None,
            broken: None,
            fault: None,
        };
        if trust.since.is_some() && walk.saved.is_none() {
            walk.fault =
                Some(Fault { line: 0, bytes: (0, 0), leaf: None, what: "the saved checkpoint is none".to_owned() });
        }
        walk
    }

    const fn over(&self) -> bool {
        self.fault.is_some()
    }

    fn span(&self, line: &Line<'_>) -> Span {
        Span { line: self.lines, bytes: (line.from, line.from + line.bytes.len() as u64), leaf: self.head.size }
    }

    fn fail(&mut self, line: &Line<'_>, leaf: Option<u64>, what: String) {
        let span = self.span(line);
        self.blame(span, leaf, what);
    }

    fn blame(&mut self, Span { line, bytes, .. }: Span, leaf: Option<u64>, what: String) {
        self.fault.get_or_insert(Fault { line, bytes, leaf, what });
    }

    fn line(&mut self, line: &Line<'_>, parsed: Option<Parsed>) {
        self.lines += 1;
        if self.footer.is_some() {
            return self.fail(line, None, "a line behind the end".to_owned());
        }
        let bound = self.header.is_some();
        match parsed {
            Some(leaf) if bound && !line.ended => {
                let seq = leaf.links.seq;
                self.fail(line, Some(seq), "the file ends here: the rest was cut off".to_owned());
            }
            Some(leaf) => self.leaf(line, &leaf),
            None if self.lines == 1 && Header::read(line.bytes).is_some() => self.begin(line),
            None if bound => match Footer::read(line.bytes) {
                Some(footer) if line.ended => self.footer = Some((footer, self.span(line))),
                Some(_) => self.fail(line, None, "the last line is not ended".to_owned()),
                None => self.no_leaf(line),
            },
            None => self.no_leaf(line),
        }
    }

    fn no_leaf(&mut self, line: &Line<'_>) {
        if let Some(suspect) = self.suspect.take() {
            return self.convict(&suspect, None);
        }
        let seq = self.head.size;
        let broken = Broken { seq, why: Why::NotALeaf };
        self.broken = Some(broken);
        let what = if self.lines == 1 { "neither a header nor a leaf".to_owned() } else { broken.to_string() };
        self.fail(line, Some(seq), what);
    }

    fn leaf(&mut self, line: &Line<'_>, leaf: &Parsed) {
        let (seq, span) = (self.head.size, self.span(line));
        if let Some(suspect) = self.suspect.take() {
            return self.convict(&suspect, Some(leaf.links.prev));
        }
        let wrong = |why| Broken { seq, why };
        let first_of_a_range = self.count == 0 && seq > 0;
        let broken = if leaf.links.seq != seq {
            Some(wrong(Why::Place { found: leaf.links.seq }))
        } else if leaf.links.prev != self.head.hash && !first_of_a_range {
            Some(wrong(Why::Prev))
        } else if seq > 0 && leaf.links.at < self.head.at && !first_of_a_range {
            Some(wrong(Why::Time))
        } else {
            None
        };
        if let Some(broken) = broken {
            self.broken = Some(broken);
            if broken.why == Why::Prev {
                self.suspect = Some(Suspect { before: self.last, here: span, hash: leaf.hash });
            } else {
                self.blame(span, Some(seq), broken.to_string());
            }
            return;
        }
        self.first = self.first.or(Some(leaf.links.at));
        self.head = Head { size: seq + 1, hash: leaf.hash, at: leaf.links.at };
        self.tree.push(leaf.hash);
        self.count += 1;
        self.last = Some(span);
        if self.saved.as_ref().is_some_and(|saved| saved.size == self.tree.size()) {
            self.saved_root = Some(self.tree.root());
        }
    }

    /// The line behind a broken link names the leaf in front of it: if that one fits, the one before was changed.
    fn convict(&mut self, suspect: &Suspect, next: Option<Hash>) {
        let one = match (next, suspect.before) {
            (Some(prev), Some(before)) if prev == suspect.hash => before,
            _ => suspect.here,
        };
        let what = format!("leaf {} was changed: it is not the one that its neighbour names", one.leaf);
        self.blame(one, Some(one.leaf), what);
    }

    fn begin(&mut self, line: &Line<'_>) {
        let Some(header) = Header::read(line.bytes) else { return };
        let key = Vkey::parse(&header.vkey);
        let signed = key.as_ref().and_then(|key| Checkpoint::open(&header.checkpoint, key));
        let trusted = self.trust.key.as_ref().is_none_or(|known| key.as_ref() == Some(known));
        let peaks: Option<Vec<Hash>> =
            header.frontier.iter().map(|text| STANDARD.decode(text).ok()?.try_into().ok()).collect();
        let tree = peaks.and_then(|peaks| Frontier::new(header.from, peaks));
        let what = if header.format != FORMAT {
            Some("another format")
        } else if !trusted {
            Some("signed by another key than the one given")
        } else if signed.as_ref().is_none_or(|signed| signed.origin != header.origin || signed.size != header.size) {
            Some("the header's checkpoint is not signed by its key, or of another log or size")
        } else if tree.is_none() || header.from > header.size {
            Some("the header's frontier does not fit its first leaf")
        } else {
            None
        };
        if let Some(what) = what {
            self.fail(line, None, what.to_owned());
        }
        self.head.size = header.from;
        self.tree = tree.unwrap_or_default();
        if self.saved.as_ref().is_some_and(|saved| saved.size == header.from) {
            self.saved_root = Some(self.tree.root());
        }
        self.header = Some((header, signed, self.span(line)));
    }

    fn finish(mut self, end: u64) -> Report {
        let tail = Span { line: self.lines + 1, bytes: (end, end), leaf: self.head.size };
        if let Some(suspect) = self.suspect.take() {
            let said = self.footer.as_ref().and_then(|(footer, _)| hex::decode(&footer.head).ok()?.try_into().ok());
            self.convict(&suspect, said);
        }
        if self.fault.is_none() {
            match (&self.header, &self.trust.key) {
                _ if self.lines == 0 => self.blame(tail, None, "the file is empty".to_owned()),
                (Some(_), _) => self.sealed(tail),
                // A saved checkpoint, which that key signed, binds bare lines as well.
                (None, Some(_)) if self.saved.is_none() => {
                    self.blame(
                        tail,
                        None,
                        "nothing here is signed by the key given: the file has no checkpoint".to_owned(),
                    );
                }
                (None, _) => {}
            }
        }
        let since = if self.fault.is_none() { self.saved(tail) } else { None };
        let checkpoint = self.header.take().and_then(|(_, signed, _)| signed).filter(|_| self.fault.is_none());
        Report {
            leaves: self.count,
            head: hex::encode(self.head.hash),
            first: self.first,
            last: (self.count > 0).then_some(self.head.at),
            checkpoint,
            since,
            broken: self.broken,
            fault: self.fault,
        }
    }

    /// Leaves against header and footer.
    fn sealed(&mut self, tail: Span) {
        let Some((header, Some(signed), top)) = self.header.clone() else { return };
        let Some((footer, foot)) = self.footer.clone() else {
            return self.blame(tail, Some(tail.leaf), "the end is missing: the file was cut off".to_owned());
        };
        let same_root = self.tree.size() == header.size && self.tree.root() == signed.root;
        let same_head = self.count == 0 || hex::encode(self.head.hash) == footer.head;
        let same_header = header.hash().is_ok_and(|hash| hash == footer.header);
        let count = self.count == footer.leaves;
        match (same_root, same_head, same_header) {
            (true, true, true) if count && self.agrees(&footer, &signed) => {}
            (true, ..) => {
                self.blame(foot, None, "the last line is not the one that belongs to these leaves".to_owned())
            }
            (false, _, false) => self.blame(top, None, "the header was changed".to_owned()),
            (false, ..) if self.head.size < header.size && count => {
                self.blame(top, None, "the header speaks of more leaves than were exported".to_owned());
            }
            (false, ..) if self.head.size < header.size => {
                let what = format!("leaf {} and those behind it are missing", self.head.size);
                self.blame(foot, Some(self.head.size), what);
            }
            (false, false, _) => {
                let last = self.last.unwrap_or(tail);
                self.blame(last, Some(last.leaf), format!("leaf {}, the last, was changed", last.leaf));
            }
            (false, true, _) => {
                let what = "the leaves link, and are not those that were signed: they were rewritten together";
                self.blame(self.last.unwrap_or(tail), self.last.map(|s| s.leaf), what.to_owned());
            }
        }
    }

    fn agrees(&self, footer: &Footer, signed: &Checkpoint) -> bool {
        let Some(older) = &footer.consistency else { return true };
        let decode = |text: &String| STANDARD.decode(text).ok()?.try_into().ok();
        let (root, proof): (Option<Hash>, Option<Vec<Hash>>) =
            (decode(&older.root), older.proof.iter().map(decode).collect());
        let (Some(root), Some(proof)) = (root, proof) else { return false };
        consistent((older.from, &root), (signed.size, &signed.root), &proof)
    }

    /// Against the checkpoint that was saved.
    fn saved(&mut self, tail: Span) -> Option<u64> {
        let saved = self.saved.clone()?;
        let key = self.trust.key.clone().or_else(|| Vkey::parse(&self.header.as_ref()?.0.vkey));
        let note = self.trust.since.as_deref().unwrap_or_default();
        let wrong = match (&self.header, &key) {
            (Some((header, ..)), _) if header.origin != saved.origin => {
                Some("the saved checkpoint is of another log".to_owned())
            }
            (_, Some(key)) if Checkpoint::open(note, key).is_none() => {
                Some("the saved checkpoint is not signed by the log's key".to_owned())
            }
            _ if saved.size > self.tree.size() => Some(format!(
                "the log ends at {}, and {} leaves were signed before: leaves were cut off",
                self.tree.size(),
                saved.size
            )),
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.blame(tail, None, wrong);
            return None;
        }
        let shown = if saved.size == 0 { Some(saved.root) } else { self.saved_root }.or_else(|| {
            let older = self.footer.as_ref()?.0.consistency.as_ref()?;
            STANDARD.decode(&older.root).ok()?.try_into().ok().filter(|_| older.from == saved.size)
        });
        match shown {
            Some(root) if root == saved.root => Some(saved.size),
            Some(_) => {
                let what = format!(
                    "the first {} leaves are not those of the saved checkpoint: the log shows another history",
                    saved.size
                );
                let leaf = saved.size.checked_sub(1);
                self.blame(Span { leaf: saved.size, ..tail }, leaf, what);
                None
            }
            None => {
                let what =
                    "the export begins behind the saved checkpoint and holds no proof for it: export with `since`";
                self.blame(tail, None, what.to_owned());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
