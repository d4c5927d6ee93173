//! Limit tiers: the built-in ones, overridden and joined by the file's.

use std::collections::BTreeMap;

use crate::{
    Limits, Millis, Rate,
    fault::Source,
    tree::{Node, Value},
    units,
};

/// Every built-in tier with its rates.
pub const BUILT_IN: &[(&str, &[&str])] = &[
    ("sign_in", &["10/min per ip", "5/min per account"]),
    ("sign_up", &["5/h per ip"]),
    ("password_reset", &["5/h per ip", "3/h per account"]),
    ("email_verify", &["6/h per account"]),
    ("second_factor", &["5/5 min per account"]),
    ("magic_link", &["5/15 min per ip", "5/h per account"]),
    ("passkey", &["10/min per ip"]),
    ("pin", &["5/15 min per ip"]),
    ("public_forms", &["10/min per ip"]),
    ("actions", &["120/min per account"]),
    ("webhook_in", &["600/min per source"]),
    ("api", &["600/min per account", "120/min per key"]),
    ("uploads", &["30/min per account", "500/day per tenant"]),
    ("imports", &["6/h per tenant"]),
    ("exports", &["6/h per tenant"]),
    ("domains", &["6/h per ip", "20/day per tenant"]),
    ("setup", &["10/h per ip"]),
    ("scim", &["600/min per key"]),
    ("sso", &["60/min per tenant"]),
    ("delivery", &["600/min per ip"]),
    ("webhook_test", &["10/min per account"]),
    ("key_issue", &["20/h per account"]),
    ("failover", &["3/day per tenant"]),
    ("csp_report", &["60/min per ip"]),
    ("trust", &["6/min per ip"]),
];

/// `[limits]`, already read by type.
pub(crate) fn limits(source: &Source<'_>, node: &Node) -> Limits {
    let rates = |texts: &[&str]| texts.iter().filter_map(|t| units::rate(t).ok()).collect::<Vec<Rate>>();
    let mut tiers: BTreeMap<&'static str, Vec<Rate>> =
        BUILT_IN.iter().map(|(name, texts)| (*name, rates(texts))).collect();
    let mut own = Vec::new();
    for entry in node.entries().iter().filter(|e| e.name != "repeat") {
        let name = kernel::intern(&entry.name);
        own.push(name);
        if let Value::Rates(rates) = &entry.value {
            tiers.insert(name, rates.clone());
        }
    }
    let written = node.get("repeat");
    let steps: Vec<Millis> = written.items().iter().filter_map(Node::millis).collect();
    if !steps.is_sorted() {
        source.fault(
            &written.span,
            &written.path,
            "each repeat offence must block at least as long as the one before.",
            "",
        );
    }
    let repeat = if written.exists() { steps } else { [60_000, 900_000, 3_600_000].map(Millis).to_vec() };
    Limits { tiers, repeat, own }
}
