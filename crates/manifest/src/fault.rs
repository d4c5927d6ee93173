//! What is wrong with a file, where, and how it is shown.

use std::{cell::RefCell, fmt, ops::Range};

/// One mistake in `app.toml` or `security.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the file as given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key's path, such as `roles.cashier.floor.orders`; for a page, what is wrong in two words.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
    /// The line, shortened, without its indentation. Literal secrets are blotted out.
    pub snippet: String,
    /// Characters of the snippet to underline.
    pub caret: Range<usize>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}  {}: {}", self.file, self.line, self.column, self.path, self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, " {}", self.help) }
    }
}

/// Bytes of the text.
pub(crate) type Span = Range<usize>;

/// A text being read, and the faults found so far.
pub(crate) struct Source<'t> {
    file: &'t str,
    text: &'t str,
    found: RefCell<Vec<(Span, Fault)>>,
    /// Values that no message may repeat.
    secrets: RefCell<Vec<String>>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, found: RefCell::default(), secrets: RefCell::default() }
    }

    /// The bytes of `span`; empty when they are not whole characters.
    pub(crate) fn slice(&self, span: &Span) -> &'t str {
        self.text.get(span.clone()).unwrap_or("")
    }

    pub(crate) fn fault(&self, span: &Span, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let fault = locate(self.file, self.text, span, path, message.into(), help.into());
        let mut found = self.found.borrow_mut();
        if !found.iter().any(|(_, other)| *other == fault) {
            found.push((span.clone(), fault));
        }
    }

    /// A warning at `span`: shown by the caller, no fault.
    pub(crate) fn warning(&self, span: &Span, path: &str, message: String, help: &str) -> Fault {
        locate(self.file, self.text, span, path, message, help.to_owned())
    }

    /// The line of `span`, from 1.
    pub(crate) fn line(&self, span: &Span) -> usize {
        self.warning(span, "", String::new(), "").line
    }

    /// `value` must appear in no message and no snippet.
    pub(crate) fn hide(&self, value: &str) {
        if value.len() >= 6 {
            self.secrets.borrow_mut().push(value.to_owned());
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// The faults in the order of the text.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        let secrets = self.secrets.into_inner();
        let blot =
            |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, &blotted(secret)));
        let text = blot(self.text);
        let shown = |(span, fault): (Span, Fault)| {
            let Fault { line, column, .. } = fault;
            let shown = locate(self.file, &text, &span, &fault.path, blot(&fault.message), blot(&fault.help));
            Fault { line, column, ..shown }
        };
        let mut faults: Vec<Fault> = self.found.into_inner().into_iter().map(shown).collect();
        faults.sort_by_key(|f| (f.line, f.column));
        faults
    }
}

/// As many bytes as `secret`, of which three are its own: enough to find it in the file.
fn blotted(secret: &str) -> String {
    let shown: String = secret.chars().take(3).filter(char::is_ascii).collect();
    let stars = "*".repeat(secret.len() - shown.len());
    shown + &stars
}

fn locate(file: &str, text: &str, span: &Span, path: &str, message: String, help: String) -> Fault {
    let start = (0..=span.start.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let before = text.get(..start).unwrap_or("");
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let rest = text.get(line_start..).unwrap_or("");
    let line = rest.split('\n').next().unwrap_or("").trim_end_matches('\r');
    let column = before.get(line_start..).unwrap_or("").chars().count();
    let wide = text.get(start..span.end.max(start)).unwrap_or("").split('\n').next().unwrap_or("");
    let (snippet, caret) = shorten(line, column, wide.trim_end().chars().count().max(1));
    Fault {
        file: file.to_owned(),
        line: before.bytes().filter(|b| *b == b'\n').count() + 1,
        column: column + 1,
        path: path.to_owned(),
        message,
        help,
        snippet,
        caret,
    }
}

/// Width of a snippet: 100 columns less the margin.
const WIDTH: usize = 88;

/// Cuts `line` around the underlined characters, without its indentation.
fn shorten(line: &str, column: usize, wide: usize) -> (String, Range<usize>) {
    let chars: Vec<char> = line.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
    let indent = chars.iter().take_while(|c| c.is_whitespace()).count().min(column);
    let from = if column + wide.min(40) > indent + WIDTH { column.saturating_sub(30) } else { indent };
    let shown: String = chars.iter().skip(from).take(WIDTH).collect();
    let start = column.saturating_sub(from);
    let end = (start + wide).min(shown.chars().count().max(start + 1));
    (shown.trim_end().to_owned(), start..end)
}

/// The faults as the terminal shows them: 100 columns, understandable without colour.
#[must_use]
pub fn render(faults: &[Fault], color: bool) -> String {
    render_as("error", "31", faults, color)
}

/// Warnings in the same form.
#[must_use]
pub fn render_warnings(faults: &[Fault], color: bool) -> String {
    render_as("warn", "33", faults, color)
}

fn render_as(word: &str, code: &str, faults: &[Fault], color: bool) -> String {
    let mut out = String::new();
    let paint = |code: &str, text: &str| if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    for fault in faults {
        let word = paint(code, &format!("{word:<5}"));
        out.push_str(&format!("  {word}  {}:{}:{}  {}\n", fault.file, fault.line, fault.column, fault.path));
        if !fault.snippet.is_empty() {
            let gap = " ".repeat(fault.caret.start);
            let carets = "^".repeat(fault.caret.len().clamp(1, WIDTH));
            out.push_str(&format!("         | {}\n", fault.snippet));
            out.push_str(&format!("         | {gap}{}\n", paint(code, &carets)));
        }
        let words =
            if fault.help.is_empty() { fault.message.clone() } else { format!("{} {}", fault.message, fault.help) };
        for line in wrap(&words, 91) {
            out.push_str(&format!("         {line}\n"));
        }
    }
    out
}

/// Lines of at most `width` characters, broken at spaces.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let size = word.chars().count();
        if used > 0 && used + 1 + size > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += size;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_under_its_characters() {
        let text = "[a]\n  orders = [\"wriet\"] # ø\n";
        let at = text.find("wriet").unwrap();
        let source = Source::new("app.toml", text);
        source.fault(&(at..at + 5), "a.orders", "no verb `wriet`.", "Did you mean `write`?");
        let faults = source.into_faults();
        assert_eq!((faults[0].line, faults[0].column), (2, 14));
        assert_eq!(
            render(&faults, false),
            "  error  app.toml:2:14  a.orders\n         | orders = [\"wriet\"] # ø\n         |            ^^^^^\n         \
             no verb `wriet`. Did you mean `write`?\n"
        );
        assert!(render(&faults, true).contains("\x1b[31m^^^^^\x1b[0m"));
    }

    #[test]
    fn long_lines_are_cut_around_the_fault() {
        let text = format!("x = [{}\"bad\"]", "\"fine\", ".repeat(40));
        let at = text.find("bad").unwrap();
        let source = Source::new("app.toml", &text);
        source.fault(&(at..at + 3), "x", "no", "");
        let fault = &source.into_faults()[0];
        assert!(fault.snippet.chars().count() <= WIDTH);
        let under: String = fault.snippet.chars().skip(fault.caret.start).take(fault.caret.len()).collect();
        assert_eq!(under, "bad");
    }
}
