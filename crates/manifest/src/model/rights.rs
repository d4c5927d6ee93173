//! Roles and what they grant.

use std::collections::BTreeMap;

/// `[roles.R]`.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its id.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// The role of an invitation that names none.
    pub default: bool,
    /// What everybody of the role may do.
    pub floor: Grants,
    /// What a custom role may raise them to; equals the floor when none is written.
    pub ceiling: Grants,
}

/// Rights, compiled: sorted by collection position; `like` and `*` are already resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// By position in `App::collections`; absent: nothing. Parts (`part_of`) hold their parent's rights already.
    pub collections: BTreeMap<usize, CollectionGrant>,
    /// Tenant resources: name -> what.
    pub tenant: BTreeMap<&'static str, Manage>,
}

/// Right on a tenant resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manage {
    /// See it.
    Read,
    /// See and change it.
    Manage,
}

/// Rights on one collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionGrant {
    /// Verb (`read`, `read_draft`, `create`, `write`, `delete`, `publish`, `submit`, or a declared action) -> the rows it
    /// reaches. `read_draft` always comes with `read`.
    pub verbs: BTreeMap<&'static str, GrantRows>,
    /// Fields by position that may be read, where `read` is held.
    pub read: kernel::FieldSet,
    /// Fields by position that may be changed, where `write` is held.
    pub write: kernel::FieldSet,
    /// Fields by position that may be set in a new record, where `create` is held.
    pub create: kernel::FieldSet,
}

/// Rows a verb reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantRows {
    /// All of the tenant's.
    All,
    /// Rows of any of these named sets; each is a conjunction of equalities.
    Any(Vec<Vec<Equal>>),
}

/// One equality of a row set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equal {
    /// Column name: a field's, or `created_by`, `published`. In a right that a part inherits, the parent's column
    /// behind the part's reference field: `order.status`.
    pub column: String,
    /// One of these must match.
    pub any: Vec<Literal>,
}

/// A value in the manifest, in stored form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Integers, booleans (0, 1), money (minor units), decimals (millionths), date-times (ms).
    Int(i64),
    /// Text, enum values, dates.
    Text(String),
    /// `@me`.
    Me,
}

/// `[custom_roles]`.
#[derive(Clone, Debug)]
pub struct CustomRoles {
    /// Module that gates them.
    pub module: Option<&'static str>,
    /// How many one member may hold.
    pub per_member: u32,
    /// Verbs they may grant.
    pub verbs: Vec<&'static str>,
}
