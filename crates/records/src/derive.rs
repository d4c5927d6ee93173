//! Derived fields: products here, sums in the parent, copies at creation.

use manifest::{Collection, Derived, Field, Kind};
use store::{Batch, Own, Value};

use crate::{
    input::Unfit,
    shelf::{Records, Shelf},
};

/// Decimal places that stored values of a kind carry beyond the value itself.
const fn places(kind: &Kind) -> u32 {
    if matches!(kind, Kind::Decimal) { 6 } else { 0 }
}

/// What the product of two stored values is multiplied and divided by.
fn scale(c: &Collection, field: &Field) -> Option<(usize, usize, i64, i64)> {
    let Some(Derived::Product(a, b)) = field.derived else { return None };
    let have = places(&c.fields.get(a)?.kind) + places(&c.fields.get(b)?.kind);
    let want = places(&field.kind);
    Some((a, b, 10_i64.pow(want.saturating_sub(have)), 10_i64.pow(have.saturating_sub(want))))
}

/// The expression of a product, over expressions of the fields; `None` for other fields.
pub(crate) fn product(c: &Collection, field: &Field, after: &[String]) -> Option<String> {
    let (a, b, times, over) = scale(c, field)?;
    let (a, b) = (after.get(a)?, after.get(b)?);
    Some(match (times, over) {
        (1, 1) => format!("({a} * {b})"),
        (times, 1) => format!("({a} * {b} * {times})"),
        (_, over) => format!("(({a} * {b} + {}) / {over})", over / 2),
    })
}

/// The value of a product; `None` for other fields, `Null` while a factor is missing.
pub(crate) fn multiplied(c: &Collection, field: &Field, values: &[Value]) -> Option<Result<Value, Unfit>> {
    let (a, b, times, over) = scale(c, field)?;
    let (Some(Value::Int(a)), Some(Value::Int(b))) = (values.get(a), values.get(b)) else {
        return Some(Ok(Value::Null));
    };
    let exact = i128::from(*a) * i128::from(*b) * i128::from(times);
    let rounded = if over == 1 { exact } else { (exact + i128::from(over / 2)) / i128::from(over) };
    let fits = i64::try_from(rounded).ok().filter(|n| n.unsigned_abs() < 1 << 53);
    Some(fits.map(Value::Int).ok_or(("max", "the result is larger than allowed")))
}

/// A part was made, changed or removed: its parent's sums follow in the same batch, and theirs.
pub(crate) fn recompute(
    records: &Records,
    part: &Shelf,
    batch: Batch<Own>,
    parent: &str,
    now: kernel::Time,
) -> Batch<Own> {
    records
        .sums
        .get(part.at)
        .into_iter()
        .flatten()
        .fold(batch, |b, change| b.any(change, vec![parent.into(), now.into()]))
}

/// For each collection, what follows from a change of its records: the parent's sums, the parent's parent's, ...
pub(crate) fn chains(collections: &[Collection]) -> Vec<Vec<crate::sql::Write>> {
    let chain = |at: usize| {
        let mut changes = Vec::new();
        let mut only = "\"id\" = $1".to_owned();
        let mut here = at;
        while let Some(part) = collections.get(here)
            && let Some((up, _)) = part.part_of
            && let Some(parent) = collections.get(up)
            && changes.len() < 8
        {
            changes.extend(crate::sql::sums(parent, part, here, &only));

            let Some((_, reference)) = parent.part_of else { break };
            let Some(reference) = parent.fields.get(reference) else { break };
            only = format!("\"id\" = (SELECT \"{}\" FROM \"{}\" WHERE {only})", reference.id, parent.id);
            here = up;
        }
        changes
    };
    (0..collections.len()).map(chain).collect()
}
