//! Verdicts as marks: a shape and a word each, so that no colour is needed to tell them apart.

use crate::results::Verdict;

/// The letter that names the shape and the class.
pub(super) const fn letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Proven => 'p',
        Verdict::Failing => 'f',
        Verdict::Inconclusive => 'i',
        Verdict::Expired => 'e',
        Verdict::Stale => 's',
        Verdict::Unproven => 'u',
        Verdict::Unsigned => 'n',
        Verdict::Attested => 'a',
        Verdict::Provider => 'h',
        Verdict::NotApplicable => 'x',
    }
}

/// Class of what has this verdict; proven is the page's own look.
pub(super) fn class(verdict: Verdict) -> String {
    match verdict {
        Verdict::Proven => String::new(),
        other => format!(" class={}", letter(other)),
    }
}

/// The shape in a square of ten: disc, cross, half disc, struck hourglass, hourglass, ring, dashed ring, seal, building, dash.
const fn shape(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "<circle cx='5' cy='5' r='4.3'/>",
        Verdict::Failing => "<path d='M1.2 1.2l7.6 7.6m0-7.6L1.2 8.8' stroke='red' stroke-width='2.4'/>",
        Verdict::Inconclusive => {
            "<path d='M5 1a4 4 0 0 0 0 8z'/><circle cx='5' cy='5' r='3.9' fill='none' stroke='red' stroke-width='1.1'/>"
        }
        Verdict::Expired => "<path d='M2 1h6L5 5l3 4H2l3-4zM.5 9.5l9-9' fill='none' stroke='red' stroke-width='1.1'/>",
        Verdict::Stale => "<path d='M1 .3h8v1.6L6 5l3 3.1v1.6H1V8.1L4 5 1 1.9z'/>",
        Verdict::Unproven => "<circle cx='5' cy='5' r='3.8' fill='none' stroke='red' stroke-width='1.4'/>",
        Verdict::Unsigned => {
            "<circle cx='5' cy='5' r='3.8' fill='none' stroke='red' stroke-width='1.4' stroke-dasharray='2.4 1.58'/>"
        }
        Verdict::Attested => {
            "<path d='M5 0l1.4 1.3 1.9-.3.3 1.9L10 5 8.6 7.1l-.3 1.9-1.9-.3L5 10 3.6 8.7l-1.9.3-.3-1.9L0 5l1.4-2.1.3-1.9 1.9.3z'/>"
        }
        Verdict::Provider => "<path d='M.8 9.6V3.4L5 .4l4.2 3v6.2H6.2V6.4H3.8v3.2z'/>",
        Verdict::NotApplicable => "<path d='M1 5h8' stroke='red' stroke-width='1.6'/>",
    }
}

/// Style rules that give the marks of these verdicts their shapes: masks, so that the shape has the colour of its word.
pub(super) fn shapes(verdicts: &[Verdict]) -> String {
    let mut out = String::new();
    for verdict in Verdict::ALL.into_iter().filter(|v| verdicts.contains(v)) {
        let image = shape(verdict).replace('<', "%3C").replace('>', "%3E");
        let class = letter(verdict);
        let who = match verdict {
            Verdict::Proven => "summary,.p".to_owned(),
            _ => format!(".{class},.{class}>summary"),
        };
        out.push_str(&format!(
            "{who}{{--m:url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 10 10'%3E{image}%3C/svg%3E\")}}"
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_verdicts_look_or_read_alike() {
        let set = |of: &dyn Fn(Verdict) -> String| Verdict::ALL.into_iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(set(&|v| shape(v).to_owned()), Verdict::ALL.len());
        assert_eq!(set(&|v| letter(v).to_string()), Verdict::ALL.len());
        assert_eq!(set(&|v| v.word().to_owned()), Verdict::ALL.len());
    }
}
