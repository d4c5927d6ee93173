//! Policies: texts of the team's own under `legal/`, each with its date.

use manifest::App;

/// A policy as the page links it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `privacy`: the last part of its address, `/legal/privacy`.
    pub name: String,
    /// Since when it says what it says, as its first line has it (`Date: 2026-10-01`).
    pub date: Option<String>,
    /// CommonMark.
    pub text: String,
}

impl Policy {
    /// From a file's name without its ending and its text.
    #[must_use]
    pub fn read(name: &str, text: &str) -> Self {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let date = first.strip_prefix("Date:").map(|date| date.trim().to_owned());
        let text = if date.is_some() { rest.trim_start().to_owned() } else { text.to_owned() };
        Self { name: name.to_owned(), date, text }
    }
}

/// Links of the manifest that lead to a page of ours which nobody wrote.
pub fn missing<'a>(app: &'a App, policies: &'a [Policy]) -> impl Iterator<Item = &'a str> {
    let links = app.disclosure.policies.iter().filter_map(|(_, link)| link.strip_prefix("/legal/"));
    links.filter(|name| !policies.iter().any(|p| p.name == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_the_first_line() {
        let policy = Policy::read("privacy", "Date: 2026-10-01\n\n# Privacy\n\nWords.\n");
        assert_eq!((policy.date.as_deref(), policy.text.as_str()), (Some("2026-10-01"), "# Privacy\n\nWords.\n"));
        assert_eq!(Policy::read("terms", "# Terms\n").date, None);
    }
}
