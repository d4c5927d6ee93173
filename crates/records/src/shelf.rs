//! What is made of the manifest once, at start: one [`Shelf`] per collection, and [`Records`] with all of them.

use std::sync::Arc;

use encryption::Vault;
use kernel::{Clock, FieldSet, Rng};
use manifest::{App, Collection, Derived, Field, Kind};
use regex_lite::Regex;
use store::Type;

use crate::{Parts, action::Plan, cursor, rich::Known, sql};

/// The section: every collection of the app, compiled.
pub struct Records {
    pub(crate) app: Arc<App>,
    pub(crate) shelves: Vec<Arc<Shelf>>,
    pub(crate) vault: Vault,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shapes: sql::Shapes,
    pub(crate) clean: Known,
    pub(crate) cursors: cursor::Keys,
    /// What follows from a change of each collection's records.
    pub(crate) sums: Vec<Vec<sql::Write>>,
    /// Imports that run on their own.
    pub(crate) imports: crate::run::Runs,
    /// Fractional digits of the app's currency.
    pub(crate) digits: u32,
}

/// One collection, compiled.
pub(crate) struct Shelf {
    /// Position among the app's collections.
    pub(crate) at: usize,
    /// As declared.
    pub(crate) def: Collection,
    /// `,"name":` of each field.
    pub(crate) keys: Vec<Vec<u8>>,
    /// Anchored pattern of each field.
    pub(crate) patterns: Vec<Option<Regex>>,
    /// Fields whose values are sealed.
    pub(crate) sealed: FieldSet,
    /// Position of the sequence's field, if any.
    pub(crate) sequence: Option<usize>,
    /// Statements.
    pub(crate) sql: sql::Shelf,
    /// Statements of imports.
    pub(crate) stage: sql::Stage,
    /// Declared actions, and `unpublish` where records are published.
    pub(crate) actions: Vec<Arc<Plan>>,
}

/// A collection with the section it belongs to: the service of its handlers.
pub(crate) struct Desk {
    pub(crate) records: Arc<Records>,
    pub(crate) shelf: Arc<Shelf>,
}

impl Records {
    pub(crate) fn compile(parts: Parts) -> Self {
        let Parts { app, vault, rng, clock } = parts;
        let shelves = (0..app.collections.len()).filter_map(|at| Shelf::compile(&app, at)).map(Arc::new).collect();
        Self {
            digits: manifest::amount::exponent(app.currency),
            shelves,
            vault,
            rng,
            clock,
            shapes: sql::Shapes::default(),
            clean: Known::default(),
            cursors: cursor::Keys::default(),
            imports: crate::run::Runs::default(),
            sums: crate::derive::chains(&app.collections),
            app,
        }
    }

    /// The collection at a position of the manifest.
    pub(crate) fn shelf(&self, at: usize) -> Option<&Arc<Shelf>> {
        self.shelves.get(at)
    }
}

impl Shelf {
    fn compile(app: &App, at: usize) -> Option<Self> {
        let def = app.collections.get(at)?.clone();
        let fields = || def.fields.iter();
        let pattern = |f: &Field| f.pattern.as_ref().and_then(|p| Regex::new(&format!("^(?:{p})$")).ok());
        Some(Self {
            at,
            keys: fields().map(|f| format!(",\"{}\":", f.id).into_bytes()).collect(),
            patterns: fields().map(pattern).collect(),
            sealed: fields().enumerate().filter(|(_, f)| sealed(f)).fold(FieldSet::NONE, |set, (i, _)| set.with(i)),
            sequence: fields().position(|f| f.derived == Some(Derived::Sequence)),
            sql: sql::Shelf::new(app, &def),
            stage: sql::Stage::new(app, &def),
            actions: Plan::all(&def),
            def,
        })
    }

    /// The field at a position.
    pub(crate) fn field(&self, at: usize) -> Option<&Field> {
        self.def.fields.get(at)
    }

    /// Fields with their positions.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (usize, &Field)> {
        self.def.fields.iter().enumerate()
    }
}

/// Whether a field's values are sealed before they are written.
pub(crate) fn sealed(field: &Field) -> bool {
    field.encrypted || field.kind == Kind::Secret
}

/// Type of a field's column.
pub(crate) fn column_type(field: &Field) -> Type {
    if sealed(field) {
        return Type::Blob;
    }
    match field.kind {
        _ if field.many => Type::Text,
        Kind::Integer | Kind::Decimal | Kind::Money | Kind::Boolean | Kind::DateTime => Type::Int,
        _ => Type::Text,
    }
}
