//! What the store makes of a statement's text, once: pieces, from which each engine's text follows.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use kernel::{Bind, Failure, RowSet, Rows, UserId};

use crate::Value;

/// Row sets of custom roles come and go; texts of at most so many are kept per statement.
const SCOPED: usize = 128;

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Sql(String),
    Arg(usize),
    /// Where the permit's row predicate goes; `{rows:n}` qualifies its columns with `n`.
    Rows(Option<String>),
    /// The columns of `ON CONFLICT (..)` begin here, on a table that PostgreSQL leads with `tenant_id`.
    Led,
}

/// Which engine's text is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A statement, taken apart.
pub(crate) struct Compiled {
    pieces: Vec<Piece>,
    /// Highest `$n`.
    pub(crate) args: usize,
    /// Whether it says `{rows}`.
    pub(crate) rows: bool,
    /// Whether it says `{every}`: every row of the tenant is meant, as when a reference or a sum is checked.
    pub(crate) every: bool,
    /// Tables it reads or changes; the ones an INSERT only adds to are left out.
    pub(crate) tables: Vec<String>,
    sqlite: Texts,
    postgres: Texts,
}

#[derive(Default)]
struct Texts {
    all: OnceLock<Arc<str>>,
    sets: RwLock<HashMap<u32, Arc<str>>>,
}

impl Compiled {
    /// Takes a text apart. `control`: whether it is for the house's database, whose unprefixed tables have no tenant.
    pub(crate) fn new(sql: &str, control: bool) -> Self {
        let mut scan = Scan { control, ..Scan::default() };
        scan.text(sql);
        let rows = scan.pieces.iter().any(|p| matches!(p, Piece::Rows(_)));
        Self {
            pieces: scan.pieces,
            args: scan.args,
            rows,
            every: scan.every,
            tables: scan.tables,
            sqlite: Texts::default(),
            postgres: Texts::default(),
        }
    }

    /// The engine's text for a reach.
    pub(crate) fn text(&self, dialect: Dialect, rows: &Rows) -> Arc<str> {
        let texts = match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::Postgres => &self.postgres,
        };
        match rows {
            Rows::Set(set) if self.rows => {
                let known = texts.sets.read().unwrap_or_else(PoisonError::into_inner).get(&set.id).cloned();
                known.unwrap_or_else(|| {
                    let made = self.render(dialect, Some(set));
                    let mut sets = texts.sets.write().unwrap_or_else(PoisonError::into_inner);
                    if sets.len() >= SCOPED {
                        sets.clear();
                    }
                    sets.insert(set.id, made.clone());
                    made
                })
            }
            _ => texts.all.get_or_init(|| self.render(dialect, None)).clone(),
        }
    }

    fn render(&self, dialect: Dialect, set: Option<&RowSet>) -> Arc<str> {
        let mut out = String::new();
        for piece in &self.pieces {
            match (piece, dialect) {
                (Piece::Sql(sql), _) => out.push_str(sql),
                (Piece::Arg(n), _) => argument(&mut out, dialect, *n),
                (Piece::Rows(alias), _) => match set {
                    Some(set) => predicate(&mut out, dialect, set, alias.as_deref(), self.args),
                    None => out.push_str("1=1"),
                },
                (Piece::Led, Dialect::Postgres) => out.push_str("tenant_id, "),
                (Piece::Led, Dialect::Sqlite) => {}
            }
        }
        out.into()
    }

    /// The arguments, with those of the row predicate behind them.
    pub(crate) fn bind(&self, mut args: Vec<Value>, rows: &Rows, me: Option<UserId>) -> Result<Vec<Value>, Failure> {
        if args.len() != self.args {
            return Err(Failure::internal("store: a statement was given another number of arguments"));
        }
        for value in &args {
            if matches!(value, Value::Text(text) if text.as_bytes().contains(&0)) {
                return Err(Failure::bad("a text holds a NUL character"));
            }
        }
        if let (true, Rows::Set(set)) = (self.rows, rows) {
            for bind in set.any.iter().flatten().flat_map(|cell| &cell.any) {
                args.push(match bind {
                    Bind::Int(i) => Value::Int(*i),
                    Bind::Text(t) => Value::Text(t.to_string()),
                    // Nobody's id: NULL equals nothing, so no row matches.
                    Bind::Me => me.into(),
                });
            }
        }
        Ok(args)
    }
}

fn argument(out: &mut String, dialect: Dialect, n: usize) {
    let mark = if dialect == Dialect::Sqlite { '?' } else { '$' };
    let _infallible = write!(out, "{mark}{n}");
}

/// `(("a" = ?3 AND "b" IN (?4, ?5)) OR ("c" = ?6))`; a set without alternatives reaches nothing.
fn predicate(out: &mut String, dialect: Dialect, set: &RowSet, alias: Option<&str>, before: usize) {
    if set.any.is_empty() {
        return out.push_str("1=0");
    }
    let mut next = before;
    out.push('(');
    for (i, cells) in set.any.iter().enumerate() {
        out.push_str(if i == 0 { "(" } else { " OR (" });
        if cells.is_empty() {
            out.push_str("1=1");
        }
        for (j, cell) in cells.iter().enumerate() {
            if j > 0 {
                out.push_str(" AND ");
            }
            if cell.any.is_empty() {
                out.push_str("1=0");
                continue;
            }
            if let Some(alias) = alias {
                out.push_str(alias);
                out.push('.');
            }
            quote(out, &cell.column);
            out.push_str(" IN (");
            for k in 0..cell.any.len() {
                if k > 0 {
                    out.push_str(", ");
                }
                next += 1;
                argument(out, dialect, next);
            }
            out.push(')');
        }
        out.push(')');
    }
    out.push(')');
}

/// A quoted identifier.
pub(crate) fn quote(out: &mut String, name: &str) {
    out.push('"');
    for c in name.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

/// Walks a text; quoted things are left as they are.
#[derive(Default)]
struct Scan {
    control: bool,
    pieces: Vec<Piece>,
    sql: String,
    args: usize,
    every: bool,
    tables: Vec<String>,
    /// The last two words, upper case.
    words: [String; 2],
    /// The table that an INSERT adds to.
    into: Option<String>,
}

impl Scan {
    fn text(&mut self, sql: &str) {
        let mut rest = sql;
        while let Some(c) = rest.chars().next() {
            let taken = match c {
                '\'' => self.literal(rest),
                '"' => self.quoted(rest),
                '$' => self.argument(rest),
                '{' => self.rows(rest),
                '(' => self.open(),
                c if c.is_ascii_alphabetic() || c == '_' => self.word(rest),
                c => {
                    self.sql.push(c);
                    c.len_utf8()
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        self.flush();
    }

    fn flush(&mut self) {
        if !self.sql.is_empty() {
            self.pieces.push(Piece::Sql(std::mem::take(&mut self.sql)));
        }
    }

    fn push(&mut self, piece: Piece) {
        self.flush();
        self.pieces.push(piece);
    }

    fn literal(&mut self, rest: &str) -> usize {
        // A doubled quote inside is simply the next literal.
        let end = rest.char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(rest.len(), |(i, _)| i + 1);
        self.sql.push_str(rest.get(..end).unwrap_or_default());
        end
    }

    fn quoted(&mut self, rest: &str) -> usize {
        let end = rest.char_indices().skip(1).find(|(_, c)| *c == '"').map_or(rest.len(), |(i, _)| i + 1);
        let whole = rest.get(..end).unwrap_or_default();
        self.sql.push_str(whole);
        self.name(whole.trim_matches('"'));
        end
    }

    fn word(&mut self, rest: &str) -> usize {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        self.sql.push_str(word);
        self.name(word);
        end
    }

    fn name(&mut self, word: &str) {
        match self.words[1].as_str() {
            "FROM" | "JOIN" | "UPDATE" if !matches!(word, "SET" | "SELECT") => self.tables.push(word.to_owned()),
            "INTO" => self.into = Some(word.to_owned()),
            _ => {}
        }
        self.words.swap(0, 1);
        self.words[1] = word.to_ascii_uppercase();
    }

    fn argument(&mut self, rest: &str) -> usize {
        let digits: String = rest.chars().skip(1).take_while(char::is_ascii_digit).collect();
        let Ok(n) = digits.parse::<usize>() else {
            self.sql.push('$');
            return 1;
        };
        self.args = self.args.max(n);
        self.push(Piece::Arg(n));
        1 + digits.len()
    }

    fn rows(&mut self, rest: &str) -> usize {
        if rest.starts_with("{every}") {
            self.every = true;
            self.sql.push_str("1=1");
            return "{every}".len();
        }
        let Some((inner, _)) = rest.strip_prefix("{rows").and_then(|r| r.split_once('}')) else {
            self.sql.push('{');
            return 1;
        };
        self.push(Piece::Rows(inner.strip_prefix(':').map(str::to_owned)));
        "{rows".len() + inner.len() + 1
    }

    fn open(&mut self) -> usize {
        self.sql.push('(');
        let led = |name: &String| !self.control || name.starts_with('_');
        if self.words[0] == "ON" && self.words[1] == "CONFLICT" && self.into.as_ref().is_some_and(led) {
            self.push(Piece::Led);
        }
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Cell, Id};

    fn set(id: u32, any: Vec<Vec<Cell>>) -> Rows {
        Rows::Set(Arc::new(RowSet { id, any }))
    }

    #[test]
    fn arguments_are_numbered_for_each_engine() {
        let c = Compiled::new("SELECT '$1', \"$2\" FROM note WHERE b = $2 AND a = $1", false);
        assert_eq!(&*c.text(Dialect::Sqlite, &Rows::All), "SELECT '$1', \"$2\" FROM note WHERE b = ?2 AND a = ?1");
        assert_eq!(&*c.text(Dialect::Postgres, &Rows::All), "SELECT '$1', \"$2\" FROM note WHERE b = $2 AND a = $1");
        assert_eq!((c.args, c.rows, c.tables), (2, false, vec!["note".to_owned()]));
    }

    #[test]
    fn the_row_predicate_takes_the_arguments_behind_the_statements_own() {
        let c = Compiled::new("SELECT id FROM note n WHERE {rows:n} AND id = $1", false);
        let rows = set(
            1,
            vec![
                vec![Cell { column: "owner".into(), any: vec![Bind::Me] }],
                vec![Cell { column: "st\"ate".into(), any: vec![Bind::Int(1), Bind::Text("x".into())] }],
            ],
        );
        assert_eq!(
            &*c.text(Dialect::Sqlite, &rows),
            "SELECT id FROM note n WHERE ((n.\"owner\" IN (?2)) OR (n.\"st\"\"ate\" IN (?3, ?4))) AND id = ?1"
        );
        let me = UserId(Id::from_bytes([7; 16]));
        let bound = c.bind(vec![Value::Int(9)], &rows, Some(me)).unwrap();
        assert_eq!(bound, [Value::Int(9), me.into(), Value::Int(1), "x".into()]);
        assert_eq!(c.bind(vec![Value::Int(9)], &rows, None).unwrap()[1], Value::Null);
        assert!(c.bind(vec![], &rows, None).is_err());
        assert!(c.bind(vec!["a\0b".into()], &rows, None).is_err());
        assert!(c.text(Dialect::Sqlite, &set(2, vec![])).contains("WHERE 1=0 AND"));
        assert!(c.text(Dialect::Sqlite, &set(3, vec![vec![]])).contains("WHERE ((1=1)) AND"));
        assert!(c.text(Dialect::Sqlite, &Rows::All).contains("WHERE 1=1 AND"));
    }

    #[test]
    fn conflict_targets_are_led_by_the_tenant_on_postgres_only() {
        let text = "INSERT INTO note (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING";
        assert!(Compiled::new(text, false).text(Dialect::Postgres, &Rows::All).contains("(tenant_id, a)"));
        assert!(Compiled::new(text, false).text(Dialect::Sqlite, &Rows::All).contains("CONFLICT (a)"));
        assert!(Compiled::new(text, true).text(Dialect::Postgres, &Rows::All).contains("CONFLICT (a)"));
        let own = "INSERT INTO _meta (key) VALUES ($1) ON CONFLICT (key) DO NOTHING";
        assert!(Compiled::new(own, true).text(Dialect::Postgres, &Rows::All).contains("(tenant_id, key)"));
    }

    #[test]
    fn an_insert_alone_reads_no_table() {
        assert!(Compiled::new("INSERT INTO note (a) VALUES ($1)", false).tables.is_empty());
        assert_eq!(Compiled::new("INSERT INTO note (a) SELECT a FROM staged", false).tables, ["staged"]);
        assert_eq!(Compiled::new("UPDATE note SET a = $1", false).tables, ["note"]);
        assert!(
            Compiled::new("INSERT INTO n (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET b = 1", false).tables.is_empty()
        );
    }
}
