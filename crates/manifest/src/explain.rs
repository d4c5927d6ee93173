//! What is in force, in words for a terminal.

use std::collections::BTreeSet;

use crate::{App, Page, fault::wrap, keys::SECTIONS, units};

/// Every default in force, section by section: what the file does not say and the program does.
#[must_use]
pub fn explain(app: &App) -> String {
    let mut out = String::new();
    let defaults: BTreeSet<&str> = app.defaults.iter().map(String::as_str).collect();
    for section in SECTIONS {
        let inside = |path: &&&str| path.split('.').next() == Some(section.name);
        let paths: Vec<&str> = defaults.iter().filter(inside).copied().collect();
        if paths.is_empty() {
            continue;
        }
        out.push_str(&format!("\n[{}]  {}\n", section.name, section.doc));
        let width = paths.iter().map(|p| relative(p).chars().count()).max().unwrap_or(0).min(34);
        for path in paths {
            let Some(figure) = app.figures.get(path) else { continue };
            let value = figure.print(&app.tenant.noun);
            let value = if value.is_empty() { "none".to_owned() } else { value };
            for (at, line) in wrap(&value, 96 - width).iter().enumerate() {
                let name = if at == 0 { relative(path) } else { "" };
                out.push_str(&format!("  {name:<width$}  {line}\n"));
            }
        }
    }
    out.trim_start().to_owned()
}

/// The path without its section.
fn relative(path: &str) -> &str {
    path.split_once('.').map_or(path, |(_, rest)| rest)
}

/// The two lines of a check that found nothing wrong.
#[must_use]
pub fn summary(app: &App, page: &Page) -> String {
    let count = |n: usize, noun: &str| units::plural(i64::try_from(n).unwrap_or(0), noun);
    let fields = app.collections.iter().map(|c| c.fields.len()).sum();
    let written = |c: &crate::Collection| app.figures.contains_key(&format!("collections.{}.publish", c.id));
    let declared = |c: &crate::Collection| c.actions.iter().filter(|a| a.id != "publish" || written(c)).count();
    let actions = app.collections.iter().map(declared).sum();
    format!(
        "  ok   app.toml       {}, {}, {}, {}, {}\n  ok   security.md    {}, {}, nothing unbound\n",
        count(app.roles.len(), "role"),
        count(app.collections.len(), "collection"),
        count(fields, "field"),
        count(actions, "action"),
        count(app.limits.own.len(), "own rate limit"),
        count(page.claims.len(), "promise"),
        count(page.figures, "figure"),
    )
}
