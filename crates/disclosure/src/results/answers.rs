//! Answers for questionnaires: one line per control, as CSV (RFC 4180). Pure.

use manifest::{Page, PageClaim};

use super::{
    Verdict,
    view::{Shown, View},
};

/// Columns.
const HEAD: &str = "control,area,question,promises,words,verdict,evidence,checked_at\r\n";

/// A cell: quoted where it must be; what a spreadsheet would take for a formula begins with an apostrophe.
fn cell(out: &mut String, text: &str) {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']);
    if !risky && !text.contains([',', '"', '\n', '\r']) {
        return out.push_str(text);
    }
    out.push('"');
    if risky {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

/// Every control that the page promises something of.
pub(crate) fn csv(page: &Page, view: &View, words: impl Fn(&PageClaim) -> String) -> String {
    let mut out = HEAD.to_owned();
    for control in manifest::controls() {
        let bound = |claim: &PageClaim| claim.checks.iter().any(|check| control.checks.contains(check));
        let found: Vec<(&PageClaim, &Shown)> = page.claims.iter().zip(&view.claims).filter(|(c, _)| bound(c)).collect();
        let Some(worst) = found.iter().map(|(_, s)| s.judged.verdict).min() else { continue };
        let evidence: Vec<&str> = found.iter().map(|(_, s)| s.saw.as_str()).filter(|s| !s.is_empty()).collect();
        let oldest = found.iter().filter_map(|(_, s)| s.judged.checked_at).min();
        let list = |text: &dyn Fn(&PageClaim) -> String, by: &str| {
            found.iter().map(|(c, _)| text(c)).collect::<Vec<_>>().join(by)
        };
        let row = [
            control.id.to_owned(),
            control.area.to_owned(),
            control.statement.to_owned(),
            list(&|c| c.id.clone(), " "),
            list(&|c| words(c), " "),
            worst.word().to_owned(),
            distinct(&evidence).join("; "),
            oldest.map(|at| at.to_string()).unwrap_or_default(),
        ];
        for (at, text) in row.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            cell(&mut out, text);
        }
        out.push_str("\r\n");
    }
    out
}

fn distinct<'t>(texts: &[&'t str]) -> Vec<&'t str> {
    let mut out: Vec<&str> = Vec::new();
    for text in texts {
        if !out.contains(text) {
            out.push(text);
        }
    }
    out
}

/// "27/44": what was shown, of everything promised; and the worst word among them.
pub(crate) fn score(view: &View) -> (String, Verdict) {
    let worst = view.claims.iter().map(|c| c.judged.verdict).min().unwrap_or(Verdict::NotApplicable);
    (format!("{}/{}", view.count(Verdict::Proven), view.claims.len()), worst)
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_run_nothing() {
        for (text, written) in [
            ("plain", "plain"),
            ("a, b", "\"a, b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("", ""),
        ] {
            let mut out = String::new();
            cell(&mut out, text);
            assert_eq!(out, written);
        }
    }
}
