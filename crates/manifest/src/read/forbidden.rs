//! What may never be written in a manifest: bank and card fields, and secrets themselves.

use crate::{
    fault::Source,
    read::Cx,
    tree::{Node, Value},
};

/// Words that name a bank or card field wherever they stand in its name.
const WORDS: [&str; 7] = ["iban", "cvv", "cvc", "cvv2", "cvc2", "bban", "ccv"];
/// The same, of several words.
const PHRASES: [&str; 15] = [
    "cardnumber",
    "cardno",
    "cardnum",
    "creditcard",
    "debitcard",
    "accountnumber",
    "accountno",
    "routingnumber",
    "sortcode",
    "bankaccount",
    "bankcode",
    "swiftcode",
    "cardcode",
    "bankbic",
    "cardpan",
];
/// Whole names.
const NAMES: [&str; 6] = ["card", "swift", "blz", "aba", "pan", "bic"];

/// Refuses a field whose name or label asks for bank or card details.
pub(crate) fn bank_or_card(cx: &Cx<'_>, node: &Node, label: Option<&str>) {
    if kernel::sabotage::off("pay.hosted") {
        return;
    }
    let of_bank = |text: &str| {
        let lower = text.to_lowercase();
        let squeezed: String = lower.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| WORDS.contains(&w))
            || PHRASES.iter().any(|p| squeezed.contains(p))
            || NAMES.contains(&squeezed.as_str())
    };
    if of_bank(&node.name) || label.is_some_and(of_bank) {
        let help = "Keep its account id instead, as `destination`.";
        let message = "bank and card details belong to the processor (pay.hosted).";
        cx.source.fault(&node.key, &node.path, message, help);
    }
}

/// How secrets of well-known services begin.
const PREFIXES: [&str; 16] = [
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "whsec_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "AIza",
    "SG.",
    "EAAA",
    "-----BEGIN",
];

/// Finds secrets anywhere in the file, also where no secret is expected.
pub(crate) fn secrets(source: &Source<'_>, node: &Node) {
    match &node.value {
        Value::Text(text) if is_secret(text) => {
            let help =
                "Remove it, replace it at its service, and point to the new one: \"env:NAME\" or \"file:/path\".";
            source.hide(text);
            source.fault(&node.span, &node.path, "this looks like a secret itself.", help);
        }
        Value::List(items) | Value::Table(items) => items.iter().for_each(|child| secrets(source, child)),
        _ => {}
    }
}

/// The same for a text that is no TOML: its quoted pieces.
pub(crate) fn secrets_in_text(source: &Source<'_>, text: &str) {
    text.split(['"', '\'', '\n']).filter(|piece| is_secret(piece)).for_each(|piece| source.hide(piece));
}

fn is_secret(text: &str) -> bool {
    let plain = |s: &str, least: usize| {
        s.len() >= least && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./+=".contains(&b))
    };
    let prefixed =
        PREFIXES.iter().any(|p| text.strip_prefix(p).is_some_and(|rest| *p == "-----BEGIN" || plain(rest, 8)));
    let aws = text.strip_prefix("AKIA").is_some_and(|rest| rest.len() == 16 && plain(rest, 16));
    let token = text.starts_with("eyJ") && text.split('.').count() == 3 && plain(text, 40);
    let url = text.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.split_once('@'));
    let password = url.is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, word)| !word.is_empty()));
    prefixed || aws || token || password
}
