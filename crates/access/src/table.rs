//! The access matrix as text: for golden files, and for auditors.

use std::fmt::Write as _;

use kernel::{Action, Bind, FieldSet, Grant, RowSet, Rows};
use manifest::{App, Collection, Equal, Literal};

use crate::matrix::{Column, Matrix};

/// A route as the table shows it: method, path, what it needs, and what besides.
pub type Line<'r> = (&'r str, &'r str, Action, Option<Action>);

/// Rows = resource.verb, columns = visitor and roles, cells = `all`, the names of row sets, or `-`; then the fields; then
/// who gets through each route. Stable: the same app and routes give the same text.
#[must_use]
pub fn golden<'r>(app: &App, routes: impl IntoIterator<Item = Line<'r>>) -> String {
    let matrix = Matrix::compile(app);
    let mut text = format!("access matrix of {}\n\n", app.id);
    text.push_str("rows: resource.verb [module that must be on]; cells: rows it reaches\n\n");
    text.push_str(&aligned(verbs(app, &matrix)));
    text.push_str("\nfields\n\n");
    text.push_str(&fields(app, &matrix));
    let mut lines: Vec<_> = routes.into_iter().map(|line| route(app, &matrix, line)).collect();
    if !lines.is_empty() {
        lines.sort();
        text.push_str("\nroutes\n\n");
        text.push_str(&aligned(lines));
    }
    text
}

/// Who may do what: a line of names, then one for each resource and verb. Cells as in [`golden`].
#[must_use]
pub fn table(app: &App) -> Vec<Vec<String>> {
    verbs(app, &Matrix::compile(app))
}

fn columns(app: &App) -> Vec<(&'static str, Column)> {
    let roles = (0_u8..).zip(&app.roles).map(|(at, role)| (role.id, Column::Role(at)));
    std::iter::once(("visitor", Column::Visitor)).chain(roles).collect()
}

fn verbs(app: &App, matrix: &Matrix) -> Vec<Vec<String>> {
    let columns = columns(app);
    let head = std::iter::once(String::new()).chain(columns.iter().map(|(name, _)| (*name).to_owned()));
    let mut lines = vec![head.collect()];
    for action in matrix.actions() {
        let module = matrix.module(action).map_or_else(String::new, |m| format!(" [{m}]"));
        let collection = app.collections.iter().find(|c| c.id == action.resource);
        let cells = columns.iter().map(|(_, who)| match matrix.cell(*who, action) {
            None => "-".to_owned(),
            Some(grant) => reach(app, collection, grant),
        });
        lines.push(std::iter::once(format!("{}.{}{module}", action.resource, action.verb)).chain(cells).collect());
    }
    lines
}

pub(crate) fn reach(app: &App, collection: Option<&Collection>, grant: &Grant) -> String {
    match &grant.rows {
        Rows::All => "all".to_owned(),
        Rows::Set(set) => named(app, collection, set),
    }
}

/// Alternatives by the names the manifest gives them; one without a name as its equalities.
fn named(app: &App, collection: Option<&Collection>, set: &RowSet) -> String {
    let mut names: Vec<_> = set.any.iter().map(|alternative| alternative_of(app, collection, alternative)).collect();
    names.sort();
    names.join("|")
}

/// On a part, what is said of its parent alone has the parent's name for it: `order.open`.
fn alternative_of(app: &App, collection: Option<&Collection>, cells: &[kernel::Cell]) -> String {
    let declared = collection.and_then(|c| c.rows.iter().find(|(_, declared)| same(declared, cells)));
    if let Some((name, _)) = declared {
        return (*name).to_owned();
    }
    let above = collection.and_then(|c| {
        let (parent, field) = c.part_of?;
        let reference = c.fields.get(field)?.id;
        let up = |cell: &kernel::Cell| {
            let column = cell.column.strip_prefix(reference)?.strip_prefix('.')?;
            Some(kernel::Cell { column: column.into(), any: cell.any.clone() })
        };
        let cells: Vec<_> = cells.iter().map(up).collect::<Option<_>>()?;
        Some(format!("{reference}.{}", alternative_of(app, app.collections.get(parent), &cells)))
    });
    above.unwrap_or_else(|| cells.iter().map(|c| cell(collection, c)).collect::<Vec<_>>().join("&"))
}

fn same(declared: &[Equal], compiled: &[kernel::Cell]) -> bool {
    let value = |(x, y): (&Literal, &Bind)| match (x, y) {
        (Literal::Int(x), Bind::Int(y)) => x == y,
        (Literal::Text(x), Bind::Text(y)) => **x == **y,
        (Literal::Me, Bind::Me) => true,
        _ => false,
    };
    declared.len() == compiled.len()
        && declared
            .iter()
            .zip(compiled)
            .all(|(x, y)| x.column == *y.column && x.any.len() == y.any.len() && x.any.iter().zip(&y.any).all(value))
}

fn cell(collection: Option<&Collection>, cell: &kernel::Cell) -> String {
    let field = |at: Option<usize>| at.and_then(|at| collection?.fields.get(at)).is_some_and(|f| *f.id == *cell.column);
    match (&*cell.column, cell.any.as_slice()) {
        ("published", [Bind::Int(1)]) => return "published".to_owned(),
        ("created_by", [Bind::Me]) => return "own".to_owned(),
        (_, [Bind::Me]) if field(collection.and_then(|c| c.assigned_to)) => return "assigned".to_owned(),
        (_, [Bind::Me]) if field(collection.and_then(|c| c.team)) => return "team".to_owned(),
        _ => {}
    }
    let value = |bind: &Bind| match bind {
        Bind::Int(i) => i.to_string(),
        Bind::Text(text) => text.to_string(),
        Bind::Me => "@me".to_owned(),
    };
    format!("{}={}", cell.column, cell.any.iter().map(value).collect::<Vec<_>>().join(","))
}

fn fields(app: &App, matrix: &Matrix) -> String {
    let mut text = String::new();
    for collection in &app.collections {
        for (label, verb) in [("read", "read"), ("create", "create"), ("write", "write")] {
            for (name, who) in columns(app) {
                let Some(grant) = matrix.cell(who, Action { resource: collection.id, verb }) else { continue };
                let set = if verb == "read" { grant.read } else { grant.write };
                let _ = writeln!(text, "{}.{label} {name}: {}", collection.id, listed(collection, set));
            }
        }
    }
    text
}

/// `all`, `all but a, b` or `a, b`, whichever is short.
fn listed(collection: &Collection, set: FieldSet) -> String {
    let names = |inside| {
        let fields = collection.fields.iter().enumerate().filter(|(at, _)| set.has(*at) == inside);
        fields.map(|(_, f)| f.id).collect::<Vec<_>>()
    };
    let (held, lacking) = (names(true), names(false));
    match (held.len(), lacking.len()) {
        (_, 0) => "all".to_owned(),
        (0, _) => "none".to_owned(),
        (h, l) if l < h => format!("all but {}", lacking.join(", ")),
        _ => held.join(", "),
    }
}

fn route(app: &App, matrix: &Matrix, (method, path, action, also): Line<'_>) -> Vec<String> {
    let who = match action.resource {
        "public" => "anyone".to_owned(),
        "account" => "anyone signed in".to_owned(),
        "house" => "anyone, on the apex host".to_owned(),
        "operator" if action.verb == "enter" => "anyone, on the apex host".to_owned(),
        "operator" => "operators: over the admin socket, or by a link from it".to_owned(),
        "development" => "anyone, on a development server".to_owned(),
        _ => {
            let both = |who| [Some(action), also].into_iter().flatten().all(|a| matrix.cell(who, a).is_some());
            let held = columns(app).into_iter().filter(|(_, who)| both(*who));
            let held: Vec<_> = held.map(|(name, _)| name).collect();
            if held.is_empty() { "nobody".to_owned() } else { held.join(" ") }
        }
    };
    let named = |a: Action| format!("{}.{}", a.resource, a.verb);
    let needs = also.map_or_else(|| named(action), |also| format!("{} {}", named(action), named(also)));
    vec![path.to_owned(), method.to_owned(), needs, who]
}

/// Columns under each other, without trailing blanks.
fn aligned(lines: Vec<Vec<String>>) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for line in &lines {
        widths.resize(widths.len().max(line.len()), 0);
        widths.iter_mut().zip(line).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
