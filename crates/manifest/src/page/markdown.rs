//! The page as Markdown with its figures printed and its marks reduced to their names.

use crate::page::{Page, Piece, Segment, Shape};

/// The page as a reader without a browser gets it. `live` gives the measured figures it knows.
#[must_use]
pub fn markdown(page: &Page, live: &dyn Fn(&str) -> Option<String>) -> String {
    let mut writer = Writer { out: String::new(), prefix: Vec::new(), lists: Vec::new(), cells: 0, live };
    page.pieces.iter().for_each(|piece| writer.piece(page, piece));
    let lines: Vec<&str> = writer.out.lines().map(str::trim_end).collect();
    let mut text = String::new();
    let mut blank = true;
    for line in lines {
        if !(blank && line.is_empty()) {
            text.push_str(line);
            text.push('\n');
        }
        blank = line.is_empty();
    }
    text
}

struct Writer<'w> {
    out: String,
    /// What each new line begins with.
    prefix: Vec<&'static str>,
    lists: Vec<Option<u64>>,
    cells: usize,
    live: &'w dyn Fn(&str) -> Option<String>,
}

impl Writer<'_> {
    fn piece(&mut self, page: &Page, piece: &Piece) {
        match piece {
            Piece::Open(shape) => self.open(shape),
            Piece::Close(shape) => self.close(shape),
            Piece::Words(Segment::Code(code)) => {
                let fence = if code.contains('`') { "``" } else { "`" };
                self.out.push_str(&format!("{fence}{code}{fence}"));
            }
            Piece::Words(segment) => {
                let text = segment.print(self.live);
                let escaped = escape(&text);
                let line = format!("\n{}", self.prefix.concat());
                self.out.push_str(&escaped.replace('\n', &line));
            }
            Piece::Break => {
                self.out.push('\\');
                self.line();
            }
            Piece::Rule => {
                self.line();
                self.out.push_str("---");
                self.line();
            }
            Piece::Mark(at) => {
                if let Some(claim) = page.claims.get(*at) {
                    self.out.push_str(&format!("[{}](#{})", claim.id, claim.checks.join(",")));
                }
            }
        }
    }

    fn line(&mut self) {
        self.out.push('\n');
        self.out.push_str(&self.prefix.concat());
    }

    fn open(&mut self, shape: &Shape) {
        match shape {
            Shape::Heading(level) => {
                self.line();
                self.out.push_str(&"#".repeat(usize::from(*level)));
                self.out.push(' ');
            }
            Shape::Quote => {
                self.prefix.push("> ");
                self.line();
            }
            Shape::List(start) => self.lists.push(*start),
            Shape::Item => {
                self.line();
                match self.lists.last_mut() {
                    Some(Some(n)) => {
                        self.out.push_str(&format!("{n}. "));
                        *n += 1;
                    }
                    _ => self.out.push_str("- "),
                }
                self.prefix.push("  ");
            }
            Shape::Head | Shape::Row => {
                self.cells = 0;
                self.line();
                self.out.push('|');
            }
            Shape::Cell => {
                self.cells += 1;
                self.out.push(' ');
            }
            Shape::Emphasis => self.out.push('*'),
            Shape::Strong => self.out.push_str("**"),
            Shape::Link(_) => self.out.push('['),
            Shape::CodeBlock => {
                self.line();
                self.out.push_str("```");
                self.line();
            }
            Shape::Paragraph | Shape::Table => {}
        }
    }

    fn close(&mut self, shape: &Shape) {
        match shape {
            Shape::Quote | Shape::Item => {
                self.prefix.pop();
                if *shape == Shape::Quote {
                    self.line();
                }
            }
            Shape::List(_) => {
                self.lists.pop();
                self.line();
            }
            Shape::Cell => self.out.push_str(" |"),
            Shape::Head => {
                self.line();
                self.out.push_str(&format!("|{}", " --- |".repeat(self.cells)));
            }
            Shape::Emphasis => self.out.push('*'),
            Shape::Strong => self.out.push_str("**"),
            Shape::Link(to) => self.out.push_str(&format!("]({to})")),
            Shape::CodeBlock => {
                self.out.push_str("```");
                self.line();
            }
            Shape::Paragraph | Shape::Heading(_) | Shape::Table => {
                self.line();
                self.line();
            }
            Shape::Row => {}
        }
    }
}

/// Characters that Markdown would read as its own.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '|') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
