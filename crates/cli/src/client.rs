//! The command line as a client of a running server's admin socket.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read, Write},
    net::Shutdown,
    os::unix::{fs::OpenOptionsExt as _, net::UnixStream},
    path::Path,
    process::ExitCode,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::screen;

/// The house's own id.
const HOUSE: &str = "00000000-0000-0000-0000-000000000000";

fn connect(data: &Path) -> Result<UnixStream, ExitCode> {
    let socket = data.join("admin.sock");
    UnixStream::connect(&socket).map_err(|_| {
        screen::say(&format!("  error  no server is running on {} (start it with `vouchsafe serve`)", data.display()));
        ExitCode::from(2)
    })
}

fn failed(what: impl std::fmt::Display) -> ExitCode {
    screen::say(&format!("  error  {what}"));
    ExitCode::FAILURE
}

fn send(stream: &mut UnixStream, order: &Value) -> Result<(), ExitCode> {
    writeln!(stream, "{order}").map_err(failed)
}

/// One line of answer: `ok`, or the server's words as an error.
fn answer(from: &mut impl std::io::BufRead) -> Result<Value, ExitCode> {
    let mut line = String::new();
    from.read_line(&mut line).map_err(failed)?;
    let mut answer: Value = serde_json::from_str(&line).map_err(|_| failed("the server ended the conversation"))?;
    if let Some(note) = answer.get("note").and_then(Value::as_str) {
        screen::say(&format!("  note   {note}"));
    }
    match answer.get_mut("ok") {
        Some(ok) => Ok(ok.take()),
        None => Err(failed(answer.get("error").and_then(Value::as_str).unwrap_or("refused"))),
    }
}

/// The most that a piece of an answer holds.
const LARGEST: usize = 1 << 20;

/// Sends the end of a body: without it, the server takes none of it.
fn end(stream: &mut UnixStream) -> Result<(), ExitCode> {
    stream.write_all(b"0\n").and_then(|()| stream.shutdown(Shutdown::Write)).map_err(failed)
}

/// One piece of a body.
fn send_piece(stream: &mut UnixStream, piece: &[u8]) -> std::io::Result<()> {
    writeln!(stream, "{:x}", piece.len())?;
    stream.write_all(piece)
}

/// The next piece of an answer; `None` at its end. An answer that breaks off is an error.
fn piece(from: &mut impl std::io::BufRead) -> Result<Option<Vec<u8>>, ExitCode> {
    let early = || failed("the answer broke off before its end");
    let mut line = String::new();
    from.by_ref().take(16).read_line(&mut line).map_err(failed)?;
    let length = line.strip_suffix('\n').and_then(|digits| usize::from_str_radix(digits, 16).ok());
    match length.filter(|length| *length <= LARGEST).ok_or_else(early)? {
        0 => Ok(None),
        length => {
            let mut piece = vec![0; length];
            from.read_exact(&mut piece).map_err(|_| early())?;
            Ok(Some(piece))
        }
    }
}

/// All of an answer, as text.
fn text(from: &mut impl std::io::BufRead) -> Result<String, ExitCode> {
    let mut all = Vec::new();
    while let Some(piece) = piece(from)? {
        all.extend(piece);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// Sends one order; what comes back.
pub fn ask(data: &Path, order: &Value) -> Result<Value, ExitCode> {
    let mut stream = connect(data)?;
    send(&mut stream, order)?;
    answer(&mut BufReader::new(stream))
}

/// Sends one order and prints what comes back.
pub fn act(data: &Path, order: Value) -> Result<ExitCode, ExitCode> {
    let ok = ask(data, &order)?;
    match &ok {
        Value::Array(items) => items.iter().for_each(|item| screen::print(&line_of(item))),
        other => screen::print(&line_of(other)),
    }
    Ok(ExitCode::SUCCESS)
}

fn line_of(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            members.iter().map(|(name, v)| format!("{name} {}", text(v))).collect::<Vec<_>>().join("   ")
        }
        Value::Null => "done".to_owned(),
        other => other.to_string(),
    }
}

fn format_of(file: &Path) -> Result<&'static str, ExitCode> {
    match file.extension().and_then(|e| e.to_str()) {
        Some("csv") => Ok("csv"),
        Some("json" | "jsonl" | "ndjson") => Ok("json"),
        _ => Err(screen::refuse("the file's name must end in .csv, .json or .jsonl")),
    }
}

fn bar(total: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("  {msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar
}

/// Calls one route of the house as an operator; the answer's JSON.
pub fn call(data: &Path, operator: &str, method: &str, path: &str, body: Option<Value>) -> Result<Value, ExitCode> {
    let mut stream = connect(data)?;
    send(
        &mut stream,
        &json!({"do": "call", "as": operator, "tenant": HOUSE, "method": method, "path": path, "type": "application/json"}),
    )?;
    if let Some(body) = body {
        send_piece(&mut stream, body.to_string().as_bytes()).map_err(failed)?;
    }
    end(&mut stream)?;
    let mut reader = BufReader::new(stream);
    let head = answer(&mut reader)?;
    let text = text(&mut reader)?;
    if head.get("status").and_then(Value::as_u64).is_none_or(|s| s >= 300) {
        return Err(failed(text));
    }
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Streams a file into `POST .../records/import`.
pub fn import(data: &Path, operator: &str, tenant: &str, collection: &str, path: &Path) -> Result<ExitCode, ExitCode> {
    let format = format_of(path)?;
    let mut file = File::open(path).map_err(|e| screen::refuse(&format!("{}: {e}", path.display())))?;
    let size = file.metadata().map_or(0, |m| m.len());
    let mut stream = connect(data)?;
    let route = format!("/api/v1/collections/{collection}/records/import");
    let kind = if format == "csv" { "text/csv" } else { "application/x-ndjson" };
    send(
        &mut stream,
        &json!({"do": "call", "as": operator, "tenant": tenant, "method": "POST", "path": route, "type": kind}),
    )?;
    let bar = bar(size, "importing");
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        let Some(piece) = buffer.get(..read).filter(|p| !p.is_empty()) else { break };
        if send_piece(&mut stream, piece).is_err() {
            break; // the server has answered already: the reason comes next
        }
        bar.inc(read as u64);
    }
    let _answered_already = stream.write_all(b"0\n").and_then(|()| stream.shutdown(Shutdown::Write));
    bar.set_message("publishing");
    let mut reader = BufReader::new(stream);
    let head = answer(&mut reader)?;
    bar.finish_and_clear();
    screen::print(&text(&mut reader)?);
    Ok(if head.get("status").and_then(Value::as_u64).is_some_and(|s| s < 300) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Streams `GET .../records/export` into a file.
pub fn export(data: &Path, operator: &str, tenant: &str, collection: &str, path: &Path) -> Result<ExitCode, ExitCode> {
    let format = format_of(path)?;
    let route = format!("/api/v1/collections/{collection}/records/export?format={format}");
    fetch(data, operator, tenant, &route, path)
}

/// Streams the answer of a `GET` into a file.
pub fn fetch(data: &Path, operator: &str, tenant: &str, route: &str, path: &Path) -> Result<ExitCode, ExitCode> {
    let mut stream = connect(data)?;
    send(&mut stream, &json!({"do": "call", "as": operator, "tenant": tenant, "method": "GET", "path": route}))?;
    end(&mut stream)?;
    let mut reader = BufReader::new(stream);
    let head = answer(&mut reader)?;
    if head.get("status").and_then(Value::as_u64).is_none_or(|s| s >= 300) {
        return Err(failed(text(&mut reader)?));
    }
    let partial = path.with_extension("partial");
    // It holds what the server seals: for its owner alone.
    let new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    let mut file = new.map_err(|e| failed(format!("{}: {e}", partial.display())))?;
    let bar = bar(0, "exporting");
    while let Some(piece) = piece(&mut reader)? {
        file.write_all(&piece).map_err(failed)?;
        bar.inc(piece.len() as u64);
    }
    file.sync_all().and_then(|()| std::fs::rename(&partial, path)).map_err(failed)?;
    bar.finish_and_clear();
    screen::print(&format!("wrote {}", path.display()));
    Ok(ExitCode::SUCCESS)
}
