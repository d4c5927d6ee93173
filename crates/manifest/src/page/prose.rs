//! Other texts of the team (policies) as HTML: CommonMark, with HTML in it shown as text.

use pulldown_cmark::{CowStr, Event, Parser, Tag};

/// CommonMark as HTML. Tags in the text are shown, not used; links lead to `http`, `https`, `mailto` or this site.
#[must_use]
pub fn prose(text: &str) -> String {
    let events = Parser::new(text).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: safe(dest_url), title, id })
        }
        Event::Start(Tag::Image { link_type, title, id, .. }) => {
            Event::Start(Tag::Link { link_type, dest_url: CowStr::Borrowed("#"), title, id })
        }
        Event::End(pulldown_cmark::TagEnd::Image) => Event::End(pulldown_cmark::TagEnd::Link),
        other => other,
    });
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events);
    out
}

fn safe(url: CowStr<'_>) -> CowStr<'_> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let open = match scheme.as_deref() {
        None => !url.starts_with("//"),
        Some(scheme) => ["http", "https", "mailto"].contains(&scheme) || scheme.contains(['/', '#', '?']),
    };
    if open { url } else { CowStr::Borrowed("#") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "![x](data:text/html,<script>1</script>)",
            "[x](//evil.example)",
            "<https://a.example/\"onclick=alert(1)>",
        ] {
            let html = prose(text);
            for bad in ["<script", "<img", "href=\"javascript", "href=\"JaVa", "href=\"data", "href=\"//", "\" onclick"]
            {
                assert!(!html.contains(bad), "{text}: {html}");
            }
        }
        assert_eq!(prose("# T\n\n[p](/legal/p)\n"), "<h1>T</h1>\n<p><a href=\"/legal/p\">p</a></p>\n");
    }
}
