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

/// The shape: disc, cross, half disc, struck hourglass, hourglass, ring, dashed ring, seal, building, dash.
const fn shape(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "<circle cx=5 cy=5 r=4.3 fill=currentColor />",
        Verdict::Failing => "<path d=\"M1.2 1.2l7.6 7.6m0-7.6L1.2 8.8\" stroke=currentColor stroke-width=2.4 />",
        Verdict::Inconclusive => {
            "<path d=\"M5 .8a4.2 4.2 0 0 0 0 8.4z\" fill=currentColor /><circle cx=5 cy=5 r=3.7 fill=none stroke=currentColor />"
        }
        Verdict::Expired => {
            "<path d=\"M2 1.2h6L5 5l3 3.8H2L5 5zM.5 9.5l9-9\" fill=none stroke=currentColor stroke-width=1.1 />"
        }
        Verdict::Stale => "<path d=\"M1 .3h8v1.6L6 5l3 3.1v1.6H1V8.1L4 5 1 1.9z\" fill=currentColor />",
        Verdict::Unproven => "<circle cx=5 cy=5 r=3.6 fill=none stroke=currentColor stroke-width=1.4 />",
        Verdict::Unsigned => {
            "<circle cx=5 cy=5 r=3.6 fill=none stroke=currentColor stroke-width=1.4 stroke-dasharray=\"2.2 1.57\" />"
        }
        Verdict::Attested => {
            "<path d=\"M5 0l1.4 1.3 1.9-.3.3 1.9L10 5 8.6 7.1l-.3 1.9-1.9-.3L5 10 3.6 8.7l-1.9.3-.3-1.9L0 5l1.4-2.1.3-1.9 1.9.3z\" fill=currentColor />"
        }
        Verdict::Provider => "<path d=\"M.8 9.6V3.4L5 .4l4.2 3v6.2H6.2V6.4H3.8v3.2z\" fill=currentColor />",
        Verdict::NotApplicable => "<path d=\"M1 5h8\" stroke=currentColor stroke-width=1.6 />",
    }
}

/// Every shape of these verdicts, once, to be used by its letter.
pub(super) fn sprite(verdicts: &[Verdict], ticks: &str) -> String {
    let mut out = String::from("<svg class=q>");
    for verdict in Verdict::ALL.into_iter().filter(|v| verdicts.contains(v)) {
        out.push_str(&format!("<symbol id={} viewBox=\"0 0 10 10\">{}</symbol>", letter(verdict), shape(verdict)));
    }
    out.push_str(ticks);
    out.push_str("</svg>");
    out
}

/// A mark: shape and word.
pub(super) fn mark(verdict: Verdict) -> String {
    format!("<svg><use href=#{} /></svg>{}", letter(verdict), verdict.word())
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
