//! Walks the Markdown and binds words to marks.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

use crate::{
    App,
    fault::{Source, Span},
    page::{Page, PageClaim, Piece, Segment, Shape, fill, mark, suggest},
};

/// Reads the whole page; faults go to `source`.
pub(crate) fn read(source: &Source<'_>, text: &str, app: &App) -> Page {
    let page = Page { claims: Vec::new(), pieces: Vec::new(), figures: 0, warnings: Vec::new() };
    let mut reader =
        Reader { source, app, page, open: Vec::new(), heading: String::new(), bound: Bound::default(), mark: None };
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    for (event, span) in TextMergeWithOffset::new(events) {
        reader.event(event, &span);
    }
    reader.flush();
    if reader.page.claims.is_empty() && source.is_clean() {
        source.fault(
            &(0..0),
            "page",
            "the page promises nothing.",
            "A promise ends in a mark: [wall](#tenant.cross_read)",
        );
    }
    reader.page
}

/// Words since the last mark, or since the block began.
#[derive(Default)]
struct Bound {
    words: Vec<Segment>,
    /// From the first word to the last.
    span: Option<Span>,
}

/// A mark being read: its target and title, its own words, and where it began.
struct Marking {
    to: String,
    title: String,
    id: String,
    span: Span,
}

struct Reader<'r> {
    source: &'r Source<'r>,
    app: &'r App,
    page: Page,
    open: Vec<Shape>,
    heading: String,
    bound: Bound,
    mark: Option<Marking>,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: &Span) {
        match event {
            Event::Start(tag) => self.start(tag, span),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.words(&text, span, false),
            Event::Code(text) => self.words(&text, span, true),
            Event::SoftBreak => self.space(Piece::Words(Segment::Text("\n".into()))),
            Event::HardBreak => self.space(Piece::Break),
            Event::Rule => {
                self.flush();
                self.page.pieces.push(Piece::Rule);
            }
            Event::Html(_) | Event::InlineHtml(_) => {
                self.source.fault(span, "markup", "HTML is not allowed on the page.", "Markdown is enough here.");
            }
            _ => self.source.fault(span, "markup", "this is not allowed on the page.", ""),
        }
    }

    fn start(&mut self, tag: Tag<'_>, span: &Span) {
        if let Tag::Link { link_type, dest_url, title, .. } = &tag {
            self.link(*link_type, dest_url, title, span);
            return;
        }
        let Some(shape) = shape(&tag) else {
            self.source.fault(
                span,
                "markup",
                "this is not allowed on the page.",
                "Text, lists, tables, quotes and links are.",
            );
            self.open.push(Shape::Emphasis);
            return;
        };
        if !matches!(shape, Shape::Emphasis | Shape::Strong) {
            self.flush();
        }
        if matches!(tag, Tag::CodeBlock(CodeBlockKind::Indented | CodeBlockKind::Fenced(_))) && !self.free() {
            self.source.fault(
                span,
                "markup",
                "a block of code can bear no mark.",
                "Put it into a quote, which promises nothing.",
            );
        }
        if matches!(shape, Shape::Heading(_)) {
            self.heading.clear();
        }
        self.page.pieces.push(Piece::Open(shape.clone()));
        self.open.push(shape);
    }

    fn end(&mut self, tag: TagEnd) {
        if matches!(tag, TagEnd::Link) && self.mark.is_some() {
            self.close_mark();
            return;
        }
        let Some(shape) = self.open.pop() else { return };
        if !matches!(shape, Shape::Emphasis | Shape::Strong | Shape::Link(_)) {
            self.flush();
        }
        self.page.pieces.push(Piece::Close(shape));
    }

    /// Headings, quotes and the heads of tables promise nothing.
    fn free(&self) -> bool {
        self.open.iter().any(|s| matches!(s, Shape::Heading(_) | Shape::Quote | Shape::Head))
    }

    fn link(&mut self, link_type: LinkType, to: &str, title: &str, span: &Span) {
        if let Some(checks) = to.strip_prefix('#') {
            if self.free() {
                self.source.fault(
                    span,
                    "mark",
                    "a mark binds nothing here.",
                    "Headings, quotes and heads of tables promise nothing.",
                );
            }
            let (to, title) = (checks.to_owned(), title.to_owned());
            self.mark = Some(Marking { to, title, id: String::new(), span: span.clone() });
            return;
        }
        let mail = link_type == LinkType::Email;
        let safe = mail
            || ["https://", "http://", "mailto:", "./"].iter().any(|p| to.starts_with(p))
            || (to.starts_with('/') && !to.starts_with("//"));
        if !safe {
            let help = "Links begin with https://, mailto: or /.";
            self.source.fault(span, "link", format!("`{to}` is no link a page may have."), help);
        }
        let to = if mail { format!("mailto:{to}") } else { to.to_owned() };
        self.page.pieces.push(Piece::Open(Shape::Link(to.clone())));
        self.open.push(Shape::Link(to));
    }

    fn words(&mut self, text: &str, span: &Span, code: bool) {
        if let Some(marking) = &mut self.mark {
            marking.id.push_str(text);
            return;
        }
        let filled = fill::fill(self.source, self.app, text, span, code);
        self.page.figures += filled.figures;
        self.page.pieces.extend(filled.segments.iter().cloned().map(Piece::Words));
        if matches!(self.open.last(), Some(Shape::Heading(_)))
            || self.open.iter().any(|s| matches!(s, Shape::Heading(_)))
        {
            self.heading.extend(filled.segments.iter().map(|s| s.print(&|_| None)));
        }
        if self.free() {
            if self.open.contains(&Shape::Quote) && !code {
                self.quoted(span);
            }
            return;
        }
        if !code {
            self.digit(span);
        }
        self.bound.span = Some(self.bound.span.as_ref().map_or(span.start, |s| s.start)..span.end);
        self.bound.words.extend(filled.segments);
    }

    fn space(&mut self, piece: Piece) {
        if !self.free() && self.mark.is_none() && !self.bound.words.is_empty() {
            self.bound.words.push(Segment::Text(" ".into()));
        }
        self.page.pieces.push(piece);
    }

    /// A digit outside figures, marks and code: wording and behaviour could drift apart.
    fn digit(&self, span: &Span) {
        let mut inside = false;
        for (at, c) in self.source.slice(span).char_indices() {
            match c {
                '{' => inside = true,
                '}' => inside = false,
                c if c.is_ascii_digit() && !inside => {
                    let raw = self.source.slice(span).get(at..).unwrap_or("");
                    let wide = raw.bytes().take_while(u8::is_ascii_digit).count().max(1);
                    let at = span.start + at..span.start + at + wide;
                    let help = "Print it from app.toml as {key.path}, or set it in `code` if it is a name.";
                    self.source.fault(&at, "bare figure", "a figure in a promise comes from the manifest.", help);
                    return;
                }
                _ => {}
            }
        }
    }

    /// Quotes promise nothing; one that sounds as if it did is worth a second look.
    fn quoted(&mut self, span: &Span) {
        const LOUD: [&str; 5] = ["never", "always", "only", "encrypted", "within"];
        let raw = self.source.slice(span);
        let outside: String = raw.split('{').map(|p| p.split_once('}').map_or(p, |(_, rest)| rest)).collect();
        let digit = outside.chars().find(char::is_ascii_digit).map(String::from);
        let lower = outside.to_lowercase();
        let word = lower.split(|c: char| !c.is_alphanumeric()).find(|w| LOUD.contains(w)).map(str::to_owned);
        if let Some(found) = digit.or(word) {
            let at = fill::find(self.source, span, &found);
            let message = format!("`{found}` sounds like a promise, and quotes promise nothing.");
            let help = "Take it out of the quote and end it with a mark, or say it otherwise.";
            self.page.warnings.push(self.source.warning(&at, "quote", message, help));
        }
    }

    fn close_mark(&mut self) {
        let Some(marking) = self.mark.take() else { return };
        let bound = std::mem::take(&mut self.bound);
        let Some(mark) = mark::mark(self.source, &marking.span, marking.id.trim(), &marking.to, &marking.title) else {
            return;
        };
        if self.page.claims.iter().any(|c| c.id == mark.id) {
            let message = format!("the mark `{}` is on this page already.", mark.id);
            self.source.fault(&marking.span, "mark", message, "Each has a name of its own.");
        }
        if !says_something(&bound.words) && !self.free() {
            self.source.fault(&marking.span, "mark", format!("`{}` has no words before it.", mark.id), "");
        }
        let line = self.source.line(&marking.span);
        self.page.pieces.push(Piece::Mark(self.page.claims.len()));
        self.page.claims.push(PageClaim {
            id: mark.id,
            checks: mark.checks,
            kind: mark.kind,
            max_age: mark.max_age,
            words: trimmed(bound.words),
            section: self.heading.trim().to_owned(),
            line,
        });
    }

    /// The end of a block: what no mark has bound is a promise nobody tests.
    fn flush(&mut self) {
        let bound = std::mem::take(&mut self.bound);
        if !says_something(&bound.words) {
            return;
        }
        let text: String = bound.words.iter().map(|s| s.print(&|_| None)).collect();
        let near = suggest::checks(&text);
        let example = near.first().copied().unwrap_or("tenant.cross_read");
        let look =
            if near.is_empty() { String::new() } else { format!(" Checks that look close: {}.", near.join(", ")) };
        let message = format!(
            "end it with a mark such as [{}](#{example}), or move it into a quote (`> ...`) if it promises nothing.",
            example.split('.').next_back().unwrap_or("mark")
        );
        let span = bound.span.unwrap_or(0..0);
        let skipped = self.source.slice(&span).len() - self.source.slice(&span).trim_start().len();
        if kernel::sabotage::off("gov.claims_bound") {
            return;
        }
        self.source.fault(&(span.start + skipped..span.end), "unbound promise", message, look.trim_start());
    }
}

/// Whether there is a letter, a digit or a live figure in it: punctuation after a mark binds nothing.
fn says_something(words: &[Segment]) -> bool {
    words.iter().any(|s| match s {
        Segment::Text(text) | Segment::Code(text) => text.chars().any(char::is_alphanumeric),
        Segment::Live(_) => true,
    })
}

/// Without the space and punctuation that the mark before has left.
fn trimmed(mut words: Vec<Segment>) -> Vec<Segment> {
    if let Some(Segment::Text(first)) = words.first_mut() {
        *first = first.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ',' | ';' | ':')).to_owned();
    }
    if let Some(Segment::Text(last)) = words.last_mut() {
        *last = last.trim_end().to_owned();
    }
    words.retain(|s| !matches!(s, Segment::Text(t) if t.is_empty()));
    words
}

fn shape(tag: &Tag<'_>) -> Option<Shape> {
    Some(match tag {
        Tag::Paragraph => Shape::Paragraph,
        Tag::Heading { level, .. } => Shape::Heading(match level {
            HeadingLevel::H1 => 1,
            HeadingLevel::H2 => 2,
            HeadingLevel::H3 => 3,
            HeadingLevel::H4 => 4,
            HeadingLevel::H5 => 5,
            HeadingLevel::H6 => 6,
        }),
        Tag::BlockQuote(_) => Shape::Quote,
        Tag::CodeBlock(_) => Shape::CodeBlock,
        Tag::List(start) => Shape::List(*start),
        Tag::Item => Shape::Item,
        Tag::Table(_) => Shape::Table,
        Tag::TableHead => Shape::Head,
        Tag::TableRow => Shape::Row,
        Tag::TableCell => Shape::Cell,
        Tag::Emphasis => Shape::Emphasis,
        Tag::Strong => Shape::Strong,
        _ => return None,
    })
}
