//! Every key with its default as a value that a page may print.

use crate::{
    App, Figure,
    read::OWN_SIGN_IN,
    tree::{Node, Value},
    units,
};

/// Fills `app.figures` and `app.defaults` from the file with its defaults, then with what follows from other keys.
pub(crate) fn fill(app: &mut App, root: &Node) {
    for node in root.entries() {
        walk(app, node, 0);
    }
    followed(app);
}

fn walk(app: &mut App, node: &Node, depth: usize) {
    let Some(figure) = figure(node) else { return };
    // Grants, fields and guards deep inside are no figures: nobody writes a sentence around them.
    if depth > 5 {
        return;
    }
    if let Value::Table(entries) = &node.value {
        entries.iter().for_each(|child| walk(app, child, depth + 1));
    } else if !node.given {
        app.defaults.push(node.path.clone());
    }
    app.figures.insert(node.path.clone(), figure);
}

fn figure(node: &Node) -> Option<Figure> {
    Some(match &node.value {
        Value::Text(text) => Figure::Text(text.clone()),
        Value::Int(n) => Figure::Number(*n),
        Value::Float(raw) => Figure::Text(raw.clone()),
        Value::Bool(b) => Figure::Flag(*b),
        Value::Date(date) => Figure::Text(say_date(date)),
        Value::Duration(_, Some(words)) => Figure::Text(words.clone()),
        Value::Duration(millis, None) => Figure::Duration(*millis),
        Value::Size(bytes) => Figure::Size(*bytes),
        Value::Rates(rates) => Figure::Rates(rates.clone()),
        Value::List(items) => Figure::List(items.iter().filter_map(item).collect()),
        Value::Table(entries) => Figure::Table(entries.iter().map(label).collect()),
        Value::Nothing | Value::Pointer(_) => return None,
    })
}

fn item(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(n) => Some(n.to_string()),
        Value::Duration(_, Some(words)) => Some(words.clone()),
        Value::Duration(millis, None) => Some(units::say_duration(*millis)),
        _ => node.get("slug").text().map(str::to_owned),
    }
}

fn label(node: &Node) -> String {
    node.get("label").text().map_or_else(|| node.name.replace('_', " "), str::to_owned)
}

/// `2026-05-04` as "4 May 2026".
fn say_date(text: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let Ok(date) = text.parse::<jiff::civil::Date>() else { return text.to_owned() };
    let month = usize::try_from(date.month() - 1).ok().and_then(|m| MONTHS.get(m)).copied().unwrap_or("");
    format!("{} {month} {}", date.day(), date.year())
}

/// Defaults that follow from other keys.
fn followed(app: &mut App) {
    let mut found = vec![
        ("app.id".to_owned(), Figure::Text(app.id.to_owned())),
        ("tenant.plural".to_owned(), Figure::Text(app.tenant.plural.clone())),
        ("tenant.key".to_owned(), Figure::Text(app.tenant.key.clone())),
        ("keys.prefix".to_owned(), Figure::Text(app.keys.prefix.clone())),
        ("mail.from".to_owned(), Figure::Text(app.mail.from.clone())),
        ("disclosure.contact".to_owned(), Figure::Text(app.disclosure.contact.clone())),
        ("webhooks.out.header".to_owned(), Figure::Text(app.webhooks_out.header.clone())),
        ("data.export.collections".to_owned(), Figure::List(exported(app))),
        ("regions".to_owned(), Figure::Table(app.regions.iter().map(|r| r.label.clone()).collect())),
        ("roles".to_owned(), Figure::Table(app.roles.iter().map(|r| r.label.clone()).collect())),
        ("collections".to_owned(), Figure::Table(app.collections.iter().map(|c| c.label.clone()).collect())),
        ("demo.tenants".to_owned(), Figure::List(app.demo.iter().map(|t| t.name.clone()).collect())),
        ("limits".to_owned(), Figure::Table(app.limits.tiers.keys().map(|t| t.replace('_', " ")).collect())),
        ("limits.repeat".to_owned(), Figure::List(app.limits.repeat.iter().map(|m| units::say_duration(*m)).collect())),
    ];
    found.extend(app.limits.tiers.iter().map(|(name, rates)| (format!("limits.{name}"), Figure::Rates(rates.clone()))));
    found.extend(app.roles.iter().map(|r| (format!("roles.{}.label", r.id), Figure::Text(r.label.clone()))));
    found.extend(app.regions.iter().map(|r| (format!("regions.{}.label", r.id), Figure::Text(r.label.clone()))));
    found.extend(app.modules.iter().map(|m| (format!("modules.{}.label", m.id), Figure::Text(m.label.clone()))));
    found
        .extend(app.collections.iter().map(|c| (format!("collections.{}.label", c.id), Figure::Text(c.label.clone()))));
    if let Some(failover) = &app.failover {
        found.push(("failover.promoted_by".to_owned(), Figure::Text(failover.promoted_by.to_owned())));
    }
    for (path, figure) in found {
        if !app.figures.contains_key(&path) && !matches!(figure, Figure::Table(_)) {
            app.defaults.push(path.clone());
        }
        app.figures.insert(path, figure);
    }
    if app.auth.issuer.is_some() {
        // Nobody signs in here, so no page may speak of how.
        let own = |path: &str| {
            let key = path.strip_prefix("auth.").map(|rest| rest.split('.').next().unwrap_or(rest));
            key.is_some_and(|key| OWN_SIGN_IN.contains(&key))
        };
        app.figures.retain(|path, _| !own(path));
        app.defaults.retain(|path| !own(path));
    }
    app.defaults.sort();
}

/// Names of the exported collections, as the file writes them.
fn exported(app: &App) -> Vec<String> {
    let name = |at: &usize| app.collections.get(*at).map(|c| c.id.replace('_', " "));
    app.data.export.iter().filter_map(name).collect()
}

impl Figure {
    /// As a sentence says it; `noun` is what a tenant is called.
    #[must_use]
    pub fn print(&self, noun: &str) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(n) => units::grouped(*n),
            Self::Duration(millis) => units::say_duration(*millis),
            Self::Size(bytes) => units::say_size(*bytes),
            Self::Rates(rates) => units::say_list(&rates.iter().map(|r| units::say_rate(r, noun)).collect::<Vec<_>>()),
            Self::Flag(flag) => (if *flag { "yes" } else { "no" }).to_owned(),
            Self::List(items) | Self::Table(items) => units::say_list(items),
        }
    }
    /// How many members it has, for `{key.path.count}`.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::List(items) | Self::Table(items) => Some(items.len()),
            Self::Rates(rates) => Some(rates.len()),
            _ => None,
        }
    }
}
