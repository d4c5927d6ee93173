//! Figures in texts.

use crate::{
    App,
    fault::{Source, Span},
    near,
    page::Segment,
};

/// Names the running server measures; `secret_age` takes the name of a metered secret.
const LIVE: [&str; 10] = [
    "nodes",
    "build",
    "advisories",
    "key_age",
    "key_source",
    "root_age",
    "blocklist_age",
    "archive_lag",
    "drill_time",
    "secret_age",
];

/// What a text became.
#[derive(Default)]
pub(crate) struct Filled {
    pub(crate) segments: Vec<Segment>,
    pub(crate) figures: usize,
}

/// Fills the figures of a text. In code, braces that name no path are left as they are.
pub(crate) fn fill(source: &Source<'_>, app: &App, text: &str, span: &Span, code: bool) -> Filled {
    let mut out = Filled::default();
    let mut rest = text;
    let push = |out: &mut Filled, text: String| match out.segments.last_mut() {
        Some(Segment::Text(last) | Segment::Code(last)) => last.push_str(&text),
        _ => out.segments.push(if code { Segment::Code(text) } else { Segment::Text(text) }),
    };
    while let Some((before, after)) = rest.split_once('{') {
        push(&mut out, before.to_owned());
        let Some((path, tail)) = after.split_once('}') else {
            push(&mut out, "{".to_owned());
            if !code {
                source.fault(
                    &find(source, span, "{"),
                    "figure",
                    "a brace that never closes.",
                    "Figures are {key.path}.",
                );
            }
            rest = after;
            continue;
        };
        rest = tail;
        match figure(app, path) {
            Some(segment) => {
                out.figures += 1;
                match segment {
                    Segment::Live(name) => out.segments.push(Segment::Live(name)),
                    Segment::Text(words) | Segment::Code(words) => push(&mut out, words),
                }
            }
            None if code && !path.contains('.') => push(&mut out, format!("{{{path}}}")),
            None => {
                let at = find(source, span, &format!("{{{path}}}"));
                source.fault(&at, "unknown figure", format!("app.toml has no value at `{path}`."), nearest(app, path));
            }
        }
    }
    push(&mut out, rest.to_owned());
    out.segments.retain(|s| !matches!(s, Segment::Text(t) | Segment::Code(t) if t.is_empty()));
    out
}

fn figure(app: &App, path: &str) -> Option<Segment> {
    if let Some(name) = path.strip_prefix("live.") {
        let secret = |s: &str| app.secrets.iter().any(|known| known.id == s);
        let known = match name.split_once('.') {
            Some(("secret_age", of)) => secret(of),
            Some(_) => false,
            None => name != "secret_age" && LIVE.contains(&name),
        };
        return known.then(|| Segment::Live(name.to_owned()));
    }
    if let Some(figure) = app.figures.get(path) {
        return Some(Segment::Text(figure.print(&app.tenant.noun)));
    }
    let count = app.figures.get(path.strip_suffix(".count")?)?.count()?;
    Some(Segment::Text(count.to_string()))
}

fn nearest(app: &App, path: &str) -> String {
    let live: Vec<String> = LIVE
        .iter()
        .filter(|n| **n != "secret_age")
        .map(|n| format!("live.{n}"))
        .chain(app.secrets.iter().map(|s| format!("live.secret_age.{}", s.id)))
        .collect();
    let known = || app.figures.keys().map(String::as_str).chain(live.iter().map(String::as_str));
    if let Some(near) = near::nearest(path, known()) {
        return format!("Did you mean `{near}`?");
    }
    let section = path.split('.').next().unwrap_or("");
    let same: Vec<&str> = known().filter(|k| k.split('.').next() == Some(section)).take(12).collect();
    if same.is_empty() {
        "Figures are paths of app.toml, such as `audit.retention`, or `live.NAME`.".to_owned()
    } else {
        format!("Known there: {}.", same.join(", "))
    }
}

/// Where `needle` stands within a span of the page; the span itself when it was written otherwise.
pub(crate) fn find(source: &Source<'_>, span: &Span, needle: &str) -> Span {
    match source.slice(span).find(needle) {
        Some(at) => span.start + at..span.start + at + needle.len(),
        None => span.clone(),
    }
}
