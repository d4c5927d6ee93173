//! `vouchsafe attest`: a person's signature under a promise of a running server.

use std::{path::PathBuf, process::ExitCode};

use serde_json::json;

use crate::{client, command};

/// A statement to sign.
#[derive(clap::Args)]
pub struct Attest {
    /// The app's folder.
    app: PathBuf,
    /// The promise's mark, or a check that a person signs. Left out with --due.
    #[arg(required_unless_present = "due")]
    claim: Option<String>,
    /// Who signs: stands on the trust page and in the audit log.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// What they state, in a sentence.
    #[arg(long, required_unless_present = "due")]
    statement: Option<String>,
    /// Where the evidence lies: an https address.
    #[arg(long, value_name = "URL")]
    evidence: Option<String>,
    /// Last day, such as 2027-01-31 [default: as long as the page allows].
    #[arg(long, value_name = "DATE", conflicts_with = "days")]
    expires: Option<String>,
    /// Last day, counted from now.
    #[arg(long)]
    days: Option<i64>,
    /// List the signatures that end within 30 days, or have ended.
    #[arg(long, conflicts_with = "claim")]
    due: bool,
    /// Data folder [default: ./data/<app>].
    #[arg(long)]
    data: Option<PathBuf>,
}

impl Attest {
    /// Signs, or lists.
    pub fn run(self) -> Result<ExitCode, ExitCode> {
        let data = command::data_of(&self.app, self.data)?;
        let order = match self.claim.filter(|_| !self.due) {
            None => json!({"do": "attest.due", "as": self.name}),
            Some(subject) => json!({"do": "attest", "as": self.name, "attestation": {
                "subject": subject,
                "statement": self.statement.unwrap_or_default(),
                "evidence": self.evidence,
                "expires": self.expires,
                "days": self.days,
            }}),
        };
        client::act(&data, order)
    }
}
