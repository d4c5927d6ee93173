//! The trust page and the pages behind it: the founder's prose with verdicts in it, set like a book.

mod history;
mod marks;
mod prose;
mod test;
mod ticks;
mod tone;
mod trust;

use manifest::App;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Verdict;

pub(crate) use history::{Record, history};
pub(crate) use test::test;
pub(crate) use trust::{trust, wordings};

const STYLE: &str = include_str!("trust.css");

/// The style sheet without its line breaks and indents, under the app's own colour and with the shapes that are used.
fn style(app: &App, shown: &[Verdict]) -> String {
    let (light, dark) = (tone::readable(&app.color, tone::PAPER), tone::readable(&app.color, tone::NIGHT));
    let mut out =
        format!(":root{{--tone:{light}}}@media screen and (prefers-color-scheme:dark){{:root{{--tone:{dark}}}}}");
    out.push_str(&marks::shapes(shown));
    STYLE.lines().map(str::trim).filter(|l| !l.starts_with("/*")).for_each(|l| out.push_str(l));
    out
}

/// A mark: the word, and by its class the shape before it.
fn mark(verdict: Verdict) -> Markup {
    html! { span class={ "k " (marks::letter(verdict)) } { (verdict.word()) } }
}

/// A document; `shown`: verdicts whose marks it has; `refresh`: seconds until it is asked for again.
fn document(app: &App, title: &str, nonce: &str, (shown, refresh): (&[Verdict], Option<u32>), body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (app.name) }
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                link rel="icon" href="data:,";
                style nonce=(nonce) { (PreEscaped(style(app, shown))) }
            }
            body { (body) }
        }
    };
    page.into_string()
}
