use crate::{Actor, RequestId};

/// How an audited attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It happened.
    Done,
    /// Access said no.
    Refused,
    /// It was allowed and did not happen (wrong password, unmet guard).
    Failed,
}

impl Outcome {
    /// The word in a leaf's `outcome`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Through which door an event came: the leaf's `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A request with a bearer token or API key.
    Api,
    /// A request with a session cookie.
    Browser,
    /// Nobody signed in.
    Public,
    /// A job of the server.
    Job,
    /// The command line, through the admin socket.
    Admin,
}

impl Source {
    /// The word in a leaf's `source`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Browser => "browser",
            Self::Public => "public",
            Self::Job => "job",
            Self::Admin => "admin",
        }
    }
}

/// What an audit leaf says, before it has a place in the chain.
#[derive(Clone, Debug)]
pub struct Event {
    /// The action's name, such as `record.created` or `order.refunded`.
    pub name: &'static str,
    /// Who acted: an opaque id, never a name or an address.
    pub actor: Actor,
    /// What was acted on: `collection/id`, `member/id`. Opaque ids only.
    pub target: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Through which door.
    pub source: Source,
    /// The request it belongs to.
    pub request: RequestId,
    /// Values committed to by salted hash: name of the field, and its value. The values go to an erasable table.
    pub fields: Vec<(&'static str, String)>,
}

/// A check of the catalogue that a section keeps, with the sentence of the page it stands behind.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Id of the check, as `vouchsafe checks` lists it.
    pub check: &'static str,
    /// What is enforced, in one sentence.
    pub keeps: &'static str,
}
