use kernel::Home;
use maud::{Markup, html};
use route::{
    Html,
    page::{Card, Empty, Frame},
};

use crate::mailbox::Item;

/// The mailbox of a development server. Everything in it is escaped.
pub(crate) fn mailbox(frame: &Frame, home: &Home, items: &[Item]) -> Html {
    let body = html! {
        p.muted { "What this development server would have sent, newest first. " a href="/dev/mail.json" { "As JSON" } }
        @if items.is_empty() {
            (Empty::new("No mail yet", "Ask for a new password, or invite somebody: the mail lands here instead of leaving the machine."))
        }
        @for item in items {
            article.panel {
                h2 { (item.subject) }
                p.small.muted { "To " (item.to) " · " time datetime=(item.at) { (item.at) } }
                p.letter { (linked(&item.text)) }
            }
        }
    };
    frame.card(home, Card::new("Mailbox", body).over("Development server").wide())
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

    fn shown(items: &[Item]) -> String {
        let frame = crate::tests::frame();
        let home = Home {
            id: kernel::TenantId::HOUSE,
            slug: String::new(),
            name: "Probe".into(),
            region: String::new(),
            url: "http://localhost".into(),
            status: kernel::Status::Active,
            modules: Vec::new(),
        };
        let Html(page) = mailbox(&frame, &home, items);
        page("N0nce")
    }

    fn links(text: &str) -> String {
        linked(text).into_string()
    }

    #[test]
    fn addresses_become_links_and_nothing_else_does() {
        assert_eq!(
            links("Open http://a.localhost:8080/v?tok=1&x=2, please.\nOr (https://b.example/)."),
            "Open <a href=\"http://a.localhost:8080/v?tok=1&amp;x=2\" rel=\"noopener noreferrer\">http://a.localhost:8080/v?tok=1&amp;x=2</a>, please.\n\
             Or (<a href=\"https://b.example/\" rel=\"noopener noreferrer\">https://b.example/</a>)."
        );
        for text in ["", "plain", "javascript:alert(1)", "data:text/html,x"] {
            assert_eq!(links(text), text);
        }
        assert!(links("http://").contains("http"));
    }

    #[test]
    fn a_hostile_mail_is_only_text() {
        let bad = "<script>alert(1)</script>\"' https://x.example/\"onmouseover=alert(1) <img src=x>".to_owned();
        let item = Item { to: bad.clone(), subject: bad.clone(), text: bad.clone(), at: bad };
        let page = shown(&[item]);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("<style nonce=\"N0nce\">"));
        assert!(!page.contains("href=\"https://x.example/\"onmouseover"));
    }
}
