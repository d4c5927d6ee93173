use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::mailbox::Item;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f1d;--soft:#5d6662;--line:#d9dedb;--card:#fff;--ground:#f4f6f5;--link:#1f5c4a}\
@media(prefers-color-scheme:dark){:root{--ink:#e6eae8;--soft:#9aa5a0;--line:#303835;--card:#1a1f1d;--ground:#121614;--link:#7fc8b0}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}\
main{max-width:46rem;margin:0 auto;padding:2rem 1rem 4rem}\
h1{font-size:1.5rem;margin:0 0 .25rem}\
header p,.empty{color:var(--soft);margin:0 0 1.5rem}\
article{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.25rem;margin:0 0 1rem}\
h2{font-size:1.05rem;margin:0}\
.to{color:var(--soft);font-size:.875rem;margin:.125rem 0 .75rem;overflow-wrap:anywhere}\
.text{white-space:pre-wrap;overflow-wrap:anywhere;margin:0}\
a{color:var(--link)}a:focus-visible{outline:2px solid var(--link);outline-offset:2px}";

/// The mailbox of a development server. Everything in it is escaped.
pub(crate) fn mailbox(items: &[Item], nonce: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Mailbox" }
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        h1 { "Mailbox" }
                        p { "What this development server would have sent, newest first. " a href="/dev/mail.json" { "As JSON" } }
                    }
                    @if items.is_empty() {
                        p.empty { "No mail yet." }
                    }
                    @for item in items {
                        article {
                            h2 { (item.subject) }
                            p.to { "To " (item.to) " · " time datetime=(item.at) { (item.at) } }
                            p.text { (linked(&item.text)) }
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// The text with its http and https addresses as links.
fn linked(text: &str) -> Markup {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"')).unwrap_or(from.len());
        let address =
            from.get(..end).unwrap_or_default().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'']);
        pieces.push((before, address));
        rest = from.get(address.len()..).unwrap_or_default();
    }
    html! {
        @for (before, address) in pieces {
            (before)
            a href=(address) rel="noopener noreferrer" { (address) }
        }
        (rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        linked(text).into_string()
    }

    #[test]
    fn addresses_become_links_and_nothing_else_does() {
        assert_eq!(
            shown("Open http://a.localhost:8080/v?tok=1&x=2, please.\nOr (https://b.example/)."),
            "Open <a href=\"http://a.localhost:8080/v?tok=1&amp;x=2\" rel=\"noopener noreferrer\">http://a.localhost:8080/v?tok=1&amp;x=2</a>, please.\n\
             Or (<a href=\"https://b.example/\" rel=\"noopener noreferrer\">https://b.example/</a>)."
        );
        for text in ["", "plain", "javascript:alert(1)", "data:text/html,x"] {
            assert_eq!(shown(text), text);
        }
        assert!(shown("http://").contains("http"));
    }

    #[test]
    fn a_hostile_mail_is_only_text() {
        let bad = "<script>alert(1)</script>\"' https://x.example/\"onmouseover=alert(1) <img src=x>".to_owned();
        let item = Item { to: bad.clone(), subject: bad.clone(), text: bad.clone(), at: bad };
        let page = mailbox(&[item], "N0nce");
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("<style nonce=\"N0nce\">"));
        assert!(!page.contains("href=\"https://x.example/\"onmouseover"));
    }
}
