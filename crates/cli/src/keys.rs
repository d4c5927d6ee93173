//! `vouchsafe keys`: the keys of a running server, as a person reads them.

use std::{path::Path, process::ExitCode, thread::sleep, time::Duration};

use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::{client, screen};

fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Columns as wide as their widest cell.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let wide = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain(head.get(at).map(|h| h.len())).max().unwrap_or(0)
    };
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = wide(at)));
        format!("  {}", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(line(head.to_vec())).chain(body).collect::<Vec<_>>().join("\n")
}

/// `keys status`: fails when a root key is older than keys may be.
pub fn status(data: &Path, operator: &str) -> Result<ExitCode, ExitCode> {
    let told = client::ask(data, &json!({"do": "keys.status", "as": operator}))?;
    let every = text(&told, "rotate_days");
    let rows: Vec<Vec<String>> = items(&told, "regions")
        .map(|r| {
            let age = match r.get("age_days").and_then(Value::as_i64) {
                Some(days) => format!("{days} of {every} days"),
                None => "no tenant".to_owned(),
            };
            let root = match r.get("elsewhere").and_then(Value::as_i64) {
                Some(n) if n > 0 => format!("{} ({n} keys under another)", text(r, "root")),
                _ => text(r, "root"),
            };
            let since = match (text(r, "root_days"), over(r)) {
                (days, true) => format!("{days} days, TOO OLD"),
                (days, false) => format!("{days} of {every} days"),
            };
            vec![text(r, "region"), root, since, text(r, "versions"), text(r, "following"), text(r, "retired"), age]
        })
        .collect();
    let head = ["region", "root", "in force", "keys", "being replaced", "retired", "oldest key in use"];
    screen::print(&table(&head, &rows));
    let left: Vec<Vec<String>> = items(&told, "left")
        .map(|l| vec![text(l, "slug"), text(l, "version"), text(l, "values"), text(l, "tenant")])
        .collect();
    if !left.is_empty() {
        screen::print(&format!("\n{}", table(&["tenant", "key", "values left", "id"], &left)));
    }
    let old: Vec<&Value> = items(&told, "regions").filter(|r| over(r)).collect();
    for region in &old {
        let name = text(region, "region");
        let next = match region.get("root_turns").and_then(Value::as_bool) {
            Some(true) => "the key service has not turned it: see the log".to_owned(),
            _ => format!(
                "put the next one into VOUCHSAFE_ROOT_{}_NEXT, start anew, then `keys rotate --root`",
                name.to_uppercase().replace('-', "_")
            ),
        };
        screen::print(&format!("\n{name}: the root key is older than {every} days; {next}"));
    }
    Ok(if old.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn over(region: &Value) -> bool {
    region.get("root_over").and_then(Value::as_bool).unwrap_or(false)
}

/// `keys rotate`.
pub fn rotate(data: &Path, operator: &str, tenant: Option<&str>, root: bool, wait: bool) -> Result<ExitCode, ExitCode> {
    let what = if root { "keys.rewrap" } else { "keys.rotate" };
    let done = client::ask(data, &json!({"do": what, "as": operator, "tenant": tenant}))?;
    if let Some(members) = done.as_object() {
        members.iter().for_each(|(name, n)| screen::print(&format!("  {n} {name}")));
        if root && members.values().all(|n| n == 0) {
            screen::print(
                "  Nothing lies under another root. To move to a new one, give it as VOUCHSAFE_ROOT_<REGION>_NEXT and start the \
                 server anew first.",
            );
        }
    }
    if wait && !root {
        let left = || -> Result<(u64, usize), ExitCode> {
            let told = client::ask(data, &json!({"do": "keys.status", "as": operator}))?;
            let values = items(&told, "left").filter_map(|l| l.get("values").and_then(Value::as_u64)).sum();
            Ok((values, items(&told, "left").count()))
        };
        let (mut values, mut keys) = left()?;
        let (whole, bar) = (values, ProgressBar::new(values));
        while values > 0 {
            bar.set_position(whole.saturating_sub(values));
            sleep(Duration::from_millis(200));
            (values, keys) = left()?;
        }
        bar.finish_and_clear();
        screen::print(&format!("  nothing is left under the old keys; {keys} retire within a minute"));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["eu".to_owned(), "1".to_owned()], vec!["fr-par".to_owned(), "22".to_owned()]];
        assert_eq!(table(&["region", "keys"], &rows), "  region  keys\n  eu      1\n  fr-par  22");
    }
}
