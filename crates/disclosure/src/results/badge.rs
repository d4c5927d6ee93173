//! A badge of two parts for other people's pages. Colour and words say the same. Pure.

use std::fmt::Write as _;

use super::Verdict;

/// Width of a text in 11 px Verdana, roughly.
fn width(text: &str) -> usize {
    text.chars().map(|c| if matches!(c, '.' | ',' | 'i' | 'l' | 't' | 'f' | ' ' | '/') { 4 } else { 7 }).sum()
}

/// "promises proven | 27/44", or "2 failing" behind it. Green is earned: without a proof it stays grey.
pub(crate) fn svg(score: &str, worst: Verdict, failing: usize) -> String {
    let (word, colour) = match worst {
        Verdict::Failing => (format!("{score}, {failing} failing"), "#b3261e"),
        Verdict::Expired | Verdict::Stale | Verdict::Inconclusive => (format!("{score}, {}", worst.word()), "#8a5a00"),
        _ if score.starts_with("0/") => (score.to_owned(), "#67625a"),
        _ => (score.to_owned(), "#2f6b3c"),
    };
    let label = "promises proven";
    let (left, right) = (width(label) + 12, width(&word) + 12);
    let whole = left + right;
    let mut out = String::new();
    let _w = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" aria-label=\"{label}: {word}\">\
         <title>{label}: {word}</title><clipPath id=\"r\"><rect width=\"{whole}\" height=\"20\" rx=\"3\"/></clipPath>\
         <g clip-path=\"url(#r)\"><path fill=\"#4a4742\" d=\"M0 0h{left}v20H0z\"/><path fill=\"{colour}\" d=\"M{left} 0h{right}v20H{left}z\"/></g>\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,Geneva,DejaVu Sans,sans-serif\" font-size=\"11\">\
         <text x=\"{}\" y=\"14\">{label}</text><text x=\"{}\" y=\"14\">{word}</text></g></svg>",
        left / 2,
        left + right / 2,
    );
    out
}
