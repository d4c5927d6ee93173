//! The proof that a decision was made, and what the decision reaches.

use std::{
    collections::HashSet,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{Event, Mint, Outcome, Permits, Principal};

/// A cell of the access matrix: a resource and a verb on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action {
    /// A collection, or a tenant resource such as `members`.
    pub resource: &'static str,
    /// A verb: `read`, `create`, a declared action, `manage`.
    pub verb: &'static str,
}

/// `may("orders", "refund")`.
#[must_use]
pub const fn may(resource: &'static str, verb: &'static str) -> Action {
    Action { resource, verb }
}

/// Names from a manifest live as long as the program: made once per distinct name, never per request.
#[must_use]
pub fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return known;
    }
    let leaked: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(leaked);
    leaked
}

/// One value a row predicate compares with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// An integer or boolean (0, 1).
    Int(i64),
    /// A text.
    Text(Box<str>),
    /// The id of the acting user, filled in when the statement runs.
    Me,
}

/// `column = value`, or `column IN (values)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// A column of the collection's table, checked against the manifest.
    pub column: Box<str>,
    /// One or more values; one must match.
    pub any: Vec<Bind>,
}

/// Rows a grant reaches: any of several conjunctions of equalities. Compiled once from the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowSet {
    /// A number unique among the compiled sets of a process: the store caches statement texts by it.
    pub id: u32,
    /// Alternatives; every cell of one must hold.
    pub any: Vec<Vec<Cell>>,
}

/// Which rows a permit reaches: the store puts it where a statement says `{rows}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Every row of the tenant.
    All,
    /// Those of the set.
    Set(Arc<RowSet>),
}

/// A set of a collection's fields, by position in the manifest; at most 128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSet(pub u128);

impl FieldSet {
    /// Every field.
    pub const ALL: Self = Self(u128::MAX);
    /// No field.
    pub const NONE: Self = Self(0);
    /// Whether the field at `position` is in the set.
    #[must_use]
    pub const fn has(self, position: usize) -> bool {
        position < 128 && self.0 & (1 << position) != 0
    }
    /// With the field at `position`.
    #[must_use]
    pub const fn with(self, position: usize) -> Self {
        if position < 128 { Self(self.0 | 1 << position) } else { self }
    }
    /// In both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// In either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a decision reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The rows this action reaches.
    pub rows: Rows,
    /// The rows the same principal may read: what an answer to a change may show.
    pub visible: Option<Rows>,
    /// Fields that may be read (shown, filtered, sorted). Positions of the collection's fields.
    pub read: FieldSet,
    /// Fields that may be set.
    pub write: FieldSet,
    /// Whether drafts are seen.
    pub drafts: bool,
}

impl Grant {
    /// For resources without rows or fields.
    pub const PLAIN: Self =
        Self { rows: Rows::All, visible: Some(Rows::All), read: FieldSet::ALL, write: FieldSet::ALL, drafts: true };
}

/// What a permit is for.
pub trait Mode: Send + Sync + 'static {}
/// Reading only.
pub enum Read {}
/// Reading and one batch of changes.
pub enum Write {}
impl Mode for Read {}
impl Mode for Write {}

/// Proof that `access` decided. Not `Clone`: one decision, one request.
pub struct Permit<M: Mode> {
    principal: Principal,
    event: &'static str,
    grant: Grant,
    mode: PhantomData<fn() -> M>,
}

impl<M: Mode> Permit<M> {
    /// Made by access after the decision. `event` names the leaf that a change under this permit leaves.
    #[must_use]
    pub const fn grant(_: &Mint<Permits>, principal: Principal, event: &'static str, grant: Grant) -> Self {
        Self { principal, event, grant, mode: PhantomData }
    }
    /// Who acts.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }
    /// What the decision reaches.
    #[must_use]
    pub const fn reach(&self) -> &Grant {
        &self.grant
    }
    /// The leaf this permit leaves: name and actor are the permit's, never the handler's.
    #[must_use]
    pub fn event(&self, target: impl Into<String>, outcome: Outcome) -> Event {
        self.principal.event(self.event, target, outcome)
    }
}
