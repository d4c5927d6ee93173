use std::borrow::Cow;

use maud::{Markup, html};

/// A form that changes something.
#[must_use]
pub fn form(action: &str, inside: Markup) -> Markup {
    html! { form.stack method="post" action=(action) { (inside) } }
}

/// The same with files.
#[must_use]
pub fn form_files(action: &str, inside: Markup) -> Markup {
    html! { form.stack method="post" action=(action) enctype="multipart/form-data" { (inside) } }
}

/// A form that asks: filters, search.
#[must_use]
pub fn form_get(action: &str, inside: Markup) -> Markup {
    html! { form.filters method="get" action=(action) { (inside) } }
}

/// Asks before it acts: what happens, then the form. Opens in place, without a script.
#[must_use]
pub fn confirm(label: impl Into<Cow<'static, str>>, words: impl Into<Cow<'static, str>>, form: Markup) -> Markup {
    let (label, words) = (label.into(), words.into());
    html! {
        details.confirm name="confirm" {
            summary class="button danger" { (label) }
            div.sheet { p { (words) } (form) }
        }
    }
}
