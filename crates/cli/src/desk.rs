//! The team's desk at the terminal: reports of weaknesses, incidents, ages of secrets.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;
use serde_json::{Value, json};

use crate::{client, command, screen};

/// Where the server is and who acts.
#[derive(clap::Args)]
pub struct Desk {
    /// The app's folder.
    app: PathBuf,
    /// Who does it: every change goes into the audit log under this name.
    #[arg(long = "as", value_name = "OPERATOR")]
    operator: String,
    /// Data folder [default: ./data/<app>].
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Reports of weaknesses.
#[derive(Subcommand)]
pub enum Report {
    /// List them, the newest first, with the clock of each.
    List {
        #[command(flatten)]
        desk: Desk,
    },
    /// Show one with all it holds.
    Show {
        #[command(flatten)]
        desk: Desk,
        /// Its id.
        id: String,
    },
    /// Confirm that it arrived: stops the first clock.
    Acknowledge {
        #[command(flatten)]
        desk: Desk,
        /// Its id.
        id: String,
    },
    /// Tell the reporter how it is going.
    Update {
        #[command(flatten)]
        desk: Desk,
        /// Its id.
        id: String,
        /// What the reporter reads.
        words: String,
    },
    /// Close it.
    Close {
        #[command(flatten)]
        desk: Desk,
        /// Its id.
        id: String,
        /// Thank the reporter by name, if they left one.
        #[arg(long)]
        thank: bool,
    },
}

/// Incidents and their 72-hour clock.
#[derive(Subcommand)]
pub enum Incident {
    /// List them.
    List {
        #[command(flatten)]
        desk: Desk,
    },
    /// Open one. The clock runs from when it was known.
    Open {
        #[command(flatten)]
        desk: Desk,
        /// A title; the public reads it once the incident is closed.
        title: String,
        /// When it was known (RFC 3339) [default: now].
        #[arg(long)]
        known: Option<String>,
    },
    /// Record that those affected were told.
    Notified {
        #[command(flatten)]
        desk: Desk,
        /// Its id.
        id: String,
    },
    /// Close it with words for the public.
    Close {
        #[command(flatten)]
        desk: Desk,
        /// Its id.
        id: String,
        /// What customers may read of it.
        words: String,
        /// Keys that were replaced because of it.
        #[arg(long)]
        replaced: Option<String>,
    },
}

fn call(desk: Desk, method: &str, path: &str, body: Option<Value>) -> Result<ExitCode, ExitCode> {
    let data = command::data_of(&desk.app, desk.data)?;
    let answer = client::call(&data, &desk.operator, method, path, body)?;
    screen::print(&shown(&answer));
    Ok(ExitCode::SUCCESS)
}

/// Lists as paragraphs, everything else as `name value` lines.
fn shown(answer: &Value) -> String {
    match answer.get("items").and_then(Value::as_array) {
        Some(items) if items.is_empty() => "none".to_owned(),
        Some(items) => items.iter().map(lines).collect::<Vec<_>>().join("\n\n"),
        None if answer.is_null() => "done".to_owned(),
        None => lines(answer),
    }
}

fn lines(value: &Value) -> String {
    let text = |v: &Value| match v {
        Value::String(text) => text.clone(),
        Value::Array(pairs) => pairs.iter().map(|p| format!("\n    {}", lines(p))).collect(),
        other => other.to_string(),
    };
    match value {
        Value::Object(members) => {
            let told = members.iter().filter(|(_, v)| !v.is_null());
            told.map(|(name, v)| format!("  {name:<15} {}", text(v))).collect::<Vec<_>>().join("\n")
        }
        Value::Array(pair) => pair.iter().map(text).collect::<Vec<_>>().join(": "),
        other => text(other),
    }
}

impl Report {
    /// Does it.
    pub fn run(self) -> Result<ExitCode, ExitCode> {
        let at = |id: &str, verb: &str| format!("/api/v1/operator/reports/{id}{verb}");
        match self {
            Self::List { desk } => call(desk, "GET", "/api/v1/operator/reports", None),
            Self::Show { desk, id } => call(desk, "GET", &at(&id, ""), None),
            Self::Acknowledge { desk, id } => call(desk, "POST", &at(&id, "/acknowledge"), None),
            Self::Update { desk, id, words } => {
                call(desk, "POST", &at(&id, "/update"), Some(json!({ "words": words })))
            }
            Self::Close { desk, id, thank } => call(desk, "POST", &at(&id, "/close"), Some(json!({ "thank": thank }))),
        }
    }
}

impl Incident {
    /// Does it.
    pub fn run(self) -> Result<ExitCode, ExitCode> {
        let at = |id: &str, verb: &str| format!("/api/v1/operator/incidents/{id}{verb}");
        match self {
            Self::List { desk } => call(desk, "GET", "/api/v1/operator/incidents", None),
            Self::Open { desk, title, known } => {
                call(desk, "POST", "/api/v1/operator/incidents", Some(json!({ "title": title, "known_at": known })))
            }
            Self::Notified { desk, id } => call(desk, "POST", &at(&id, "/notified"), None),
            Self::Close { desk, id, words, replaced } => {
                call(desk, "POST", &at(&id, "/close"), Some(json!({ "words": words, "replaced": replaced })))
            }
        }
    }
}

/// Ages of the secrets that came from outside.
pub fn secrets(desk: Desk) -> Result<ExitCode, ExitCode> {
    call(desk, "GET", "/api/v1/operator/secrets", None)
}

/// Who of the team left.
#[derive(Subcommand)]
pub enum Departure {
    /// List them, the latest first.
    List {
        #[command(flatten)]
        desk: Desk,
    },
    /// Record that somebody left who never stood in the register of operators: the secrets they could have seen are due.
    Record {
        #[command(flatten)]
        desk: Desk,
        /// Their name.
        name: String,
        /// The day or moment [default: now].
        #[arg(long)]
        on: Option<String>,
    },
}

impl Departure {
    /// Does it.
    pub fn run(self) -> Result<ExitCode, ExitCode> {
        let path = "/api/v1/operator/departures";
        match self {
            Self::List { desk } => call(desk, "GET", path, None),
            Self::Record { desk, name, on } => call(desk, "POST", path, Some(json!({ "name": name, "on": on }))),
        }
    }
}

/// Signs and shows a record of test runs.
pub fn tests(desk: Desk, file: &Path) -> Result<ExitCode, ExitCode> {
    let wrong = |e: &dyn std::fmt::Display| screen::refuse(&format!("{}: {e}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| wrong(&e))?;
    let record: Value = serde_json::from_str(&text).map_err(|e| wrong(&e))?;
    call(desk, "POST", "/api/v1/operator/tests", Some(record))
}
