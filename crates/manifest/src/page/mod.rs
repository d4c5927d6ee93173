//! `security.md`: words bound to checks, with figures from `app.toml`.

mod fill;
mod html;
mod mark;
mod markdown;
mod prose;
mod reader;
mod suggest;

pub use html::html;
pub use markdown::markdown;
pub use prose::prose;

use crate::{App, CheckKind, Fault, Millis, fault::Source};

/// A page, read and bound.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Promises in the order of the page.
    pub claims: Vec<PageClaim>,
    /// The whole page in order, for rendering.
    pub pieces: Vec<Piece>,
    /// How many figures it prints.
    pub figures: usize,
    /// What is allowed and looks like a mistake.
    pub warnings: Vec<Fault>,
}

/// One promise: words, and the checks they stand on.
#[derive(Clone, Debug)]
pub struct PageClaim {
    /// The mark's name, once per page.
    pub id: String,
    /// Ids of its checks.
    pub checks: Vec<&'static str>,
    /// The mark's kind, or that of its checks; of several, the one that proves least.
    pub kind: CheckKind,
    /// Longest age of an attestation, when the mark says one.
    pub max_age: Option<Millis>,
    /// Its words.
    pub words: Vec<Segment>,
    /// Heading above it.
    pub section: String,
    /// Line of the mark, from 1.
    pub line: usize,
}

impl PageClaim {
    /// Its words as one text; live figures by `live`, or as `{live.name}` where it knows none.
    #[must_use]
    pub fn text(&self, live: &dyn Fn(&str) -> Option<String>) -> String {
        let words = self.words.iter().map(|segment| segment.print(live)).collect::<String>();
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A run of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Text with its figures filled in.
    Text(String),
    /// The same in code type.
    Code(String),
    /// A figure that the running server measures: its name without `live.`.
    Live(String),
}

impl Segment {
    /// As text.
    #[must_use]
    pub fn print(&self, live: &dyn Fn(&str) -> Option<String>) -> String {
        match self {
            Self::Text(text) | Self::Code(text) => text.clone(),
            Self::Live(name) => live(name).unwrap_or_else(|| format!("{{live.{name}}}")),
        }
    }
}

/// A step of the page: containers open and close, words stand between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Begins a container.
    Open(Shape),
    /// Ends it.
    Close(Shape),
    /// Words.
    Words(Segment),
    /// A line break that is kept.
    Break,
    /// A rule across the page.
    Rule,
    /// A mark: position in [`Page::claims`].
    Mark(usize),
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `<h1>` to `<h6>`.
    Heading(u8),
    /// `<p>`.
    Paragraph,
    /// `<ol>` from a number, or `<ul>`.
    List(Option<u64>),
    /// `<li>`.
    Item,
    /// `<blockquote>`.
    Quote,
    /// `<table>`.
    Table,
    /// `<thead>` with its row.
    Head,
    /// `<tr>`.
    Row,
    /// `<td>`, or `<th>` in a head.
    Cell,
    /// `<em>`.
    Emphasis,
    /// `<strong>`.
    Strong,
    /// `<a>`: http, https, mailto, or a path of this server.
    Link(String),
    /// `<pre>`.
    CodeBlock,
}

impl Shape {
    /// The HTML element, wherever the page is drawn; `head`: inside a table's head.
    #[must_use]
    pub const fn element(&self, head: bool) -> &'static str {
        match self {
            Self::Heading(1) => "h1",
            Self::Heading(2) => "h2",
            Self::Heading(3) => "h3",
            Self::Heading(4) => "h4",
            Self::Heading(5) => "h5",
            Self::Heading(_) => "h6",
            Self::Paragraph => "p",
            Self::List(Some(_)) => "ol",
            Self::List(None) => "ul",
            Self::Item => "li",
            Self::Quote => "blockquote",
            Self::Table => "table",
            Self::Head => "thead",
            Self::Row => "tr",
            Self::Cell if head => "th",
            Self::Cell => "td",
            Self::Emphasis => "em",
            Self::Strong => "strong",
            Self::Link(_) => "a",
            Self::CodeBlock => "pre",
        }
    }
    /// What its start tag says besides, with a blank before it: what scrolls can be reached by keyboard.
    #[must_use]
    pub const fn attributes(&self) -> &'static str {
        if matches!(self, Self::CodeBlock) { " tabindex=\"0\"" } else { "" }
    }
}

/// Reads `security.md`.
///
/// # Errors
/// Every mistake found, in the order of the text.
pub fn page(markdown: &str, file: &str, app: &App) -> Result<Page, Vec<Fault>> {
    let source = Source::new(file, markdown);
    let page = reader::read(&source, markdown, app);
    if source.is_clean() { Ok(page) } else { Err(source.into_faults()) }
}
