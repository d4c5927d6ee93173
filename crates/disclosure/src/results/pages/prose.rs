//! The founder's page in its own order, each promise ending in its mark. Lean: end tags that HTML implies are left out, and
//! what is the same for many promises is written once.

use std::fmt::Write as _;

use manifest::{
    Page, PageClaim,
    page::{Piece, Segment, Shape},
};

use super::{marks, ticks::Ticks};
use crate::{
    Disclosure,
    results::{Verdict, repeat, speech, view::Shown, view::View},
};

/// Text as it may stand in an element or a quoted attribute.
pub(super) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

/// What a panel needs besides its promise.
pub(super) struct Setting<'s> {
    pub disclosure: &'s Disclosure,
    pub view: &'s View,
    pub ticks: &'s Ticks,
    /// The site's own address.
    pub url: &'s str,
    /// Whether what can be said once is said once: on a page of very many promises.
    pub spare: bool,
}

/// The page. `after_title`: what stands below its first heading.
pub(super) fn prose(page: &Page, setting: &Setting<'_>, after_title: &str) -> String {
    let mut out = String::with_capacity(48 * 1024);
    let (mut head, mut titled) = (false, false);
    for (at, piece) in page.pieces.iter().enumerate() {
        match piece {
            Piece::Open(Shape::Paragraph) => out.push_str(if marked(page, at) { "<div class=w>" } else { "<p>" }),
            Piece::Close(Shape::Paragraph) => {
                if out.ends_with("</details>") {
                    out.push_str("</div>");
                }
                out.push('\n');
            }
            Piece::Open(shape) => {
                head |= *shape == Shape::Head;
                open(&mut out, shape, head);
            }
            Piece::Close(shape) => {
                close(&mut out, shape, head);
                head &= *shape != Shape::Head;
                if matches!(shape, Shape::Heading(1)) && !std::mem::replace(&mut titled, true) {
                    out.push_str(after_title);
                }
            }
            Piece::Words(Segment::Code(text)) => {
                out.push_str("<code>");
                escape(&mut out, text);
                out.push_str("</code>");
            }
            Piece::Words(segment) => escape(&mut out, &segment.print(&|name| Some(setting.disclosure.live(name)))),
            Piece::Break => out.push_str("<br>"),
            Piece::Rule => out.push_str("<hr>\n"),
            Piece::Mark(_) if kernel::sabotage::off("gov.claims_bound") => {}
            Piece::Mark(at) => {
                if let Some((claim, shown)) = page.claims.get(*at).zip(setting.view.claims.get(*at)) {
                    while out.ends_with([' ', '\n']) {
                        out.pop();
                    }
                    // Never alone on a line.
                    out.push('\u{a0}');
                    panel(&mut out, setting, claim, shown);
                }
            }
        }
    }
    if !titled {
        out.insert_str(0, after_title);
    }
    out
}

/// Whether a paragraph holds a mark: `<details>` may not stand in a `<p>`.
fn marked(page: &Page, from: usize) -> bool {
    let inside = page.pieces.iter().skip(from).take_while(|p| **p != Piece::Close(Shape::Paragraph));
    inside.into_iter().any(|p| matches!(p, Piece::Mark(_)))
}

/// A mark that opens to what is known of the promise.
fn panel(out: &mut String, setting: &Setting<'_>, claim: &PageClaim, shown: &Shown) {
    let verdict = shown.judged.verdict;
    let mut id = String::new();
    escape(&mut id, &claim.id);
    let _w = write!(out, "<details id={id}{}><summary>{}</summary><dl>", marks::class(verdict), verdict.word());
    out.push_str("<dt>We test<dd>");
    let first = setting.disclosure.page().claims.iter().find(|c| c.checks == claim.checks && c.line < claim.line);
    match first.filter(|_| setting.spare && verdict.kept() && shown.judged.signed.is_none()) {
        Some(first) => {
            let _w = write!(out, "the same as under <a href=#{0}>{0}</a>, and saw the same", first.id);
        }
        None => looked(out, setting, claim, shown),
    }
    let command = claim.checks.iter().find_map(|c| repeat::curl(c, setting.url));
    let probed = !matches!(verdict, Verdict::Unsigned | Verdict::Attested | Verdict::Expired | Verdict::NotApplicable);
    if let Some(command) = command.or_else(|| (probed && !setting.spare).then(|| repeat::verify(&claim.id))) {
        out.push_str("<dd><code>");
        escape(out, &command);
        out.push_str("</code>");
    }
    let _w = match (setting.disclosure.testable(claim), setting.spare) {
        (true, true) => write!(out, "<dd><a href=trust/test/{id}>Test {id}</a>"),
        (false, true) => write!(out, "<dd><a href=trust/history/{id}>{id}</a>"),
        (true, false) => {
            write!(out, "<dd><a href=trust/test/{id}>Test it now</a>, <a href=trust/history/{id}>history of {id}</a>")
        }
        (false, false) => write!(out, "<dd><a href=trust/history/{id}>History of {id}</a>"),
    };
    out.push_str("</dl></details>");
}

/// What was tested and seen, when, by whom signed, and on which days it held.
fn looked(out: &mut String, setting: &Setting<'_>, claim: &PageClaim, shown: &Shown) {
    for (at, check) in claim.checks.iter().filter_map(|c| manifest::check(c)).enumerate() {
        out.push_str(if at == 0 { "" } else { "<dd>" });
        escape(out, check.statement);
    }
    out.push_str(if shown.copied { "<dt>On a copy<dd>" } else { "<dt>We saw<dd>" });
    saw(out, setting, shown);
    if let Some(signed) = &shown.judged.signed {
        signature(out, signed, setting.spare);
    }
    let days = setting.ticks.show(&shown.days);
    if !days.is_empty() {
        let _w = write!(out, "<dd>{days}");
    }
}

fn saw(out: &mut String, setting: &Setting<'_>, shown: &Shown) {
    let view = setting.view;
    let words = match shown.judged.verdict {
        Verdict::Unsigned if shown.saw.is_empty() => "nobody has signed this yet",
        _ if shown.saw.is_empty() => "nothing yet",
        _ => &shown.saw,
    };
    if setting.spare && shown.judged.verdict != Verdict::Failing {
        escape(out, &short(words));
    } else {
        escape(out, words);
    }
    if shown.steered {
        out.push_str(", clock moved");
    }
    if let Some(at) = shown.judged.checked_at {
        let _w = write!(out, ", {}", speech::brief(at, view.at));
    }
    if let Some((at, why)) = &shown.tried {
        let _w = write!(out, "<dd>A look {} told nothing: ", speech::ago(*at, view.at));
        escape(out, why);
    }
    if let Some((times, last)) = shown.breaks {
        let _w = write!(out, "<dd>Seen failing {}, last on {}", speech::plural(times, "time"), speech::date(last));
    }
}

/// At most 72 characters, cut between facts or words; the history has the rest.
fn short(words: &str) -> String {
    let Some((end, _)) = words.char_indices().nth(72) else { return words.to_owned() };
    let head = words.get(..end).unwrap_or_default();
    let cut = head.rfind(", ").or_else(|| head.rfind(' ')).unwrap_or(end);
    format!("{} …", head.get(..cut).unwrap_or_default())
}

fn signature(out: &mut String, signed: &crate::Attestation, spare: bool) {
    out.push_str("<dt>Signed<dd>“");
    let words = if spare { short(&signed.statement) } else { signed.statement.clone() };
    escape(out, &words);
    out.push_str("” ");
    escape(out, &signed.name);
    let day = |text: &str| kernel::Time::parse(text).map(speech::date).unwrap_or_default();
    let _w = write!(out, ", {}, until {}", day(&signed.signed_at), day(&signed.expires_at));
    if let Some(link) = &signed.evidence {
        out.push_str(" <a href=\"");
        escape(out, link);
        out.push_str("\" rel=noopener>evidence</a>");
    }
}

fn open(out: &mut String, shape: &Shape, head: bool) {
    match shape {
        Shape::List(Some(start)) if *start != 1 => {
            let _w = write!(out, "<ol start={start}>");
        }
        Shape::Link(to) => {
            out.push_str("<a href=\"");
            escape(out, to);
            out.push_str("\">");
        }
        Shape::Head => out.push_str("<thead><tr>"),
        other => {
            let _w = write!(out, "<{}{}>", other.element(head), other.attributes());
        }
    }
}

fn close(out: &mut String, shape: &Shape, head: bool) {
    let _w = match shape {
        Shape::Heading(_) => writeln!(out, "</{}>", shape.element(head)),
        Shape::Head => write!(out, "</thead>"),
        // Implied by what follows.
        Shape::Item | Shape::Row | Shape::Cell => writeln!(out),
        other => write!(out, "</{}>", other.element(head)),
    };
}
