//! Files in and out: exports as links; imports as an upload, a look at what its columns mean, and a run that tells how far
//! it is.

use std::sync::Arc;

use http::{HeaderName, StatusCode};
use kernel::{DAY, Failure, Id, Principal, Read, Rows, Write, may};
use manifest::{Field as Def, Kind};
use maud::{Markup, html};
use route::{
    Asking, Changing, Done, Html, Intake, Output, Redraw, Reply, Route, get,
    page::{Button, Field, Notice, Screen, Tag, form, form_files, see_other},
    post, with,
};
use store::{Own, Tx, Value};

use super::{Room, ask::Asked, look, member, upload::Sent, words};
use crate::{
    csv,
    import::{self, Form, SYSTEM},
    run::{Run, State},
    sql,
};

/// Largest import through a page, in bytes.
const MOST: u64 = 512 << 20;
/// Field of a file that waits to be imported: no collection has one of that name.
const FIELD: &str = "_import";
/// Uploads that were never started go after a day.
const STALE: i64 = DAY;
/// Bytes looked at for the preview.
const HEAD: usize = 64 * 1024;
/// Rows shown of it.
const SAMPLES: usize = 3;
/// The page asks for itself again after so many seconds, without a script.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

pub(super) fn routes(room: &Arc<Room>) -> Vec<Route> {
    let (all, c) = (super::place(room.shelf()), room.shelf().def.id);
    let manage = may("imports", "manage");
    let route = |path: String, verb, tier, serve| Route { path, action: may(c, verb), tier, serve };
    let upload = post("import.uploaded", with(room, take)).taking(Intake::Stream(MOST)).also(manage);
    let start = post("import.started", with(room, start)).also(manage);
    vec![
        route(format!("{all}/transfer"), "read", "api", get(with(room, show))),
        route(format!("{all}/import"), "create", "uploads", upload.redrawn(with(room, take_again))),
        route(format!("{all}/import/{{id}}"), "create", "api", get(with(room, look_at)).also(manage)),
        route(format!("{all}/import/{{id}}"), "create", "imports", start.redrawn(with(room, start_again))),
    ]
}

/// Whether they may import: new records everywhere, and imports.
pub(super) fn may_import(room: &Room, who: &Principal) -> bool {
    let creates = room.access.weigh(who, may(room.shelf().def.id, "create"));
    creates.is_ok_and(|grant| grant.rows == Rows::All) && room.frame.may(who, may("imports", "manage"))
}

pub(super) async fn show(room: Arc<Room>, call: Asking<Asked>) -> Result<Html, Failure> {
    page(&room, &call.tx, None)
}

pub(super) async fn take_again(room: Arc<Room>, again: Redraw<Asked>) -> Result<Html, Failure> {
    let words = again.mishap.error("file").map(|detail| format!("The file was not taken: {detail}."));
    page(&room, &again.call.tx, Some(words.map_or_else(|| again.mishap.notice(), Notice::bad)))
}

fn page(room: &Room, tx: &Tx<Read>, notice: Option<Notice>) -> Result<Html, Failure> {
    let (who, shelf) = (tx.permit().principal(), room.shelf());
    member(who)?;
    let (label, place) = (words::plural(&shelf.def.label), super::place(shelf));
    let data = &room.app().data;
    let out = data.export.contains(&shelf.at) && room.frame.may(who, may("exports", "manage"));
    let base = room.frame.base(who);
    let mut screen = Screen::new(format!("{label}: files in and out"), format!("{place}/transfer"))
        .crumb(label.clone(), place)
        .protects(&["data.export_tenant", "edge.input_validation"])
        .body(html! {
            @if out {
                section {
                    h2 { "Export" }
                    p { "Every record that your role may see, with every field that it may read. Each export is noted in the history." }
                    div.actions {
                        @for format in &data.formats {
                            @let href = format!("{base}/api/v1/collections/{}/records/export?format={format}", shelf.def.id);
                            a class="button quiet" href=(href) download { (format.to_uppercase()) }
                        }
                    }
                }
            }
            section {
                h2 { "Import" }
                @if may_import(room, who) { (chooser(room, who)) }
                @else { p.muted { "Your role may not import here." } }
            }
        });
    if let Some(notice) = notice {
        screen = screen.notice(notice);
    }
    Ok(room.frame.page(who, screen))
}

fn chooser(room: &Room, who: &Principal) -> Markup {
    let write = room.access.weigh(who, may(room.shelf().def.id, "create")).map(|g| g.write).unwrap_or_default();
    let taken = |(at, f): &(usize, &Def)| write.has(*at) && settable(f);
    let fields: Vec<&Def> = room.shelf().fields().filter(taken).map(|(_, f)| f).collect();
    let inside = html! {
        (Field::file("file", "File").required(true).attr("accept", ".csv,.json,.jsonl,.ndjson")
            .hint("CSV with the columns' names in its first row, or JSON with one record a line. What an export gives can be imported."))
        div.actions { (Button::submit("Upload and check").primary()) }
    };
    html! {
        p { "First you see what the columns mean; nothing is imported before you say so. All rows come in, or none." }
        (form_files(&format!("{}/import", room.home(who)), inside))
        details.columns-taken {
            summary { "Columns that are taken" }
            dl.facts { @for f in fields { div { dt { code { (f.id) } } dd { (f.label) @if f.required { " " span.muted { "needed" } } } } } }
        }
    }
}

fn settable(f: &Def) -> bool {
    f.derived.is_none() && !f.read_only && !matches!(f.kind, Kind::File { .. })
}

/// The file is taken in and waits.
pub(super) async fn take(room: Arc<Room>, call: Changing<Sent>) -> Result<Done<Reply>, Failure> {
    let (tx, input) = (call.tx, call.input);
    let who = tx.permit().principal().clone();
    member(&who)?;
    if tx.permit().reach().rows != Rows::All {
        return Err(Failure::Refused(kernel::Reason::NotGranted));
    }
    let file = input.file().await?;
    let name = crate::file::name(file.name.as_deref());
    if of(&name).is_none() {
        return Err(Failure::field("file", "type", "expected: a file that ends in .csv, .json, .jsonl or .ndjson"));
    }
    let now = who.at();
    let id = room.records().rng.id(now);
    let blobs = tx.blobs();
    let stored = blobs.put(id, MOST, file.body).await?;
    let old = tx.all(&sql::IMPORTS_OLD, (FIELD.to_owned(), now.plus(-STALE).0)).await?;
    let row: Vec<Value> = vec![
        id.into(),
        room.shelf().def.id.into(),
        FIELD.into(),
        name.into(),
        "text/plain".into(),
        i64::try_from(stored.size).unwrap_or(i64::MAX).into(),
        hex::encode(stored.sha256).into(),
        now.into(),
        who.user().into(),
    ];
    let batch = tx.batch::<Own>(format!("{}/import/{id}", room.shelf().def.id)).rows(1, &sql::FILE_ADD, row);
    let batch = old.iter().fold(batch, |b, (file,)| b.any(&sql::FILE_DROP, (file.to_string(),)));
    match batch.commit().await {
        Ok(receipt) => {
            for (file,) in old {
                let _an_orphan_at_worst = blobs.delete(file).await;
            }
            Ok(Done::created(receipt, see_other(format!("{}/import/{id}", room.home(&who)))))
        }
        Err(failure) => {
            if failure != Failure::Unknown {
                let _an_orphan_at_worst = blobs.delete(id).await;
            }
            Err(failure)
        }
    }
}

fn of(name: &str) -> Option<Form> {
    let end = name.rsplit('.').next().unwrap_or("").to_ascii_lowercase();
    match end.as_str() {
        "csv" => Some(Form::Csv),
        "json" | "jsonl" | "ndjson" => Some(Form::Lines),
        _ => None,
    }
}

/// A file that waits: its own uploader's, nobody else's.
async fn waiting<M: kernel::Mode>(room: &Room, tx: &Tx<M>, id: &str) -> Result<(Id, String, Form), Failure> {
    let file: Id = id.parse().map_err(|()| Failure::NotFound)?;
    let args = (id.to_owned(), room.shelf().def.id.to_owned(), FIELD.to_owned());
    let (name, _, _, by, _) = tx.maybe(&sql::FILE, args).await?.ok_or(Failure::NotFound)?;
    let me = tx.permit().principal().user().map(|u| u.to_string());
    if by.is_none() || by != me {
        return Err(Failure::NotFound);
    }
    let form = of(&name).ok_or(Failure::NotFound)?;
    Ok((file, name, form))
}

/// What the columns mean; how far it is; what came of it.
pub(super) async fn look_at(room: Arc<Room>, call: Asking<Asked>) -> Result<Reply, Failure> {
    let id = call.input.id()?;
    let (page, runs) = state_page(&room, &call.tx, &id).await?;
    let reply = page.reply(StatusCode::OK)?;
    Ok(if runs { reply.with(REFRESH, "1") } else { reply })
}

pub(super) async fn start_again(room: Arc<Room>, again: Redraw<Asked>) -> Result<Html, Failure> {
    let id = again.call.input.id()?;
    Ok(state_page(&room, &again.call.tx, &id).await?.0)
}

async fn state_page(room: &Room, tx: &Tx<Read>, id: &str) -> Result<(Html, bool), Failure> {
    let (who, shelf) = (tx.permit().principal(), room.shelf());
    member(who)?;
    let (label, place) = (words::plural(&shelf.def.label), super::place(shelf));
    let screen = |title: String| {
        Screen::new(title, format!("{place}/import/{id}"))
            .crumb(label.clone(), place.clone())
            .crumb("Files in and out", format!("{place}/transfer"))
            .protects(&["edge.input_validation"])
    };
    let run = room.records().imports.get(who, shelf.def.id, id);
    let home = room.home(who);
    let (screen, runs) = match run.as_deref().map(Run::state) {
        Some(State::Under(share)) => (screen("Importing".to_owned()).body(underway(share)), true),
        Some(State::Done(rows)) => {
            let words = format!(
                "{} {} imported.",
                look::grouped(&rows.to_string()),
                if rows == 1 { words::small(&shelf.def.label) } else { words::plural(&words::small(&shelf.def.label)) }
            );
            let body =
                html! { div.actions { (Button::link(format!("See the {}", words::small(&label)), home).primary()) } };
            (screen("Import finished".to_owned()).notice(Notice::good(words)).body(body), false)
        }
        Some(State::Refused(problem)) => {
            let screen = screen("Nothing was imported".to_owned());
            let faulty = problem.errors.iter().map(|e| (row(&e.field), e.detail.to_string()));
            let lines: Vec<(String, String)> =
                faulty.chain(problem.detail.iter().map(|d| ("The file".to_owned(), d.clone()))).collect();
            let words = if lines.is_empty() {
                problem.title.to_owned()
            } else {
                "Not one row came in; these have to be put right first.".to_owned()
            };
            let body = html! {
                @if !lines.is_empty() { (faults(&lines)) }
                div.actions { (Button::link("Choose a corrected file", format!("{home}/transfer")).primary()) }
            };
            (screen.notice(Notice::bad(words)).body(body), false)
        }
        None => {
            let (file, name, form) = waiting(room, tx, id).await?;
            (
                screen(format!("Import {name}"))
                    .body(preview(room, tx, file, form, &format!("{home}/import/{id}")).await?),
                false,
            )
        }
    };
    Ok((room.frame.page(who, screen), runs))
}

fn underway(share: u64) -> Markup {
    html! {
        label.running {
            span { "Rows are checked as they are read, then all come in at once." }
            progress max="100" value=(share) { (share) "%" }
        }
        p.muted { (share) "% read. This page looks again every second; you can leave it, the import goes on." }
    }
}

/// `rows/3/price` as `Row 3, price`.
fn row(field: &str) -> String {
    let mut parts = field.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("rows"), Some(n), Some(name)) => format!("Row {n}, {name}"),
        (Some("rows"), Some(n), None) => format!("Row {n}"),
        _ => format!("Column {field}"),
    }
}

fn faults(lines: &[(String, String)]) -> Markup {
    html! {
        table.table {
            thead { tr { th scope="col" { "Where" } th scope="col" { "What" } } }
            tbody { @for (place, what) in lines { tr { td.main data-label="Where" { (place) } td data-label="What" { (what) } } } }
        }
        @if lines.len() >= 100 { p.muted { "There may be more; the first hundred are shown." } }
    }
}

async fn preview(room: &Room, tx: &Tx<Read>, file: Id, of: Form, action: &str) -> Result<Markup, Failure> {
    let (_, body) = tx.blobs().get(file).await?;
    let head = crate::file::start(body, HEAD).await?;
    let (names, samples) = sample(of, &head);
    let write = tx.permit().reach().write;
    let read = crate::answer::readable(room.shelf(), tx.permit().reach());
    let meaning = |name: &str| meaning(room, (read, write), name);
    let unknown = names.iter().any(|n| matches!(meaning(n), Meaning::Unknown));
    let missing: Vec<String> = room
        .shelf()
        .fields()
        .filter(|(at, f)| {
            write.has(*at) && settable(f) && f.required && f.default.is_none() && !names.iter().any(|n| n == f.id)
        })
        .map(|(_, f)| f.label.clone())
        .collect();
    let ready = !names.is_empty() && !unknown && missing.is_empty();
    let inside = html! {
        div.actions {
            @if ready { (Button::submit("Import").primary()) }
            @else { (Button::submit("Import").blocked("The columns have to fit first.")) }
            (Button::link("Choose another file", format!("{}/transfer", room.home(tx.permit().principal()))))
        }
    };
    Ok(html! {
        @if names.is_empty() { (Notice::bad("This file holds no columns.")) }
        @if unknown { (Notice::warn("Some columns are not known here: such a file is refused as a whole.")) }
        @if !missing.is_empty() { (Notice::warn(format!("These are needed and have no column: {}.", words::both(&missing)))) }
        @if !names.is_empty() {
            table.table {
                caption { "What the columns mean" }
                thead { tr { th scope="col" { "In the file" } th scope="col" { "Here" } th scope="col" { "First values" } } }
                tbody {
                    @for (at, name) in names.iter().enumerate() {
                        tr {
                            td.main data-label="In the file" { code { (look::cut(name, 60)) } }
                            td data-label="Here" { (meaning(name).words()) }
                            td data-label="First values" { (examples(&samples, at)) }
                        }
                    }
                }
            }
        }
        (form(action, inside))
    })
}

fn examples(samples: &[Vec<String>], at: usize) -> String {
    let all: Vec<String> =
        samples.iter().filter_map(|r| r.get(at)).filter(|c| !c.is_empty()).map(|c| look::cut(c, 30)).collect();
    all.join(" · ")
}

/// Names of the columns, and the first rows.
fn sample(of: Form, head: &[u8]) -> (Vec<String>, Vec<Vec<String>>) {
    match of {
        Form::Csv => {
            let mut rows = csv::Reader::new().feed(head).unwrap_or_default().into_iter();
            (rows.next().unwrap_or_default(), rows.take(SAMPLES).collect())
        }
        Form::Lines => {
            let line = |l: &[u8]| {
                let l = l.trim_ascii();
                serde_json::from_slice::<super::Shown>(l.strip_suffix(b",").unwrap_or(l)).ok()
            };
            let records: Vec<_> = head.split(|b| *b == b'\n').filter_map(line).take(SAMPLES).collect();
            let mut names: Vec<String> = Vec::new();
            for name in records.iter().flat_map(|r| r.keys()) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            let said = |v: Option<&serde_json::Value>| match v {
                None | Some(serde_json::Value::Null) => String::new(),
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            let rows = records.iter().map(|r| names.iter().map(|n| said(r.get(n))).collect()).collect();
            (names, rows)
        }
    }
}

/// What becomes of a column.
enum Meaning {
    Field(String),
    Id,
    Aside,
    Forbidden(String),
    Unknown,
}

fn meaning(room: &Room, (read, write): (kernel::FieldSet, kernel::FieldSet), name: &str) -> Meaning {
    if name == "id" {
        return Meaning::Id;
    }
    if SYSTEM.contains(&name) {
        return Meaning::Aside;
    }
    let found = room.shelf().def.position(name).and_then(|at| Some((at, room.shelf().field(at)?)));
    match found {
        Some((at, f)) if read.has(at) && !settable(f) => Meaning::Aside,
        Some((at, f)) if write.has(at) && settable(f) => Meaning::Field(f.label.clone()),
        Some((at, f)) if read.has(at) => Meaning::Forbidden(f.label.clone()),
        _ => Meaning::Unknown,
    }
}

impl Meaning {
    fn words(&self) -> Markup {
        match self {
            Self::Field(label) => html! { (label) },
            Self::Id => html! { "The record's id" },
            Self::Aside => html! { span.muted { "Set by the server; passed over" } },
            Self::Forbidden(label) => html! { (label) " " (Tag::warn("not for your role")) },
            Self::Unknown => html! { (Tag::bad("Unknown")) },
        }
    }
}

/// It runs on its own, under a permit of its own; this request only says that it began.
pub(super) async fn start(room: Arc<Room>, call: Changing<Asked>) -> Result<Done<Reply>, Failure> {
    let (tx, id) = (call.tx, call.input.id()?);
    let who = tx.permit().principal().clone();
    member(&who)?;
    let c = room.shelf().def.id;
    let (file, _, form) = waiting(&room, &tx, &id).await?;
    let permit = room.access.permit::<Write>(who.clone(), may(c, "create"), "records.imported", true).await?;
    let own = tx.later(permit)?;
    let (size, body) = own.blobs().get(file).await?;
    let run = room.records().imports.begin(&who, c, &id, size)?;
    let batch = tx.batch::<Own>(format!("{c}/import/{id}"));
    let receipt = match batch.commit().await {
        Ok(receipt) => receipt,
        Err(failure) => {
            run.end(Err(route::problem(failure.clone())));
            return Err(failure);
        }
    };
    let (desk, blobs) = (Arc::clone(&room.desk), own.blobs());
    let counted = Arc::clone(&run).counting(body);
    tokio::spawn(async move {
        let outcome = import::run(&desk.records, &desk.shelf, own, form, counted, Some(&id)).await;
        if outcome.is_ok() {
            let _an_orphan_at_worst = blobs.delete(file).await;
        }
        run.end(outcome.map(|done| done.rows).map_err(route::problem));
    });
    Ok(Done::accepted(receipt, see_other(format!("{}/import/{}", room.home(&who), call.input.id()?))))
}
