use maud::{Markup, Render, html};

/// A table that scrolls in its own place, by keyboard too.
#[must_use]
pub fn table_region(label: &str, table: Markup) -> Markup {
    html! { div.table-wrap role="region" aria-label=(label) tabindex="0" { (table) } }
}

/// What stands before and after this page of a list.
#[derive(Clone, Debug, Default)]
pub struct Pager {
    /// Address of the page before.
    pub before: Option<String>,
    /// Address of the page after.
    pub after: Option<String>,
    /// Where one is: "1–25 of 90".
    pub words: String,
}

impl Render for Pager {
    fn render(&self) -> Markup {
        if self.before.is_none() && self.after.is_none() {
            return html! { @if !self.words.is_empty() { p class="pager muted" { (self.words) } } };
        }
        let step = |href: &Option<String>, rel: &str, label: &str| {
            html! {
                @match href {
                    Some(href) => { a class="button quiet small" rel=(rel) href=(href) { (label) } },
                    None => {},
                }
            }
        };
        html! {
            nav.pager aria-label="Pages" {
                span.muted { (self.words) }
                (step(&self.before, "prev", "Previous"))
                (step(&self.after, "next", "Next"))
            }
        }
    }
}

/// Views of one thing: `(label, address, present)`.
#[must_use]
pub fn tabs(label: &str, views: &[(&str, String, bool)]) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            @for (words, href, here) in views {
                a href=(href) aria-current=[here.then_some("page")] { (words) }
            }
        }
    }
}

/// Names with their values.
#[must_use]
pub fn facts(pairs: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in pairs { div { dt { (name) } dd { (value) } } }
        }
    }
}
