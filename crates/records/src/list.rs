//! Lists and single records.

use http::StatusCode;
use kernel::{Failure, FieldSet, Mode, Permit, Read};
use route::Reply;
use store::{Tx, Value};

use crate::{
    answer::{self, View},
    body::{Pieces, named},
    cursor::Question,
    filter::{self, Scope},
    json, seal,
    shelf::{Records, Shelf},
    sort,
    sql::{self, Layout},
};

const PARAMETERS: [&str; 6] = ["filter", "sort", "fields", "limit", "cursor", "count"];
const LIMIT: i64 = 30;
const MOST: i64 = 200;

/// Fields that are asked for and may be read.
fn wanted(shelf: &Shelf, readable: FieldSet, text: Option<&str>) -> Result<FieldSet, Failure> {
    let Some(text) = text else { return Ok(readable) };
    let mut set = FieldSet::NONE;
    for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        match shelf.def.position(name).filter(|at| readable.has(*at)) {
            Some(at) => set = set.with(at),
            None if matches!(name, "id" | "created_at" | "updated_at" | "version") => {}
            None => return Err(Failure::field(named(name), "unknown", "no such field")),
        }
    }
    Ok(set)
}

/// What a list is asked.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) filter: Option<&'a str>,
    pub(crate) sort: Option<&'a str>,
    pub(crate) fields: Option<&'a str>,
    /// 30 when nothing is said.
    pub(crate) limit: Option<i64>,
    pub(crate) cursor: Option<&'a str>,
    pub(crate) count: bool,
}

/// One record.
pub(crate) async fn one(records: &Records, shelf: &Shelf, tx: &Tx<Read>, input: &Pieces) -> Result<Reply, Failure> {
    let id = input.id()?;
    input.only(&["fields"])?;
    let (body, version) = record(records, shelf, tx, &id, input.query("fields")).await?;
    Ok(answer::record(StatusCode::OK, body, version))
}

/// One record as JSON, and its version.
pub(crate) async fn record<M: Mode>(
    records: &Records,
    shelf: &Shelf,
    tx: &Tx<M>,
    id: &str,
    fields: Option<&str>,
) -> Result<(Vec<u8>, i64), Failure> {
    let permit = tx.permit();
    let grant = permit.reach();
    let shown = wanted(shelf, answer::readable(shelf, grant), fields)?;
    let shape = records.shapes.get((shelf.at, shown, grant.drafts), || {
        let layout = Layout::of(&shelf.def, shown, grant.drafts, false);
        (sql::get(&shelf.def, &shelf.sql, &layout), layout)
    });
    let (query, layout) = shape.as_ref();
    let view = View { records, shelf, layout, shown, drafts: grant.drafts };
    let (mut out, mut holes, mut version) = (Vec::with_capacity(512), Vec::new(), None);
    tx.each(query, vec![id.into()], |row| {
        version = Some(row.int(3)?);
        view.record(&mut out, &mut holes, row)
    })
    .await?;
    let Some(version) = version else { return Err(answer::absent(id)) };
    answer::remember(id);
    let body = seal::fill(records, shelf, permit.principal().home(), out, holes).await?;
    Ok((body, version))
}

/// A page of records.
pub(crate) async fn many(records: &Records, shelf: &Shelf, tx: &Tx<Read>, input: &Pieces) -> Result<Reply, Failure> {
    input.only(&PARAMETERS)?;
    let asked = Asked {
        filter: input.query("filter"),
        sort: input.query("sort"),
        fields: input.query("fields"),
        limit: input.query("limit").map(limit).transpose()?,
        cursor: input.query("cursor"),
        count: flag(input.query("count"))?,
    };
    Ok(Reply::json(StatusCode::OK, page(records, shelf, tx, &asked).await?))
}

/// A page of records as JSON: `items`, `next` and, when asked, `count`.
pub(crate) async fn page<M: Mode>(
    records: &Records,
    shelf: &Shelf,
    tx: &Tx<M>,
    asked: &Asked<'_>,
) -> Result<Vec<u8>, Failure> {
    let permit = tx.permit();
    let grant = permit.reach();
    let readable = answer::readable(shelf, grant);
    let shown = wanted(shelf, readable, asked.fields)?;
    let keys = sort::read(shelf, readable, asked.sort)?;
    let limit = asked.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let filter = asked.filter.filter(|t| !t.trim().is_empty());
    let tree = filter.map(|text| filter::read(&scope(records, shelf, permit, readable), text)).transpose()?;
    let home = permit.principal().home();
    let tree = match tree {
        Some(tree) => Some(filter::blinded(records, shelf, home, tree).await?),
        None => None,
    };
    let sorted = asked.sort.unwrap_or("");
    let question = Question { home, collection: shelf.def.id, filter: filter.unwrap_or(""), sort: sorted };
    let cursor = asked.cursor.map(|c| question.read(&records.cursors, &records.vault, c, keys.len()));
    let after = cursor.transpose()?;

    let layout = Layout::of(&shelf.def, shown, grant.drafts, false);
    let page = sql::page((&shelf.def, &shelf.sql), &layout, tree.as_ref(), &keys, after.as_deref(), limit);
    let query = records.shapes.read(page.text);
    let view = View { records, shelf, layout: &layout, shown, drafts: grant.drafts };
    let mut out = Vec::with_capacity(4096);
    out.extend_from_slice(b"{\"items\":[");
    let (mut holes, mut seen, mut last) = (Vec::new(), 0_i64, None);
    tx.each(&query, page.args, |row| {
        seen += 1;
        if seen > limit {
            return Ok(());
        }
        if seen > 1 {
            out.push(b',');
        }
        view.record(&mut out, &mut holes, row)?;
        if seen == limit {
            last = Some(page.keys.iter().map(|at| row.get::<Value>(*at)).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(())
    })
    .await?;
    out.extend_from_slice(b"],\"next\":");
    match last.filter(|_| seen > limit) {
        Some(values) => json::text(&mut out, &question.write(&records.cursors, &records.vault, &values)?),
        None => out.extend_from_slice(b"null"),
    }
    if asked.count {
        out.extend_from_slice(b",\"count\":");
        json::int(&mut out, count(records, shelf, tx, tree.as_ref()).await?);
    }
    out.push(b'}');
    seal::fill(records, shelf, home, out, holes).await
}

async fn count<M: Mode>(
    records: &Records,
    shelf: &Shelf,
    tx: &Tx<M>,
    filter: Option<&filter::Node>,
) -> Result<i64, Failure> {
    let (text, args) = sql::count(&shelf.def, &shelf.sql, filter);
    let query = records.shapes.read(text);
    let mut found = 0;
    tx.each(&query, args, |row| {
        found = row.int(0)?;
        Ok(())
    })
    .await?;
    Ok(found)
}

fn scope<'s, M: Mode>(records: &Records, shelf: &'s Shelf, permit: &Permit<M>, readable: FieldSet) -> Scope<'s> {
    let principal = permit.principal();
    Scope { shelf, readable, me: principal.user().into(), now: principal.at(), currency: records.app.currency }
}

fn limit(text: &str) -> Result<i64, Failure> {
    text.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(|| Failure::bad("limit: a number from 1 to 200"))
}

fn flag(text: Option<&str>) -> Result<bool, Failure> {
    match text {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1" | "") => Ok(true),
        Some(_) => Err(Failure::bad("count: true or false")),
    }
}
