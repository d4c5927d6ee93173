//! What is known of a check after a run.

use manifest::Verdict;

use crate::evidence::{Evidence, Finding};

/// What is known about one check after a run.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its id.
    pub check: &'static str,
    /// The verdict of its probe.
    pub verdict: Verdict,
    /// What the probe brought back.
    pub evidence: Evidence,
    /// What it found broken.
    pub finding: Option<Finding>,
    /// Why it could not tell, is not built, or not applicable.
    pub note: String,
    /// How long it took.
    pub took: std::time::Duration,
    /// Whether the clock was moved for it.
    pub steered: bool,
    /// On which server.
    pub place: Place,
}

/// On which server a probe ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The one that people use.
    Live,
    /// One that the prober started, with fresh data.
    #[default]
    Own,
}

impl Place {
    /// Its words in evidence.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Own => "own instance",
        }
    }
}
