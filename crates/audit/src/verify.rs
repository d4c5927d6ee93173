//! The whole chain, leaf by leaf. Pure: bytes in, verdict out.

use std::fmt;

use store::Head;

use crate::{leaf::leaf_hash, links::Links};

/// The first broken link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Place at which the chain does not hold, counted from 0.
    pub seq: u64,
    /// What does not hold there.
    pub why: Why,
}

/// What can be wrong with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The bytes are not a leaf in its canonical form.
    NotALeaf,
    /// Another leaf belongs here: one was removed, inserted or moved.
    Place {
        /// The place the leaf found here claims.
        found: u64,
    },
    /// Its `prev` is not the hash of the leaf before: one of the two was changed.
    Prev,
    /// The bytes are not those that were hashed when the leaf was written.
    Changed,
    /// It is earlier than the leaf before.
    Time,
    /// The log ends here, before its recorded end.
    Short,
    /// The log goes on here, past its recorded end.
    Long,
    /// The last leaf is not the one recorded as the end.
    End,
    /// Leaves up to here link, and are not those that were published: they were rewritten together.
    Root,
}

impl Why {
    /// A word for machines.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotALeaf => "not_a_leaf",
            Self::Place { .. } => "place",
            Self::Prev => "prev",
            Self::Changed => "changed",
            Self::Time => "time",
            Self::Short => "short",
            Self::Long => "long",
            Self::End => "end",
            Self::Root => "root",
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, why } = self;
        match why {
            Why::NotALeaf => write!(f, "leaf {seq} is not a leaf in canonical form: it was changed"),
            Why::Place { found } => write!(f, "leaf {found} stands at place {seq}: one was removed, inserted or moved"),
            Why::Prev => write!(f, "leaf {seq} does not link to the leaf before it: one of the two was changed"),
            Why::Changed => write!(f, "leaf {seq} is not what was written: it was changed"),
            Why::Time => write!(f, "leaf {seq} is earlier than the leaf before it"),
            Why::Short => write!(f, "the log ends before leaf {seq}, which was written: its end was cut off"),
            Why::Long => write!(f, "leaf {seq} lies past the recorded end of the log"),
            Why::Root => {
                write!(
                    f,
                    "the leaves up to {seq} link, and are not those that were signed: they were rewritten together"
                )
            }
            Why::End => write!(f, "leaf {seq}, the last, is not the one that was written last"),
        }
    }
}

/// Walks a chain from a trusted head; `Head::default()` is the beginning.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    head: Head,
}

impl Checker {
    /// Starts behind `head`, which is trusted: leaves before it may have been pruned.
    #[must_use]
    pub const fn from(head: Head) -> Self {
        Self { head }
    }
    /// Where the walk stands.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }
    /// The next leaf.
    ///
    /// # Errors
    /// The link that does not hold; the walk is over then.
    pub fn push(&mut self, body: &[u8]) -> Result<(), Broken> {
        self.push_hashed(body, leaf_hash(body))
    }
    /// As [`Checker::push`], where the leaf's hash is known.
    pub(crate) fn push_hashed(&mut self, body: &[u8], hash: [u8; 32]) -> Result<(), Broken> {
        let seq = self.head.size;
        let broken = |why| Broken { seq, why };
        let leaf = Links::read(body).ok_or(broken(Why::NotALeaf))?;
        if leaf.seq != seq {
            return Err(broken(Why::Place { found: leaf.seq }));
        }
        if leaf.prev != self.head.hash {
            return Err(broken(Why::Prev));
        }
        if seq > 0 && leaf.at < self.head.at {
            return Err(broken(Why::Time));
        }
        self.head = Head { size: seq + 1, hash, at: leaf.at };
        Ok(())
    }
    /// Compares the end reached with the one recorded elsewhere: without it, leaves cut off the end are not missed.
    ///
    /// # Errors
    /// The place where the two differ.
    pub fn finish(self, recorded: &Head) -> Result<Head, Broken> {
        let last = self.head.size.saturating_sub(1);
        if self.head.size < recorded.size {
            Err(Broken { seq: self.head.size, why: Why::Short })
        } else if self.head.size > recorded.size {
            Err(Broken { seq: recorded.size, why: Why::Long })
        } else if self.head.hash != recorded.hash {
            Err(Broken { seq: last, why: Why::End })
        } else {
            Ok(self.head)
        }
    }
}

/// Checks a chain from its beginning.
///
/// # Errors
/// The first link that does not hold.
pub fn check<B: AsRef<[u8]>>(leaves: impl IntoIterator<Item = B>) -> Result<Head, Broken> {
    let mut checker = Checker::default();
    for leaf in leaves {
        checker.push(leaf.as_ref())?;
    }
    Ok(checker.head)
}

#[cfg(test)]
mod tests;
