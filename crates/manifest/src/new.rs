//! The first files of a new app.

use crate::{amount, read::header_name};

/// `app.toml` (under 40 lines) and `security.md` (three promises) of an app called `name`; `None` when no machine name
/// can be made of it.
#[must_use]
pub fn new_app(name: &str) -> Option<(String, String)> {
    let host = header_name(name).to_lowercase();
    let fits = host.starts_with(|c: char| c.is_ascii_lowercase()) && host.len() <= 40;
    if !fits || name.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
        return None;
    }
    let shown = capital(name);
    let price = amount::write_money(0, "EUR");
    let manifest = APP.replace("{NAME}", &shown).replace("{HOST}", &host).replace("{PRICE}", &price);
    Some((manifest, PAGE.to_owned()))
}

fn capital(name: &str) -> String {
    let mut chars = name.trim().chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

const APP: &str = r#"# All of this app: two roles, two kinds of records, a public page of notes, one button.
# Everything unsaid has a safe default; `vouchsafe check --explain` prints each.

[app]
name = "{NAME}"

[tenant]
noun = "studio"                              # what your customers are: a studio, a shop, a school

[roles]                                      # the first role owns the studio
owner.floor  = "all"
editor.floor = { notes = "read read_draft create write publish", clients = "read create write close" }

[visitor]                                    # anyone, no account
notes = "read where published"

[collections.notes]
drafts = true
[collections.notes.fields]
title  = "!text"
body   = "rich_text"
client = { type = "reference", to = "clients", on_delete = "clear" }
photo  = "file"

[collections.clients]
subject = "email"                            # whose data a row is, for access and erasure
[collections.clients.fields]
name   = { type = "text", required = true, personal = true }
email  = { type = "email", personal = true, encrypted = true, index = "blind" }
fee    = { type = "money", default = "{PRICE}" }
status = { type = "enum", of = ["lead", "active", "closed"], default = "lead" }
[collections.clients.actions]
close = { when = { status = ["lead", "active"] }, set = { status = "closed" } }

[disclosure]
contact = "security@{HOST}.example"          # an address you read
"#;

const PAGE: &str = "# Security at {app.name}

> Each promise below ends in a mark; the mark names a test that runs against the live service every {verify.every}.

- Another {tenant.noun}'s records look to you like records that don't exist. [wall](#tenant.cross_read)
- {auth.lockout.failures} wrong passwords in a row lock an account for {auth.lockout.for}. [lockout](#auth.lockout)
- Take everything out as {data.export.formats} at any time. [export](#data.export_tenant)
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_app_passes_its_own_check() {
        for name in ["fieldnotes", "Estøkad", "North Press"] {
            let (manifest, page) = new_app(name).unwrap();
            assert!(manifest.lines().count() < 40);
            let app = crate::read(&manifest, "app.toml").unwrap_or_else(|f| panic!("{}", crate::render(&f, false)));
            let page =
                crate::page(&page, "security.md", &app).unwrap_or_else(|f| panic!("{}", crate::render(&f, false)));
            assert_eq!((page.claims.len(), page.warnings.len()), (3, 0));
        }
        assert!(new_app("\"").is_none() && new_app("7").is_none() && new_app("").is_none());
    }
}
