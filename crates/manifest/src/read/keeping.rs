//! `[encryption]`, `[audit]`, `[backups]`, `[failover]`, `[data]`.

use crate::{
    Audit, Backups, Data, Encryption, Failover, Millis, near,
    read::{Cx, modules},
    tree::Node,
};

const DAY: i64 = 86_400_000;

pub(crate) fn encryption(node: &Node) -> Encryption {
    Encryption { at_rest: node.get("at_rest").words(), rotate: node.get("rotate").time() }
}

/// `[audit]`: at least twelve months, which are at most 366 days.
pub(crate) fn audit(cx: &Cx<'_>, node: &Node) -> Audit {
    let retention = node.get("retention");
    if retention.millis().is_some_and(|m| m < Millis(366 * DAY)) {
        let message = "the audit log is kept for at least 12 months.";
        cx.source.fault(
            &retention.span,
            &retention.path,
            message,
            "Write \"12 months\" or more; it counts as 366 days.",
        );
    }
    Audit { retention: retention.time(), sensitive: node.get("sensitive").texts() }
}

pub(crate) fn backups(node: &Node) -> Backups {
    Backups {
        keep: node.get("keep").number(),
        every: node.get("every").time(),
        window: node.get("restore_any_second_of").time(),
        lag: node.get("archive").get("lag").time(),
        to: node.get("to").pointers(),
    }
}

/// `[failover]`, which only a module can switch on.
pub(crate) fn failover(cx: &Cx<'_>, root: &Node) -> Option<Failover> {
    let node = root.get("failover");
    if !node.exists() {
        return None;
    }
    if modules::gating(root, "failover").is_none() {
        let message = "no module gates the failover copy.";
        cx.source.fault(&node.key, &node.path, message, "Declare one: gates = [\"failover\"] in [modules].");
    }
    let targets = node.get("targets");
    let country = |n: &&Node| n.text().is_some_and(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase()));
    for item in targets.items().iter().filter(|n| !country(n)) {
        let message = format!("`{}` is no ISO 3166 country code.", item.words());
        cx.source.fault(&item.span, &item.path, message, "It has two capital letters.");
    }
    if targets.items().is_empty() && targets.text() != Some("eu") {
        cx.source.fault(&targets.span, &targets.path, "targets are \"eu\" or a list of countries.", "");
    }
    let (by, roles) = (node.get("promoted_by"), root.get("roles").entries());
    if let Some(name) = by.text().filter(|name| roles.iter().all(|r| r.name != *name)) {
        let help = near::hint(name, "Roles", roles.iter().map(|r| r.name.as_str()));
        cx.source.fault(&by.span, &by.path, format!("no role `{name}`."), help);
    }
    let owner = roles.first().map_or("", |r| r.name.as_str());
    Some(Failover {
        every: node.get("every").time(),
        targets: targets.texts().iter().map(|t| t.to_uppercase()).collect(),
        promoted_by: kernel::intern(by.text().unwrap_or(owner)),
        ready_in: node.get("ready_in").time(),
    })
}

/// `[data]`.
pub(crate) fn data(cx: &Cx<'_>, root: &Node) -> Data {
    let node = root.get("data");
    purge(cx, root);
    let listed = node.get("export").get("collections");
    let at = |n: &Node| cx.collection(n.text()?, &n.span, &n.path);
    let export =
        if listed.exists() { listed.items().iter().filter_map(at).collect() } else { (0..cx.names.len()).collect() };
    Data {
        formats: node.get("export").get("formats").texts(),
        export,
        purge: node.get("purge").time(),
        billing: node.get("billing").time(),
    }
}

/// Where copies are not sealed by the tenant's own key, they must be gone by themselves within the promised time.
fn purge(cx: &Cx<'_>, root: &Node) {
    let (purge, backups) = (root.get("data").get("purge"), root.get("backups"));
    if root.get("encryption").get("at_rest").text() != Some("volume") || purge.millis().is_none() {
        return;
    }
    let kept = backups.get("every").time().0.saturating_mul(backups.get("keep").int().unwrap_or(0));
    let copies =
        [(kept, "backups are kept"), (backups.get("restore_any_second_of").time().0, "the archive reaches back")];
    for (length, words) in copies.into_iter().filter(|(length, _)| *length > purge.time().0) {
        let days = length / DAY;
        let message = format!("{words} {days} days, longer than a deleted tenant may be found.");
        let help =
            "With at_rest = \"volume\" no key can be destroyed instead. Shorten the copies, or raise data.purge.";
        cx.source.fault(&purge.span, &purge.path, message, help);
    }
}
