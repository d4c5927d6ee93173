//! What is mailed. Plain text; every address in it is built from the site's own, never from a header.

use encryption::Vault;
use kernel::Failure;
use manifest::{App, Millis};
use serde::Serialize;
use store::{Batch, Control};

/// A mail, sealed into control's outbox for `integrations` to send.
#[derive(Serialize)]
pub(crate) struct Letter {
    to: String,
    subject: String,
    text: String,
}

fn life(millis: Millis) -> String {
    let minutes = millis.0 / 60_000;
    match minutes {
        m if m >= 120 && m % 60 == 0 => format!("{} hours", m / 60),
        60 => "1 hour".to_owned(),
        m => format!("{m} minutes"),
    }
}

impl Letter {
    pub(crate) fn verify(app: &App, to: &str, base: &str, token: &str) -> Self {
        let text = format!(
            "Confirm that this address is yours:\n\n{base}/auth/verify?token={token}\n\nThe link works once, for {}. If you did \
             not ask for it, do nothing: no account is made.\n",
            life(app.auth.verify)
        );
        Self { to: to.to_owned(), subject: format!("Confirm your address for {}", app.name), text }
    }
    pub(crate) fn exists(app: &App, to: &str, base: &str) -> Self {
        let text = format!(
            "Someone, probably you, signed up with this address. It has an account already; nothing was changed. Sign in:\
             \n\n{base}/sign-in\n"
        );
        Self { to: to.to_owned(), subject: format!("You have an account at {}", app.name), text }
    }
    pub(crate) fn reset(app: &App, to: &str, base: &str, token: &str) -> Self {
        let text = format!(
            "Choose a new password:\n\n{base}/auth/reset?token={token}\n\nThe link works once, for {}. If you did not ask for \
             it, do nothing: your password stays as it is.\n",
            life(app.auth.reset)
        );
        Self { to: to.to_owned(), subject: format!("A new password for {}", app.name), text }
    }
    pub(crate) fn changed(app: &App, to: &str) -> Self {
        let text =
            "Your password was changed, and every session was ended. If it was not you, reset your password now.\n";
        Self {
            to: to.to_owned(),
            subject: format!("Your password for {} was changed", app.name),
            text: text.to_owned(),
        }
    }
    pub(crate) fn magic(app: &App, to: &str, base: &str, token: &str) -> Self {
        let text = format!(
            "Sign in:\n\n{base}/auth/magic?token={token}\n\nThe link works once, for {}. If you did not ask for it, do \
             nothing.\n",
            life(app.auth.magic_link)
        );
        Self { to: to.to_owned(), subject: format!("Sign in to {}", app.name), text }
    }

    /// Sends it with the batch.
    pub(crate) fn send(&self, batch: Batch<Control>, vault: &Vault) -> Result<Batch<Control>, Failure> {
        let text =
            serde_json::to_vec(self).map_err(|_| Failure::internal("authentication: a mail cannot be written"))?;
        Ok(batch.emit("mail", vault.seal_house("mail", &text)?))
    }
}
