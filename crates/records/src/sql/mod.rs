//! Every statement of the section. Identifiers come from the manifest (`[a-z][a-z0-9_]{0,39}`) and are quoted; values are
//! bound. Texts that depend on a request's shape are composed from these and kept, bounded, by their text.

mod list;
mod own;
mod record;
mod shape;
mod stage;

use store::{Change, Own, Query};

pub(crate) use list::{count, every, page, referring};
pub(crate) use own::*;
pub(crate) use record::{Layout, Shelf, count_due, delete, due, get, literal, referred, sums, update};
pub(crate) use shape::Shapes;
pub(crate) use stage::Stage;

/// A statement that reads, with values as arguments and the row left to the caller.
pub(crate) type Read = Query<Own, Vec<store::Value>, ()>;
/// A statement that changes.
pub(crate) type Write = Change<Own, Vec<store::Value>>;

/// `"name"`.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// Arguments in the order of `$1`, `$2`, ...
#[derive(Default)]
pub(crate) struct Bound(Vec<store::Value>);

impl Bound {
    /// The argument's mark.
    pub(crate) fn put(&mut self, value: impl Into<store::Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }
    /// A mark whose type both engines know where no column beside it says it.
    pub(crate) fn typed(&mut self, kind: store::Type, value: impl Into<store::Value>) -> String {
        let mark = self.put(value);
        match kind {
            store::Type::Int => format!("CAST({mark} AS BIGINT)"),
            store::Type::Text => format!("CAST({mark} AS TEXT)"),
            store::Type::Blob => mark,
        }
    }
    /// All of them.
    pub(crate) fn into_values(self) -> Vec<store::Value> {
        self.0
    }
}
