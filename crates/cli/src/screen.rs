//! What people see at the terminal. Everything but asked-for output goes to standard error.

use std::{io::IsTerminal as _, process::ExitCode};

/// Says why nothing was started; exit code 2.
pub fn refuse(words: &str) -> ExitCode {
    say(&format!("  error  {words}\n\n  Nothing started."));
    ExitCode::from(2)
}

/// One piece of text to standard error.
pub fn say(text: &str) {
    use std::io::Write as _;
    let _closed = writeln!(std::io::stderr(), "{text}");
}

/// One piece of text to standard output; a closed pipe is not an error.
pub fn print(text: &str) {
    use std::io::Write as _;
    let _closed = writeln!(std::io::stdout(), "{text}");
}

/// Whether colours help.
pub fn colour() -> bool {
    std::io::stderr().is_terminal()
}

/// The screen that ends a start: only addresses that answer, only sign-ins that work.
pub fn ready(ready: &vouchsafe::Ready) {
    use std::fmt::Write as _;
    let mut text = String::new();
    let version = format!("vouchsafe {}", ready.version);
    let _ = writeln!(text, "\n  {:<62} {version:>34}", ready.name);
    if !ready.tagline.is_empty() {
        let _ = writeln!(text, "  {}", ready.tagline);
    }
    let kind = if ready.development { "development server: loopback only, no TLS" } else { "TLS" };
    let start = format!("Ready in {:.2} s", ready.took.as_secs_f64());
    let _ = writeln!(text, "\n  {start:<48} {kind:>48}\n");
    for (what, address, note) in &ready.lines {
        let _ = writeln!(text, "  {what:<13} {address:<45} {note}");
    }
    if !ready.tenants.is_empty() {
        let _ = writeln!(text, "\n  {:<17} {:<47} Sign in as", capital(&ready.noun), "Address");
        for tenant in &ready.tenants {
            let owner = tenant.members.first().map_or("", |m| m.email.as_str());
            let _ = writeln!(text, "  {:<17} {:<47} {owner}", tenant.name, tenant.url);
            let _ = writeln!(text, "  {:<17} {:<47} (POST email and password)", "", tenant.sign_in_url);
        }
    }
    if let Some(password) = &ready.password {
        let _ = writeln!(text, "\n  One password for all demo people: {password}");
        let _ = writeln!(text, "  Roles: {}  (<role>@ the same address)", ready.roles.join(" "));
    }
    if !ready.off.is_empty() {
        let _ = writeln!(text, "\n  Off, because a setting is missing: {}", ready.off.join(", "));
    }
    if !ready.not_built.is_empty() {
        let _ = writeln!(text, "  Declared, not built yet: {}", ready.not_built.join(", "));
    }
    let _ = write!(text, "\n  Next:  vouchsafe verify {:<40} Stop: Ctrl-C\n", ready.folder);
    say(&text);
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
