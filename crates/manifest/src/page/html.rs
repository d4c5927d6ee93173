//! The page as HTML: an allow-list of elements, everything escaped.

use std::fmt::Write;

use crate::page::{Page, Piece, Segment, Shape};

/// The page's content, without `<html>` around it. `live` gives the measured figures it knows.
#[must_use]
pub fn html(page: &Page, live: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut head = false;
    for piece in &page.pieces {
        match piece {
            Piece::Open(shape) => {
                head |= *shape == Shape::Head;
                open(&mut out, shape, head);
            }
            Piece::Close(shape) => {
                close(&mut out, shape, head);
                head &= *shape != Shape::Head;
            }
            Piece::Words(Segment::Code(text)) => {
                out.push_str("<code>");
                escape(&mut out, text);
                out.push_str("</code>");
            }
            Piece::Words(segment) => escape(&mut out, &segment.print(live)),
            Piece::Break => out.push_str("<br>"),
            Piece::Rule => out.push_str("<hr>\n"),
            Piece::Mark(at) => mark(&mut out, page, *at),
        }
    }
    out
}

fn mark(out: &mut String, page: &Page, at: usize) {
    let Some(claim) = page.claims.get(at) else { return };
    let mut id = String::new();
    escape(&mut id, &claim.id);
    let checks = claim.checks.join(", ");
    let kind = claim.kind.word();
    let _ = write!(out, "<a class=\"mark {kind}\" id=\"{id}\" href=\"#{id}\" title=\"{checks}\">{id}</a>");
}

/// Text as it may stand in an element or a quoted attribute.
pub(crate) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

fn open(out: &mut String, shape: &Shape, head: bool) {
    match shape {
        Shape::List(Some(start)) if *start != 1 => {
            let _ = writeln!(out, "<ol start=\"{start}\">");
        }
        Shape::Link(to) => {
            out.push_str("<a href=\"");
            escape(out, to);
            out.push_str("\">");
        }
        Shape::Head => out.push_str("<thead><tr>"),
        other => {
            let _ = write!(out, "<{}{}>", other.element(head), other.attributes());
        }
    }
}

fn close(out: &mut String, shape: &Shape, head: bool) {
    let line = if matches!(shape, Shape::Emphasis | Shape::Strong | Shape::Link(_) | Shape::Cell) { "" } else { "\n" };
    let _ = match shape {
        Shape::Head => write!(out, "</tr></thead>{line}"),
        other => write!(out, "</{}>{line}", other.element(head)),
    };
}
