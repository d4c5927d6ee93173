//! A value of an answer as people read it. Everything stored is escaped; rich text passes the sanitiser once more.

use manifest::{Derived, Field, Kind, Target};
use maud::{Markup, PreEscaped, html};
use route::page::{Stamp, Tag, Tone};
use serde_json::Value as Json;

use super::{
    Room, Shelf, Shown,
    label::{Names, short},
    text, words,
};

/// Characters of a text in a grid.
const CUT: usize = 90;

/// Where a value is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A cell of a grid.
    Cell,
    /// A record's own page.
    Page,
}

/// What is needed besides the value.
pub(crate) struct Look<'l> {
    pub(crate) room: &'l Room,
    pub(crate) names: &'l Names,
    pub(crate) base: &'l str,
    pub(crate) place: Place,
}

impl Look<'_> {
    /// A field of a record.
    pub(crate) fn field(&self, field: &Field, record: &Shown) -> Markup {
        match record.get(field.id) {
            None | Some(Json::Null) => {
                html! { span.muted { span aria-hidden="true" { "–" } span.visually-hidden { "empty" } } }
            }
            Some(Json::Array(all)) if all.is_empty() => html! { span.muted { "none" } },
            Some(Json::Array(all)) if field.many => html! {
                @for (at, value) in all.iter().enumerate() { @if at > 0 { ", " } (self.value(field, value, record)) }
            },
            Some(value) => self.value(field, value, record),
        }
    }

    fn value(&self, field: &Field, value: &Json, record: &Shown) -> Markup {
        let said = value.as_str().unwrap_or("");
        match &field.kind {
            Kind::Boolean => html! { (words::yes(value.as_bool() == Some(true))) },
            Kind::Integer if field.derived == Some(Derived::Sequence) => html! { (plain(value)) },
            Kind::Integer | Kind::Decimal => html! { (grouped(&plain(value))) },
            Kind::Money => money(said),
            Kind::Date => date(said),
            Kind::DateTime => moment(said),
            Kind::Enum(_) if is_state(field) => html! { (Tag::new(tone(said), words::human(said))) },
            Kind::Enum(_) => html! { (words::human(said)) },
            Kind::Email if self.place == Place::Page => html! { a href={ "mailto:" (said) } { (said) } },
            Kind::Url => self.url(said),
            Kind::Json => self.json(value),
            Kind::RichText => self.rich(said),
            Kind::Reference { to, .. } => self.reference(*to, said),
            Kind::File { .. } => self.file(field, value, record),
            Kind::Text if self.place == Place::Page => html! { span.text { (said) } },
            Kind::Text | Kind::Email | Kind::Secret => html! { (cut(said, CUT)) },
        }
    }

    fn url(&self, said: &str) -> Markup {
        let web = said.starts_with("https://") || said.starts_with("http://");
        let shown = said.split_once("://").map_or(said, |(_, rest)| rest).trim_end_matches('/');
        html! {
            @if web { a href=(said) rel="noopener noreferrer nofollow" { (cut(shown, CUT)) } } @else { (said) }
        }
    }

    fn json(&self, value: &Json) -> Markup {
        match self.place {
            Place::Cell => html! { code { (cut(&value.to_string(), 40)) } },
            Place::Page => {
                html! { pre.mono tabindex="0" { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
            }
        }
    }

    fn rich(&self, said: &str) -> Markup {
        match self.place {
            Place::Cell => html! { (cut(&bare(said), CUT)) },
            Place::Page => html! { div.rich { (PreEscaped(self.room.records().clean.shown(said).into_owned())) } },
        }
    }

    fn reference(&self, to: Target, id: &str) -> Markup {
        let name = self.names.get(to, id);
        match (to, name) {
            (Target::Members, Some(name)) => html! { (name) },
            (Target::Members, None) => html! { span.muted { "a member" } },
            (Target::Collection(at), name) => {
                let shelf = self.room.records().shelf(at);
                let label = shelf.map_or("", |s| s.def.label.as_str());
                match (name, shelf) {
                    (Some(name), Some(shelf)) => {
                        html! { a href={ (self.base) (super::place(shelf)) "/" (id) } { (name) } }
                    }
                    _ => html! { span.muted { (label) " " (short(id)) } },
                }
            }
        }
    }

    fn file(&self, field: &Field, value: &Json, record: &Shown) -> Markup {
        let part = |name: &str| value.get(name).and_then(Json::as_str).unwrap_or("");
        let (c, id) = (self.room.shelf().def.id, text(record, "id"));
        let href = format!("{}/api/v1/collections/{c}/records/{id}/files/{}", self.base, field.id);
        let bytes = value.get("size").and_then(Json::as_u64).unwrap_or(0);
        let image = crate::file::inline(part("type"));
        html! {
            @match (self.place, image) {
                (Place::Cell, _) => { a href=(href) { (cut(part("name"), 30)) } },
                (Place::Page, true) => {
                    a.picture href=(href) { img src=(href) alt=(part("name")) loading="lazy" decoding="async"; }
                    span.muted { (part("name")) ", " (size(bytes)) }
                },
                (Place::Page, false) => { a href=(href) { (part("name")) } " " span.muted { (size(bytes)) } },
            }
        }
    }
}

/// Whether an enum says in what state a record is.
pub(crate) fn is_state(field: &Field) -> bool {
    matches!(field.kind, Kind::Enum(_)) && matches!(field.id, "status" | "state" | "stage" | "phase")
}

const GOOD: &[&str] = &[
    "paid",
    "accepted",
    "ready",
    "served",
    "signed",
    "won",
    "active",
    "arrived",
    "done",
    "approved",
    "delivered",
    "completed",
    "complete",
    "live",
    "ok",
    "succeeded",
    "finished",
    "closed_won",
    "resolved",
    "connected",
    "synced",
];
const BAD: &[&str] = &[
    "failed",
    "cancelled",
    "canceled",
    "lost",
    "rejected",
    "declined",
    "expired",
    "error",
    "blocked",
    "void",
    "revoked",
];
const WARN: &[&str] = &["overdue", "due", "waiting", "held", "paused", "refunded", "retrying", "changes_requested"];

/// The colour of a state; its word is always there too.
fn tone(state: &str) -> Tone {
    if GOOD.contains(&state) {
        Tone::Good
    } else if BAD.contains(&state) {
        Tone::Bad
    } else if WARN.contains(&state) {
        Tone::Warn
    } else {
        Tone::Plain
    }
}

/// Whether a record is a draft, published, or published with changes that wait; nothing in collections without drafts.
pub(crate) fn publication(shelf: &Shelf, record: &Shown) -> Option<Tag> {
    let published = record.get("published").and_then(Json::as_bool)?;
    let waiting = record.get("draft").and_then(Json::as_bool) == Some(true);
    Some(match (published, waiting) {
        // Where a field says `draft` in its own sense, one word for two things would confuse.
        (false, _) if shelf.def.fields.iter().any(is_state) => Tag::plain("Not public"),
        (false, _) => Tag::plain("Draft"),
        (true, false) => Tag::good("Published"),
        (true, true) => Tag::warn("Published, changes waiting"),
    })
}

/// A number of an answer as it is written there.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `1 234 567.5`: groups of three from five digits on, by narrow no-break spaces (ISO 80000-1).
pub(crate) fn grouped(number: &str) -> String {
    let (sign, size) = number.strip_prefix('-').map_or(("", number), |rest| ("\u{2212}", rest));
    let (whole, rest) = size.find('.').map_or((size, ""), |at| size.split_at(at));
    if whole.len() < 5 {
        return format!("{sign}{size}");
    }
    let mut out = String::with_capacity(size.len() + 8);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    format!("{sign}{out}{rest}")
}

fn money(said: &str) -> Markup {
    let (amount, currency) = said.split_once(' ').unwrap_or((said, ""));
    html! { span.money { (grouped(amount)) " " span.muted { (currency) } } }
}

/// A day; `data-local` keeps scripts from reading it as a moment.
fn date(said: &str) -> Markup {
    match said.parse::<jiff::civil::Date>() {
        Ok(day) => html! { time datetime=(said) data-local="day" { (day.strftime("%-d %b %Y").to_string()) } },
        Err(_) => html! { (said) },
    }
}

/// A moment.
pub(crate) fn moment(said: &str) -> Markup {
    match kernel::Time::parse(said) {
        Some(at) => html! { (Stamp(at.0)) },
        None => html! { (said) },
    }
}

/// The text, at most so many characters of it.
pub(crate) fn cut(said: &str, most: usize) -> String {
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let kept: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Rich text without its tags.
pub(crate) fn bare(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                out.push(' ');
            }
            c if !inside => out.push(c),
            _ => {}
        }
    }
    for (entity, c) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
    {
        out = out.replace(entity, c);
    }
    out
}

/// `1.2 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_from_five_digits_on() {
        for (given, shown) in [
            ("0", "0"),
            ("9999", "9999"),
            ("10000", "10\u{202f}000"),
            ("-1234567.5", "\u{2212}1\u{202f}234\u{202f}567.5"),
        ] {
            assert_eq!(grouped(given), shown);
        }
    }

    #[test]
    fn texts_are_cut_at_characters() {
        assert_eq!(cut("åäö  åäö", 5), "åäö…");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(bare("<p>A &amp; <b>B</b></p>").trim(), "A &  B");
        assert_eq!((size(999), size(1_250_000)), ("999 bytes".to_owned(), "1.2 MB".to_owned()));
    }
}
