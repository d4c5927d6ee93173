//! Lists: composed from registered columns and operators, every value bound.

use manifest::Collection;
use store::Value;

use super::{Bound, Layout, Shelf, quoted};
use crate::{
    filter::{Node, Op},
    sort::Key,
};

/// A page's statement, its arguments, and where each sort key's value stands in a row.
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) args: Vec<Value>,
    pub(crate) keys: Vec<usize>,
}

/// One page: rows that satisfy the filter, behind the cursor's values, in order; one more than `limit`.
pub(crate) fn page(
    (c, shelf): (&Collection, &Shelf),
    layout: &Layout,
    filter: Option<&Node>,
    sort: &[Key],
    after: Option<&[Value]>,
    limit: i64,
) -> Page {
    let mut bound = Bound::default();
    let mut list = layout.list(c);
    let mut width = layout.width;
    let mut keys = Vec::with_capacity(sort.len());
    for key in sort {
        let known = match key.column.as_str() {
            "id" => Some(0),
            "created_at" => Some(1),
            "updated_at" => Some(2),
            "published_at" if layout.drafts => Some(5),
            other => c.position(other).and_then(|at| layout.column(at)),
        };
        keys.push(known.unwrap_or_else(|| {
            list.push_str(&format!(", {}", quoted(&key.column)));
            width += 1;
            width - 1
        }));
    }
    let mut text = format!("SELECT {list} FROM {} WHERE {}", quoted(c.id), shelf.reach);
    if let Some(filter) = filter {
        text.push_str(" AND ");
        node(filter, &mut bound, &mut text);
    }
    if let Some(after) = after {
        text.push_str(" AND ");
        text.push_str(&behind(sort, after, &mut bound));
    }
    let order: Vec<String> = sort.iter().map(Key::order).collect();
    let limit = bound.put(limit + 1);
    text.push_str(&format!(" ORDER BY {} LIMIT {limit}", order.join(", ")));
    Page { text, args: bound.into_values(), keys }
}

/// How many rows satisfy the filter.
pub(crate) fn count(c: &Collection, shelf: &Shelf, filter: Option<&Node>) -> (String, Vec<Value>) {
    let mut bound = Bound::default();
    let mut text = format!("SELECT COUNT(*) FROM {} WHERE {}", quoted(c.id), shelf.reach);
    if let Some(filter) = filter {
        text.push_str(" AND ");
        node(filter, &mut bound, &mut text);
    }
    (text, bound.into_values())
}

/// Every record, in order of ids.
pub(crate) fn every(c: &Collection, shelf: &Shelf, layout: &Layout) -> String {
    format!("SELECT {} FROM {} WHERE {} ORDER BY \"id\"", layout.list(c), quoted(c.id), shelf.reach)
}

/// Records that refer to one, in order of ids: (id, most).
pub(crate) fn referring(c: &Collection, layout: &Layout, reference: &str) -> String {
    let (list, table, reference) = (layout.list(c), quoted(c.id), quoted(reference));
    format!("SELECT {list} FROM {table} WHERE {{rows}} AND {reference} = $1 ORDER BY \"id\" LIMIT $2")
}

impl Key {
    fn order(&self) -> String {
        let column = quoted(&self.column);
        let nulls = if self.null { " NULLS LAST" } else { "" };
        format!("{column}{}{nulls}", if self.descending { " DESC" } else { "" })
    }

    /// Rows strictly behind a value in this key's order; empty values come last.
    fn behind(&self, value: &Value, bound: &mut Bound) -> Option<String> {
        let column = quoted(&self.column);
        if *value == Value::Null {
            return None;
        }
        let mark = bound.put(value.clone());
        let sign = if self.descending { "<" } else { ">" };
        Some(match self.null {
            true => format!("({column} {sign} {mark} OR {column} IS NULL)"),
            false => format!("{column} {sign} {mark}"),
        })
    }

    fn same(&self, value: &Value, bound: &mut Bound) -> String {
        let column = quoted(&self.column);
        if *value == Value::Null {
            format!("{column} IS NULL")
        } else {
            format!("{column} = {}", bound.put(value.clone()))
        }
    }
}

/// `(a > x OR (a = x AND (b > y OR ...)))`
fn behind(sort: &[Key], after: &[Value], bound: &mut Bound) -> String {
    let Some((key, rest)) = sort.split_first() else { return "1=0".to_owned() };
    let Some((value, values)) = after.split_first() else { return "1=0".to_owned() };
    let beyond = key.behind(value, bound);
    if rest.is_empty() {
        return beyond.unwrap_or_else(|| "1=0".to_owned());
    }
    let same = key.same(value, bound);
    let deeper = behind(rest, values, bound);
    match beyond {
        Some(beyond) => format!("({beyond} OR ({same} AND {deeper}))"),
        None => format!("({same} AND {deeper})"),
    }
}

fn joined(nodes: &[Node], word: &str, bound: &mut Bound, text: &mut String) {
    text.push('(');
    for (i, inner) in nodes.iter().enumerate() {
        if i > 0 {
            text.push_str(word);
        }
        node(inner, bound, text);
    }
    text.push(')');
}

fn node(filter: &Node, bound: &mut Bound, text: &mut String) {
    match filter {
        Node::All(nodes) => joined(nodes, " AND ", bound, text),
        Node::Any(nodes) => joined(nodes, " OR ", bound, text),
        Node::Empty(column, true) => text.push_str(&format!("{} IS NULL", quoted(column))),
        Node::Empty(column, false) => text.push_str(&format!("{} IS NOT NULL", quoted(column))),
        Node::In(column, values) => {
            let marks: Vec<String> = values.iter().map(|v| bound.put(v.clone())).collect();
            text.push_str(&format!("{} IN ({})", quoted(column), marks.join(", ")));
        }
        // Never asked of the store: the vault has turned it into the next.
        Node::Sealed(..) => text.push_str("1 = 0"),
        Node::Blind(column, tags) => {
            let marks: Vec<String> = tags.iter().map(|v| bound.put(v.clone())).collect();
            text.push_str(&format!("substr({}, 1, {}) IN ({})", quoted(column), encryption::TAG, marks.join(", ")));
        }
        Node::Test(column, op, value) => {
            let (column, mark) = (quoted(column), bound.put(value.clone()));
            text.push_str(&match op {
                Op::Equal => format!("{column} = {mark}"),
                Op::Unequal => format!("({column} <> {mark} OR {column} IS NULL)"),
                Op::Less => format!("{column} < {mark}"),
                Op::AtMost => format!("{column} <= {mark}"),
                Op::More => format!("{column} > {mark}"),
                Op::AtLeast => format!("{column} >= {mark}"),
                Op::Contains => format!("LOWER({column}) LIKE {mark} ESCAPE '\\'"),
                Op::Holds => format!("{column} LIKE {mark} ESCAPE '\\'"),
                Op::Lacks => format!("({column} NOT LIKE {mark} ESCAPE '\\' OR {column} IS NULL)"),
            });
        }
    }
}
