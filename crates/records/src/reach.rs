//! Whether a row lies within a permit's reach, decided on values at hand. The store decides wherever a statement runs;
//! this is for rows that are not there yet, and for what an answer to a change may show.

use kernel::{Bind, Rows, UserId};
use store::Value;

/// Whether every cell of one alternative holds. A column that `value` does not know holds nothing.
pub(crate) fn holds(rows: &Rows, me: Option<UserId>, value: impl Fn(&str) -> Option<Value>) -> bool {
    let Rows::Set(set) = rows else { return true };
    let same = |bind: &Bind, found: &Value| match (bind, found) {
        (Bind::Int(a), Value::Int(b)) => a == b,
        (Bind::Text(a), Value::Text(b)) => **a == **b,
        (Bind::Me, Value::Text(b)) => me.is_some_and(|me| me.to_string() == *b),
        _ => false,
    };
    set.any.iter().any(|cells| {
        cells.iter().all(|cell| value(&cell.column).is_some_and(|found| cell.any.iter().any(|bind| same(bind, &found))))
    })
}
