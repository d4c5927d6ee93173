//! What is true once the server answers: for the ready screen and the ready file.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use serde::Serialize;

/// A person who can sign in.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// Mail address.
    pub email: String,
    /// Demo password.
    pub password: String,
    /// Role id.
    pub role: String,
}

/// A tenant that answers.
#[derive(Clone, Debug, Serialize)]
pub struct ReadyTenant {
    /// Its id.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Where POST {email, password} gives tokens.
    pub sign_in_url: String,
    /// Its demo people, the owner first.
    pub members: Vec<Member>,
}

/// Everything a person or program needs to begin.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The app's name.
    pub name: String,
    /// Its tagline.
    pub tagline: String,
    /// What a tenant is called.
    pub noun: String,
    /// Version of the program.
    pub version: String,
    /// The app's folder, as given.
    pub folder: String,
    /// The apex address.
    pub url: String,
    /// Whether this is a development server.
    pub development: bool,
    /// From the start of the program's work to the first answer.
    pub took: Duration,
    /// What, address, note.
    pub lines: Vec<(&'static str, String, String)>,
    /// Demo tenants.
    pub tenants: Vec<ReadyTenant>,
    /// The demo people's password.
    pub password: Option<String>,
    /// Role ids.
    pub roles: Vec<String>,
    /// Features that are off because a setting is missing.
    pub off: Vec<String>,
    /// Declared methods that are not built yet.
    pub not_built: Vec<String>,
}

impl Ready {
    /// Writes the ready file whole or not at all; readable by its owner only.
    ///
    /// # Errors
    /// Words for the terminal.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let body = serde_json::json!({"url": self.url, "tenants": self.tenants});
        let fresh = path.with_extension("new");
        let write = || {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(body.to_string().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&fresh, path)
        };
        write().map_err(|e: std::io::Error| format!("{}: {e}", path.display()))
    }
}
