//! Answers for questionnaires: one line per control, as CSV (RFC 4180). Pure.

use std::fmt::Write as _;

use crate::report::{Judged, Report};

/// Columns, the same as the trust page's.
const HEAD: &str = "control,area,question,promises,words,verdict,evidence,checked_at\r\n";

/// A cell, always quoted; what a spreadsheet would take for a formula begins with an apostrophe.
fn cell(out: &mut String, text: &str) {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    let _w = write!(out, "\"{guard}{}\"", text.replace('"', "\"\""));
}

impl Report {
    /// One line for each control that the page promises something of; its verdict is its weakest promise's.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = HEAD.to_owned();
        for control in manifest::controls() {
            let bound = |j: &&Judged| j.claim.checks.iter().any(|check| control.checks.contains(check));
            let found: Vec<&Judged> = self.judged.iter().filter(bound).collect();
            let (Some(worst), Some(at)) = (found.iter().map(|j| j.verdict).min(), found.iter().map(|j| j.at).min())
            else {
                continue;
            };
            let list = |text: &dyn Fn(&Judged) -> String, by: &str| {
                found.iter().map(|j| text(j)).filter(|t| !t.is_empty()).collect::<Vec<_>>().join(by)
            };
            let row = [
                control.id.to_owned(),
                control.area.to_owned(),
                control.statement.to_owned(),
                list(&|j| j.claim.id.clone(), " "),
                list(&|j| j.claim.text(&|_| None), " / "),
                worst.word().to_owned(),
                list(&|j| j.words(), " / "),
                at.to_string(),
            ];
            for (n, text) in row.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                cell(&mut out, text);
            }
            out.push_str("\r\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_nor_more_than_one_cell() {
        let quoted = |text: &str| {
            let mut out = String::new();
            cell(&mut out, text);
            out
        };
        assert_eq!(quoted("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
    }
}
