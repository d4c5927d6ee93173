//! Sets of rows as alternatives of equalities: union, intersection, containment. Pure; syntax stands for meaning, so
//! containment may say no where a theorem prover would say yes, never the other way round.

use manifest::{Equal, GrantRows, Literal};

/// One alternative: every equality must hold.
type Conjunction = Vec<Equal>;

/// Rows of `a` or of `b`.
#[must_use]
pub fn either(a: &GrantRows, b: &GrantRows) -> GrantRows {
    match (a, b) {
        (GrantRows::All, _) | (_, GrantRows::All) => GrantRows::All,
        (GrantRows::Any(x), GrantRows::Any(y)) => tidy(x.iter().chain(y).cloned().collect()),
    }
}

/// Rows of `a` that are also rows of `b`.
#[must_use]
pub fn both(a: &GrantRows, b: &GrantRows) -> GrantRows {
    match (a, b) {
        (GrantRows::All, other) | (other, GrantRows::All) => match other {
            GrantRows::All => GrantRows::All,
            GrantRows::Any(any) => tidy(any.clone()),
        },
        (GrantRows::Any(x), GrantRows::Any(y)) => {
            tidy(x.iter().flat_map(|left| y.iter().filter_map(|right| and(left, right))).collect())
        }
    }
}

/// Whether every row of `narrow` is surely a row of `wide`.
#[must_use]
pub fn covers(wide: &GrantRows, narrow: &GrantRows) -> bool {
    match (wide, narrow) {
        (GrantRows::All, _) => true,
        (GrantRows::Any(w), GrantRows::All) => w.iter().any(Vec::is_empty),
        (GrantRows::Any(w), GrantRows::Any(n)) => n.iter().all(|n| w.iter().any(|w| implies(n, w))),
    }
}

/// Whether no row can be in it.
#[must_use]
pub fn none(rows: &GrantRows) -> bool {
    matches!(rows, GrantRows::Any(any) if any.is_empty())
}

/// `published` of a collection with drafts.
#[must_use]
pub fn published() -> GrantRows {
    GrantRows::Any(vec![vec![Equal { column: "published".to_owned(), any: vec![Literal::Int(1)] }]])
}

/// On a part: the rows whose parent, named by the field `reference`, is in `set`. Columns of parents are written
/// `reference.column`; the statements of parts have them in view.
#[must_use]
pub fn through(reference: &str, set: &GrantRows) -> GrantRows {
    let dotted = |e: &Equal| Equal { column: format!("{reference}.{}", e.column), any: e.any.clone() };
    match set {
        GrantRows::All => GrantRows::All,
        GrantRows::Any(any) => GrantRows::Any(any.iter().map(|c| c.iter().map(dotted).collect()).collect()),
    }
}

/// Every row that satisfies `x` satisfies `y`.
fn implies(x: &[Equal], y: &[Equal]) -> bool {
    y.iter().all(|wanted| x.iter().any(|e| e.column == wanted.column && e.any.iter().all(|v| wanted.any.contains(v))))
}

/// Both hold; `None` when they cannot.
fn and(x: &[Equal], y: &[Equal]) -> Option<Conjunction> {
    let mut all = x.to_vec();
    for cell in y {
        // `@me` may equal any literal, so only literals are compared with literals.
        let literal = |e: &Equal| !e.any.contains(&Literal::Me);
        match all.iter_mut().find(|e| e.column == cell.column && (**e == *cell || literal(e) && literal(cell))) {
            Some(known) => known.any.retain(|v| cell.any.contains(v)),
            None => all.push(cell.clone()),
        }
    }
    all.iter().all(|e| !e.any.is_empty()).then_some(all)
}

/// Without alternatives that another one contains; `All` when one of them demands nothing.
fn tidy(any: Vec<Conjunction>) -> GrantRows {
    let mut kept: Vec<Conjunction> = Vec::with_capacity(any.len());
    for next in any {
        if next.iter().any(|e| e.any.is_empty()) || kept.iter().any(|k| implies(&next, k)) {
            continue;
        }
        kept.retain(|k| !implies(k, &next));
        kept.push(next);
    }
    if kept.iter().any(Vec::is_empty) { GrantRows::All } else { GrantRows::Any(kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every set of rows that two columns, two values and `@me` can describe with at most two alternatives.
    fn universe() -> Vec<GrantRows> {
        let cell = |column: &str, any: &[Literal]| Equal { column: column.to_owned(), any: any.to_vec() };
        let (zero, one) = (Literal::Int(0), Literal::Int(1));
        let mut cells = vec![Vec::new()];
        for column in ["a", "b"] {
            for any in [vec![zero.clone()], vec![one.clone()], vec![zero.clone(), one.clone()], vec![Literal::Me]] {
                cells.push(vec![cell(column, &any)]);
            }
        }
        let single = cells.clone();
        for x in &single[1..5] {
            for y in &single[5..] {
                cells.push([x.clone(), y.clone()].concat());
            }
        }
        let mut sets = vec![GrantRows::All, GrantRows::Any(Vec::new())];
        for (i, x) in cells.iter().enumerate() {
            sets.push(GrantRows::Any(vec![x.clone()]));
            sets.extend(cells[i + 1..].iter().step_by(3).map(|y| GrantRows::Any(vec![x.clone(), y.clone()])));
        }
        sets
    }

    /// What the set means: the rows (a, b) over three values, for a reader who is 0, 1 or 2.
    fn meaning(set: &GrantRows) -> u32 {
        let mut bits = 0;
        for at in 0..27_i64 {
            let (me, a, b) = (at / 9, at / 3 % 3, at % 3);
            let holds = |e: &Equal| {
                let value = if e.column == "a" { a } else { b };
                e.any.iter().any(|v| match v {
                    Literal::Me => value == me,
                    Literal::Int(i) => *i == value,
                    Literal::Text(_) => false,
                })
            };
            let inside = match set {
                GrantRows::All => true,
                GrantRows::Any(any) => any.iter().any(|c| c.iter().all(holds)),
            };
            bits |= u32::from(inside) << at;
        }
        bits
    }

    #[test]
    fn union_intersection_and_containment_mean_what_they_say() {
        let sets: Vec<_> = universe().into_iter().map(|s| (meaning(&s), s)).collect();
        let mut contained = 0_u32;
        for (x, a) in &sets {
            for (y, b) in &sets {
                assert_eq!(meaning(&either(a, b)), x | y, "{a:?} or {b:?}");
                assert_eq!(meaning(&both(a, b)), x & y, "{a:?} and {b:?}");
                if covers(a, b) {
                    assert_eq!(x & y, *y, "{a:?} covers {b:?}");
                    contained += 1;
                }
            }
            assert!(covers(a, a) && covers(&GrantRows::All, a) && covers(a, &GrantRows::Any(Vec::new())));
        }
        assert!(contained > 1000, "containment is not just reflexive");
    }
}
