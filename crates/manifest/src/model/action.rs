//! Actions: what they ask for and what they write.

use super::{Field, Literal, Millis};

/// `[collections.C.actions.A]`.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its id: the verb's and the URL's name.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// Inputs, typed like fields.
    pub input: Vec<Field>,
    /// Must hold before.
    pub when: Vec<Guard>,
    /// What changes.
    pub set: Vec<(usize, Set)>,
    /// Must hold after.
    pub ensure: Vec<Guard>,
    /// Publishes (`true`) or unpublishes (`false`) the record.
    pub published: Option<bool>,
    /// Field that schedules publishing.
    pub at: Option<usize>,
    /// Records made besides: (collection, its fields).
    pub create: Vec<(usize, Vec<(usize, Set)>)>,
    /// Name of the audit leaf.
    pub audit: &'static str,
    /// Name of the outgoing event.
    pub event: &'static str,
    /// Limit tier.
    pub limit: &'static str,
    /// The person must have proved who they are within this time.
    pub step_up: Option<Millis>,
    /// Asks before acting.
    pub confirm: bool,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What is compared.
    pub left: Operand,
    /// How.
    pub is: Test,
}

/// What a guard compares or a set takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A field of the record, by position.
    Field(usize),
    /// Whether the record is published.
    Published,
    /// An input of the action, by position.
    Input(usize),
    /// A literal in stored form.
    Value(Literal),
    /// The present moment.
    Now,
}

/// How a guard compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// One of these values.
    In(Vec<Literal>),
    /// Has a value.
    Set,
    /// Has none.
    Unset,
    /// `<`.
    Less(Operand),
    /// `<=`.
    AtMost(Operand),
    /// `>`.
    More(Operand),
    /// `>=`.
    AtLeast(Operand),
}

/// What an action writes into a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// A literal.
    Value(Literal),
    /// Nothing.
    Empty,
    /// The acting member.
    Me,
    /// The present moment.
    Now,
    /// The record's id (in `create`).
    Record,
    /// An input, by position.
    Input(usize),
    /// Adds a number or an input.
    Add(Operand),
    /// Takes it away.
    Subtract(Operand),
    /// The literal, if after the change the two fields are equal.
    ValueIf(Literal, usize, usize),
}
