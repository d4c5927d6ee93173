//! Collections, fields, and the forms and links that reach them from outside.

use std::collections::BTreeMap;

use super::{Action, Equal, Literal, Millis};

/// `[content_types]`.
#[derive(Clone, Copy, Debug)]
pub struct ContentTypes {
    /// How many a tenant may declare; 0: off.
    pub per_tenant: u32,
    /// Fields of one.
    pub fields: u32,
}

/// `[collections.C]`.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Its id: the table's and the URL's name.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// Records start as drafts and are published.
    pub drafts: bool,
    /// Versions kept: 0 none, `u32::MAX` all.
    pub versions: u32,
    /// Records are never changed or deleted.
    pub append_only: bool,
    /// (position of the parent collection, position of the reference field here).
    pub part_of: Option<(usize, usize)>,
    /// Keys of several fields, by position.
    pub unique: Vec<Vec<usize>>,
    /// Field that holds who a record is assigned to.
    pub assigned_to: Option<usize>,
    /// Field that holds the team.
    pub team: Option<usize>,
    /// Field that says whose data a row is.
    pub subject: Option<usize>,
    /// At most 128, in the file's order.
    pub fields: Vec<Field>,
    /// Named row sets.
    pub rows: BTreeMap<&'static str, Vec<Equal>>,
    /// Declared actions; with `drafts`, `publish` is among them.
    pub actions: Vec<Action>,
}

impl Collection {
    /// Position of the field called `name`.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.id == name)
    }
}

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its id: the column's and the JSON member's name.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// Type with its own parameters.
    pub kind: Kind,
    /// Must be given at creation.
    pub required: bool,
    /// No two records share it.
    pub unique: bool,
    /// Stored form of the default.
    pub default: Option<Literal>,
    /// Personal data.
    pub personal: bool,
    /// Sealed before it is written.
    pub encrypted: bool,
    /// An index is kept for filters.
    pub index: Index,
    /// Never accepted from outside.
    pub read_only: bool,
    /// Lower bound in stored form (length for texts).
    pub min: Option<i64>,
    /// Upper bound in stored form (characters for texts, bytes for json and file).
    pub max: Option<i64>,
    /// Anchored regular expression.
    pub pattern: Option<String>,
    /// Where the value comes from, when not from outside.
    pub derived: Option<Derived>,
    /// Holds several values (text, enum, reference): a JSON array.
    pub many: bool,
}

/// Index of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// None.
    No,
    /// Ordinary.
    Plain,
    /// Keyed hash of an encrypted value: equality only.
    Blind,
}

/// A field's type. Column type in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain text [TEXT].
    Text,
    /// HTML, sanitised on write and at display [TEXT].
    RichText,
    /// [INTEGER].
    Integer,
    /// Up to six fractional digits, stored as millionths [INTEGER]; a number in JSON.
    Decimal,
    /// Minor units of the app's currency [INTEGER]; "12.50 EUR" in JSON.
    Money,
    /// 0 or 1 [INTEGER].
    Boolean,
    /// `2026-05-04` [TEXT].
    Date,
    /// Milliseconds since the epoch [INTEGER]; RFC 3339 in JSON.
    DateTime,
    /// One of these [TEXT].
    Enum(Vec<String>),
    /// [TEXT].
    Email,
    /// http or https [TEXT].
    Url,
    /// Any JSON [TEXT].
    Json,
    /// Another collection's record, or a member [TEXT].
    Reference {
        /// Where it points.
        to: Target,
        /// Only published records may be referred to, or those of the named row set.
        only: Option<Vec<Equal>>,
        /// What deleting the target does.
        on_delete: OnDelete,
    },
    /// An uploaded file's metadata [TEXT].
    File {
        /// Accepted types: `image/png`, `image/*`.
        accept: Vec<String>,
    },
    /// Sealed, never read back [BLOB].
    Secret,
}

/// Where a reference points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A collection by position.
    Collection(usize),
    /// A member of the tenant.
    Members,
}

/// What deleting the target of a reference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// The deletion is refused.
    Refuse,
    /// The record goes too.
    Cascade,
    /// The reference is emptied.
    Clear,
}

/// Where a derived field's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Derived {
    /// 1, 2, 3, ... per tenant.
    Sequence,
    /// Sum of a field of the parts: (collection, field).
    Sum(usize, usize),
    /// Product of two fields here.
    Product(usize, usize),
    /// Value of a field of the referred record at creation: (reference field here, field there).
    Copy(usize, usize),
}

/// `[submissions.S]`.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Its id: the URL's name.
    pub id: &'static str,
    /// Collection that gets the record.
    pub creates: usize,
    /// Fields accepted, by position.
    pub fields: Vec<usize>,
    /// Parts accepted: (collection, its fields, at most so many).
    pub children: Vec<(usize, Vec<usize>, u32)>,
    /// References made along: (field here, fields there).
    pub references: Vec<(usize, Vec<usize>)>,
    /// Fields set by us.
    pub sets: Vec<(usize, Literal)>,
    /// Limit tier.
    pub limit: &'static str,
    /// A hidden member `website` must stay empty.
    pub honeypot: bool,
    /// Sent too fast after the form was loaded is refused.
    pub timing: bool,
}

/// `[shares.S]`.
#[derive(Clone, Debug)]
pub struct Share {
    /// Its id.
    pub id: &'static str,
    /// What is shown: (collection, fields); the first is the shared record's.
    pub shows: Vec<(usize, Vec<usize>)>,
    /// Digits of the PIN; 0: none.
    pub pin: u8,
    /// How long a link lives.
    pub ttl: Millis,
    /// Limit tier.
    pub limit: &'static str,
}
