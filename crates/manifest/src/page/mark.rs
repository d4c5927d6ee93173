//! Marks: `[ID](#CHECK[,CHECK] "KIND")`.

use crate::{
    CheckKind, Millis, catalogue,
    fault::{Source, Span},
    near,
    page::fill::find,
    units,
};

/// A mark as written.
pub(crate) struct Mark {
    pub(crate) id: String,
    pub(crate) checks: Vec<&'static str>,
    pub(crate) kind: CheckKind,
    pub(crate) max_age: Option<Millis>,
}

/// Reads a mark; `None` after a fault.
pub(crate) fn mark(source: &Source<'_>, span: &Span, id: &str, to: &str, title: &str) -> Option<Mark> {
    if !is_id(id) {
        let help = "It begins with a letter and has at most 40 of A-Z, a-z, 0-9, _, . and -.";
        source.fault(span, "mark", format!("`{id}` is no name of a mark."), help);
        return None;
    }
    let mut checks = Vec::new();
    let mut kinds = Vec::new();
    for name in to.split(',').map(str::trim) {
        match catalogue::check(name) {
            Some(check) if checks.contains(&check.id) => {
                source.fault(&find(source, span, name), "mark", format!("`{name}` is there twice."), "");
            }
            Some(check) => {
                checks.push(check.id);
                kinds.push(check.kind);
            }
            None => {
                let at = find(source, span, name);
                source.fault(&at, "unknown check", format!("no check `{name}`."), catalogue::hint(name));
            }
        }
    }
    let own = kinds.into_iter().max_by_key(|kind| weakness(*kind))?;
    let (kind, max_age) = if title.is_empty() { (own, None) } else { kind(source, span, title)? };
    Some(Mark { id: id.to_owned(), checks, kind, max_age })
}

/// Of several checks, the kind that a program proves least.
const fn weakness(kind: CheckKind) -> u8 {
    match kind {
        CheckKind::Probed => 0,
        CheckKind::Enforced => 1,
        CheckKind::Provider => 2,
        CheckKind::Attested => 3,
    }
}

fn kind(source: &Source<'_>, span: &Span, title: &str) -> Option<(CheckKind, Option<Millis>)> {
    let (word, age) = title.split_once(',').map_or((title.trim(), None), |(w, a)| (w.trim(), Some(a.trim())));
    let Some(kind) = CheckKind::parse(word) else {
        let help = near::hint(word, "Kinds", ["provider", "attested", "enforced", "probed"]);
        source.fault(&find(source, span, word), "mark", format!("no kind `{word}`."), help);
        return None;
    };
    let Some(age) = age else { return Some((kind, None)) };
    let at = find(source, span, age);
    let Some((millis, _)) = units::duration(age) else {
        source.fault(&at, "mark", format!("`{age}` is no duration."), "Write it as \"attested, 92 days\".");
        return None;
    };
    if kind != CheckKind::Attested {
        source.fault(&at, "mark", "only an attested promise has an age.", "Write it as \"attested, 92 days\".");
        return None;
    }
    Some((kind, Some(millis)))
}

/// `[A-Za-z][A-Za-z0-9_.-]{0,39}`
fn is_id(id: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    id.len() <= 40 && id.starts_with(|c: char| c.is_ascii_alphabetic()) && id.bytes().all(rest)
}
