//! `vouchsafe operator`: who of the team may act from inside, a link to the operators' pages, and the review of accesses.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use serde_json::{Value, json};

use crate::{client, command, screen};

/// Where the server is and who acts.
#[derive(clap::Args)]
pub struct Acting {
    /// The app's folder.
    app: PathBuf,
    /// Who does it: every change goes into the audit log under this name.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// Data folder [default: ./data/<app>].
    #[arg(long)]
    data: Option<PathBuf>,
}

/// The team's own people.
#[derive(Subcommand)]
pub enum Operator {
    /// Put somebody into the register. From the first line on, only names that stand in it may act.
    Add {
        #[command(flatten)]
        acting: Acting,
        /// Their name: what they will say with --as.
        operator: String,
        /// Why they may act, in 10 to 300 characters.
        #[arg(long)]
        reason: String,
        /// Who answers for it.
        #[arg(long)]
        owner: String,
        /// Last day, such as 2027-01-31; within a year.
        #[arg(long, value_name = "DATE", required_unless_present = "days", conflicts_with = "days")]
        expires: Option<String>,
        /// Last day, counted from now.
        #[arg(long)]
        days: Option<i64>,
    },
    /// Take somebody out: their next act is refused, their session at the pages is over.
    Remove {
        #[command(flatten)]
        acting: Acting,
        /// Their name.
        operator: String,
    },
    /// List the register.
    List {
        #[command(flatten)]
        acting: Acting,
    },
    /// Make a link that opens the operators' pages once, within five minutes.
    Link {
        #[command(flatten)]
        acting: Acting,
    },
    /// Go through the register and the holders of powerful roles. Shows them; with a decision about each operator, signs.
    Review {
        #[command(flatten)]
        acting: Acting,
        /// Who may go on; several times.
        #[arg(long, value_name = "NAME")]
        keep: Vec<String>,
        /// Who may not; several times.
        #[arg(long, value_name = "NAME")]
        remove: Vec<String>,
    },
}

fn ask(acting: Acting, mut order: Value) -> Result<Value, ExitCode> {
    let data = command::data_of(&acting.app, acting.data)?;
    if let Some(members) = order.as_object_mut() {
        members.insert("as".to_owned(), acting.name.into());
    }
    client::ask(&data, &order)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Operator {
    /// Does it.
    pub fn run(self) -> Result<ExitCode, ExitCode> {
        match self {
            Self::Add { acting, operator, reason, owner, expires, days } => {
                let newcomer =
                    json!({"name": operator, "reason": reason, "owner": owner, "expires": expires, "days": days});
                let done = ask(acting, json!({"do": "operator.add", "newcomer": newcomer}))?;
                screen::print(&format!(
                    "{} stands in the register until {}",
                    text(&done, "added"),
                    text(&done, "until")
                ));
            }
            Self::Remove { acting, operator } => {
                let done = ask(acting, json!({"do": "operator.remove", "name": operator}))?;
                screen::print(&format!("{} is out of the register", text(&done, "removed")));
            }
            Self::List { acting } => {
                let list = ask(acting, json!({"do": "operator.list"}))?;
                screen::print(&listed(list.as_array().map_or(&[][..], Vec::as_slice)));
            }
            Self::Link { acting } => {
                let made = ask(acting, json!({"do": "operator.link"}))?;
                screen::print(text(&made, "url"));
                screen::say(&format!("  works once, until {}", text(&made, "until")));
            }
            Self::Review { acting, keep, remove } => {
                let decided = !(keep.is_empty() && remove.is_empty());
                let done = ask(acting, json!({"do": "operator.review", "keep": keep, "remove": remove}))?;
                screen::print(&if decided { signed(&done) } else { seen(&done) });
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn listed(operators: &[Value]) -> String {
    if operators.is_empty() {
        return "nobody is in the register".to_owned();
    }
    let line = |o: &Value| {
        format!(
            "{}   {} until {}\n    {}\n    {} answers for it; added by {} on {}",
            text(o, "name"),
            text(o, "state"),
            text(o, "expires").get(..10).unwrap_or_default(),
            text(o, "reason"),
            text(o, "owner"),
            text(o, "added_by"),
            text(o, "added_at").get(..10).unwrap_or_default(),
        )
    };
    operators.iter().map(line).collect::<Vec<_>>().join("\n\n")
}

/// What is to be gone through.
fn seen(review: &Value) -> String {
    let array = |name: &str| review.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut lines = vec![listed(&array("operators")), String::new()];
    lines.push(format!("{:<30} {}", "HOLDERS OF POWERFUL ROLES", "how many"));
    for tenant in array("tenants") {
        let roles = tenant.get("roles").and_then(Value::as_object).cloned().unwrap_or_default();
        let counts: Vec<String> = roles.iter().map(|(role, count)| format!("{role} {count}")).collect();
        lines.push(format!("{:<30} {}", text(&tenant, "slug"), counts.join("   ")));
    }
    lines.push(String::new());
    lines.push("decide about each operator: --keep NAME or --remove NAME, then it is signed".to_owned());
    lines.join("\n")
}

fn signed(done: &Value) -> String {
    let names = |name: &str| {
        let list: Vec<&str> =
            done.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if list.is_empty() { "nobody".to_owned() } else { list.join(", ") }
    };
    let until = match done.get("signed_until").and_then(Value::as_str) {
        Some(until) => format!("signed until {until}"),
        None => "recorded; the page of this app makes no promise of it, so nothing was signed".to_owned(),
    };
    format!(
        "kept {}; removed {}\n{until}\nSHA-256 of what was reviewed: {}",
        names("kept"),
        names("removed"),
        text(done, "digest")
    )
}
