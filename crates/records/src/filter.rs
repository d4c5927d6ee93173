//! `filter=status = "paid" and (total >= "12.00 EUR" or note is null)`: text to a typed tree, bounded in size and depth.
//!
//! ```text
//! any   = all { "or" all }        all = term { "and" term }
//! term  = "(" any ")" | FIELD OP VALUE | FIELD "in" "(" VALUE { "," VALUE } ")" | FIELD "is" ["not"] "null"
//! OP    = "=" "!=" "<" "<=" ">" ">=" "~"        VALUE = "text" | 'text' | number | true | false | @me | @now
//! ```

use encryption::Spot;
use kernel::{Failure, FieldSet, Home, Time};
use manifest::{Field, Index, Kind, Target};
use store::Value;

use crate::{
    input,
    shelf::{Records, Shelf},
};

const BYTES: usize = 4096;
const TERMS: usize = 64;
const DEPTH: usize = 8;

/// A filter, typed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    /// Column, whether it must be empty.
    Empty(String, bool),
    In(String, Vec<Value>),
    Test(String, Op, Value),
    /// Column with a blind index, and texts of which it may be one; [`blinded`] asks the vault for them.
    Sealed(String, Vec<String>),
    /// Column with a blind index, and the indexes it may have.
    Blind(String, Vec<Value>),
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    /// `~`: the value is a lower-case pattern.
    Contains,
    /// One of several values: the value is a pattern.
    Holds,
    /// Not one of several values.
    Lacks,
}

/// What the words of a filter mean here.
pub(crate) struct Scope<'s> {
    pub(crate) shelf: &'s Shelf,
    pub(crate) readable: FieldSet,
    pub(crate) me: Value,
    pub(crate) now: Time,
    pub(crate) currency: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(String),
    At(String),
    Sign(&'static str),
}

/// Reads a filter.
///
/// # Errors
/// `BadInput` with the place for a text that does not parse; `Invalid` naming a field that does not exist (or may not be
/// read) or a value that does not fit.
pub(crate) fn read(scope: &Scope<'_>, text: &str) -> Result<Node, Failure> {
    if text.len() > BYTES {
        return Err(Failure::bad("filter: at most 4096 bytes"));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, terms: 0, scope };
    let node = parser.any(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(node),
        Some((place, _)) => Err(syntax("the end, `and` or `or`", *place)),
    }
}

fn syntax(expected: &str, place: usize) -> Failure {
    Failure::BadInput(format!("filter: expected {expected} at character {place}").into())
}

const SIGNS: [&str; 10] = ["!=", "<=", ">=", "=", "<", ">", "~", "(", ")", ","];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Failure> {
    let mut out = Vec::new();
    let mut rest = text.trim_end();
    loop {
        rest = rest.trim_start();
        let place = text.trim_end().chars().count() - rest.chars().count() + 1;
        let Some(first) = rest.chars().next() else { return Ok(out) };
        let (token, taken) = if first == '"' || first == '\'' {
            quoted(rest, first).ok_or_else(|| syntax("the closing quote of a text", place))?
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            (Token::Sign(sign), sign.len())
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = run(rest, |c| c.is_ascii_alphanumeric() || c == '_');
            (Token::Word(rest.get(..end).unwrap_or_default().to_owned()), end)
        } else if first == '@' {
            let end = 1 + run(rest.get(1..).unwrap_or_default(), |c| c.is_ascii_alphabetic());
            (Token::At(rest.get(1..end).unwrap_or_default().to_owned()), end)
        } else if first.is_ascii_digit() || first == '-' || first == '+' {
            let end = 1 + run(rest.get(1..).unwrap_or_default(), |c| c.is_ascii_digit() || c == '.');
            (Token::Number(rest.get(..end).unwrap_or_default().to_owned()), end)
        } else {
            return Err(syntax("a field, a value or an operator", place));
        };
        out.push((place, token));
        rest = rest.get(taken..).unwrap_or_default();
    }
}

fn run(text: &str, keep: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !keep(c)).unwrap_or(text.len())
}

/// A text in quotes; a backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Option<(Token, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?.1),
            c if c == quote => return Some((Token::Text(out), at + 1)),
            c => out.push(c),
        }
    }
    None
}

struct Parser<'p> {
    tokens: Vec<(usize, Token)>,
    at: usize,
    terms: usize,
    scope: &'p Scope<'p>,
}

impl<'p> Parser<'p> {
    fn next(&mut self, expected: &str) -> Result<(usize, Token), Failure> {
        let end = self.tokens.last().map_or(1, |(place, _)| place + 1);
        let token = self.tokens.get(self.at).cloned().ok_or_else(|| syntax(expected, end))?;
        self.at += 1;
        Ok(token)
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((_, Token::Word(w))) if w.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((_, Token::Sign(s))) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn close(&mut self) -> Result<(), Failure> {
        if self.sign(")") {
            return Ok(());
        }
        let (place, _) = self.next("`)`")?;
        Err(syntax("`)`", place))
    }

    fn any(&mut self, depth: usize) -> Result<Node, Failure> {
        if depth > DEPTH {
            return Err(Failure::bad("filter: more than 8 brackets inside each other"));
        }
        let mut nodes = vec![self.all(depth)?];
        while self.word("or") {
            nodes.push(self.all(depth)?);
        }
        Ok(single(nodes, Node::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Node, Failure> {
        let mut nodes = vec![self.term(depth)?];
        while self.word("and") {
            nodes.push(self.term(depth)?);
        }
        Ok(single(nodes, Node::All))
    }

    fn term(&mut self, depth: usize) -> Result<Node, Failure> {
        if self.sign("(") {
            let inner = self.any(depth + 1)?;
            self.close()?;
            return Ok(inner);
        }
        self.terms += 1;
        if self.terms > TERMS {
            return Err(Failure::bad("filter: more than 64 comparisons"));
        }
        let (place, Token::Word(name)) = self.next("a field")? else {
            return Err(syntax("a field", self.place()));
        };
        let subject = self.subject(&name)?;
        if self.word("is") {
            let not = self.word("not");
            if !self.word("null") {
                return Err(syntax("`null`", self.place()));
            }
            return Ok(Node::Empty(name, !not));
        }
        if self.word("in") {
            return self.list(&name, &subject);
        }
        let (at, Token::Sign(sign)) = self.next("an operator")? else {
            return Err(syntax("an operator", place + name.len() + 1));
        };
        let value = self.value()?;
        self.test(name, sign, &subject, value, at)
    }

    fn place(&self) -> usize {
        self.tokens.get(self.at.saturating_sub(1)).map_or(1, |(place, _)| *place)
    }

    fn value(&mut self) -> Result<Token, Failure> {
        match self.next("a value")? {
            (place, Token::Sign(_)) => Err(syntax("a value", place)),
            (_, token) => Ok(token),
        }
    }

    fn list(&mut self, name: &str, subject: &Subject<'_>) -> Result<Node, Failure> {
        if !self.sign("(") {
            return Err(syntax("`(`", self.place()));
        }
        let (mut values, mut texts) = (Vec::new(), Vec::new());
        loop {
            let token = self.value()?;
            match subject {
                Subject::Blind => texts.push(plain(name, token)?),
                _ => values.push(self.typed(name, subject, &token)?),
            }
            if values.len() + texts.len() > TERMS {
                return Err(Failure::bad("filter: more than 64 values in a list"));
            }
            if !self.sign(",") {
                break;
            }
        }
        self.close()?;
        if matches!(subject, Subject::Blind) {
            return Ok(Node::Sealed(name.to_owned(), texts));
        }
        if subject.many() {
            let holds = |v: Value| Node::Test(name.to_owned(), Op::Holds, Value::Text(element(&v)));
            return Ok(single(values.into_iter().map(holds).collect(), Node::Any));
        }
        Ok(Node::In(name.to_owned(), values))
    }

    fn test(&self, name: String, sign: &str, subject: &Subject<'_>, value: Token, at: usize) -> Result<Node, Failure> {
        let op = match sign {
            "=" => Op::Equal,
            "!=" => Op::Unequal,
            "<" => Op::Less,
            "<=" => Op::AtMost,
            ">" => Op::More,
            ">=" => Op::AtLeast,
            "~" => Op::Contains,
            _ => return Err(syntax("an operator", at)),
        };
        let unfit = || Failure::field(name.clone(), "operator", "this operator does not fit this type of field");
        if matches!(subject, Subject::Blind) {
            return if op == Op::Equal {
                Ok(Node::Sealed(name.clone(), vec![plain(&name, value)?]))
            } else {
                Err(unfit())
            };
        }
        if op == Op::Contains {
            let Token::Text(text) = &value else { return Err(unfit()) };
            return if subject.text() { Ok(Node::Test(name, op, Value::Text(contains(text)))) } else { Err(unfit()) };
        }
        if subject.only_contains() || !matches!(op, Op::Equal | Op::Unequal) && !subject.ordered() {
            return Err(unfit());
        }
        let value = self.typed(&name, subject, &value)?;
        Ok(match (subject.many(), op) {
            (true, Op::Equal) => Node::Test(name, Op::Holds, Value::Text(element(&value))),
            (true, _) => Node::Test(name, Op::Lacks, Value::Text(element(&value))),
            (false, op) => Node::Test(name, op, value),
        })
    }

    /// A field that may be filtered by, under its name.
    fn subject(&self, name: &str) -> Result<Subject<'p>, Failure> {
        let scope: &'p Scope<'p> = self.scope;
        let drafts = scope.shelf.def.drafts;
        match name {
            "id" => return Ok(Subject::Id),
            "created_at" | "updated_at" => return Ok(Subject::Moment),
            "published_at" if drafts => return Ok(Subject::Moment),
            "published" if drafts => return Ok(Subject::Flag),
            _ => {}
        }
        let shelf: &'p Shelf = scope.shelf;
        let at = shelf.def.position(name).filter(|at| scope.readable.has(*at));
        let Some((at, field)) = at.and_then(|at| Some((at, shelf.field(at)?))) else {
            return Err(Failure::field(crate::body::named(name), "unknown", "no such field to filter by"));
        };
        if shelf.sealed.has(at) && field.index == Index::Blind {
            return Ok(Subject::Blind);
        }
        if shelf.sealed.has(at) {
            return Err(Failure::field(
                name,
                "encrypted",
                "an encrypted field without a blind index cannot be filtered by",
            ));
        }
        Ok(Subject::Field(field))
    }

    /// A value in the field's stored form.
    fn typed(&self, name: &str, subject: &Subject<'_>, token: &Token) -> Result<Value, Failure> {
        let unfit = || Failure::field(name, "type", "the value does not fit this type of field");
        let found = match (subject, token) {
            (_, Token::At(word)) if word == "me" && subject.person() => Some(self.scope.me.clone()),
            (_, Token::At(word)) if word == "now" && subject.moment() => Some(Value::Int(self.scope.now.0)),
            (Subject::Id, Token::Text(text)) => Some(Value::Text(text.clone())),
            (Subject::Moment, Token::Text(text)) => Time::parse(text).map(|t| Value::Int(t.0)),
            (Subject::Flag, Token::Word(word)) => flag(word),
            (Subject::Field(f), Token::Word(word)) if f.kind == Kind::Boolean => flag(word),
            (Subject::Field(f), Token::Text(text)) => input::literal(f, text, self.scope.currency),
            (Subject::Field(f), Token::Number(text)) if matches!(f.kind, Kind::Integer | Kind::Decimal) => {
                input::literal(f, text, self.scope.currency)
            }
            _ => None,
        };
        found.ok_or_else(unfit)
    }
}

enum Subject<'f> {
    Id,
    Moment,
    Flag,
    Field(&'f Field),
    /// Encrypted, with a blind index: equality only.
    Blind,
}

impl Subject<'_> {
    const fn many(&self) -> bool {
        matches!(self, Self::Field(f) if f.many)
    }
    fn person(&self) -> bool {
        matches!(self, Self::Field(Field { kind: Kind::Reference { to: Target::Members, .. }, .. }))
    }
    fn moment(&self) -> bool {
        matches!(self, Self::Moment | Self::Field(Field { kind: Kind::DateTime, .. }))
    }
    fn ordered(&self) -> bool {
        match self {
            Self::Id | Self::Moment => true,
            Self::Flag | Self::Blind => false,
            Self::Field(f) => {
                use Kind::{Date, DateTime, Decimal, Email, Integer, Money, Text, Url};
                !f.many && matches!(f.kind, Integer | Decimal | Money | Date | DateTime | Text | Email | Url)
            }
        }
    }
    fn text(&self) -> bool {
        use Kind::{Email, Enum, RichText, Text, Url};
        matches!(self, Self::Field(f) if matches!(f.kind, Text | RichText | Email | Url | Enum(_)))
    }
    fn only_contains(&self) -> bool {
        matches!(self, Self::Field(f) if matches!(f.kind, Kind::RichText | Kind::Json | Kind::File { .. } | Kind::Secret))
    }
}

/// A text to look for behind a blind index.
fn plain(name: &str, token: Token) -> Result<String, Failure> {
    match token {
        Token::Text(text) => Ok(text),
        _ => Err(Failure::field(name, "type", "expected: a text in quotes")),
    }
}

/// Asks the vault for the indexes of every text that is looked for.
///
/// # Errors
/// As the vault.
pub(crate) async fn blinded(records: &Records, shelf: &Shelf, home: &Home, tree: Node) -> Result<Node, Failure> {
    match tree {
        Node::All(nodes) => Ok(Node::All(each(records, shelf, home, nodes).await?)),
        Node::Any(nodes) => Ok(Node::Any(each(records, shelf, home, nodes).await?)),
        Node::Sealed(name, texts) => {
            let mut tags = Vec::new();
            for text in texts {
                let spot =
                    Spot { tenant: home.id, region: &home.region, collection: shelf.def.id, field: &name, row: "" };
                tags.extend(records.vault.tags(&spot, &text).await?.into_iter().map(Value::Blob));
            }
            Ok(Node::Blind(name, tags))
        }
        other => Ok(other),
    }
}

async fn each(records: &Records, shelf: &Shelf, home: &Home, nodes: Vec<Node>) -> Result<Vec<Node>, Failure> {
    let mut out = Vec::with_capacity(nodes.len());
    for node in nodes {
        out.push(Box::pin(blinded(records, shelf, home, node)).await?);
    }
    Ok(out)
}

fn flag(word: &str) -> Option<Value> {
    match word {
        "true" => Some(Value::Int(1)),
        "false" => Some(Value::Int(0)),
        _ => None,
    }
}

fn single(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match (nodes.len(), nodes.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            nodes.extend(last);
            join(nodes)
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn contains(text: &str) -> String {
    format!("%{}%", escaped(&text.to_ascii_lowercase()))
}

/// A pattern for one element of a stored JSON array of texts.
fn element(value: &Value) -> String {
    let Value::Text(text) = value else { return "%".to_owned() };
    format!("%{}%", escaped(&serde_json::Value::from(text.as_str()).to_string()))
}
