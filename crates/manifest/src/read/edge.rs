//! `[edge]`.

use std::net::IpAddr;

use crate::{Edge, Flood, Hsts, Millis, OriginLock, Pointer, keys::Ty, read::Cx, scalar, tree::Node};

pub(crate) fn edge(cx: &Cx<'_>, node: &Node) -> Edge {
    let (tls, blocklist) = (node.get("tls"), node.get("blocklist"));
    if tls.get("min").words() > tls.get("prefer").words() {
        let prefer = tls.get("prefer");
        cx.source.fault(&prefer.span, &prefer.path, "the preferred TLS version is below the least.", "");
    }
    let proxies = node.get("proxies");
    for item in proxies.items().iter().filter(|n| !n.text().is_some_and(is_range)) {
        let message = format!("`{}` is no range of addresses.", item.words());
        cx.source.fault(&item.span, &item.path, message, "Write a CIDR such as \"10.0.0.0/8\", or \"env:NAME\".");
    }
    let lock = origin_lock(cx, node.get("origin_lock"));
    if lock != OriginLock::None && proxies.items().is_empty() {
        let at = node.get("origin_lock");
        cx.source.fault(&at.span, &at.path, "an origin lock needs a proxy to let through.", "Declare it in `proxies`.");
    }
    Edge {
        tls_min: tls.get("min").words(),
        tls_prefer: tls.get("prefer").words(),
        hsts: hsts(cx, node.get("hsts")),
        ports: node.get("ports").items().iter().map(Node::number).collect(),
        proxies: proxies.texts(),
        flood: flood(cx, node.get("flood")),
        origin_lock: lock,
        blocklist: blocklist.get("from").pointers(),
        blocklist_age: blocklist.get("max_age").time(),
        private_services: node.get("services").text() == Some("private"),
    }
}

/// A CIDR, a single address, or a pointer to a list of them.
fn is_range(text: &str) -> bool {
    if text.starts_with("env:") || text.starts_with("file:") {
        return true;
    }
    let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.is_none_or(|b| b.parse::<u8>().is_ok_and(|b| b <= most))
}

fn origin_lock(cx: &Cx<'_>, node: &Node) -> OriginLock {
    match node.text() {
        Some("none") => OriginLock::None,
        Some("client_certificate") => OriginLock::ClientCertificate,
        _ => match scalar::read(cx.source, node, Ty::Pointer).pointer() {
            Some(pointer @ (Pointer::Env(_) | Pointer::File(_) | Pointer::Kms(_))) => OriginLock::Secret(pointer),
            None => OriginLock::None,
        },
    }
}

fn hsts(cx: &Cx<'_>, node: &Node) -> Hsts {
    const YEAR: Millis = Millis(365 * 86_400_000);
    let (max_age, subdomains, preload) = (node.get("max_age"), node.get("include_subdomains"), node.get("preload"));
    if preload.flag() && (!subdomains.flag() || max_age.time() < YEAR) {
        let help = "The browsers' lists want include_subdomains = true and a max_age of a year or more.";
        cx.source.fault(&preload.span, &preload.path, "no list would take this.", help);
    }
    Hsts { max_age: max_age.time(), include_subdomains: subdomains.flag(), preload: preload.flag() }
}

fn flood(cx: &Cx<'_>, node: &Node) -> Flood {
    for key in ["header", "body_idle", "total"].map(|k| node.get(k)) {
        if key.millis().is_some_and(|m| m <= Millis(0)) {
            cx.source.fault(&key.span, &key.path, "no request is that fast.", "");
        }
    }
    for key in ["header_bytes", "body"].map(|k| node.get(k)) {
        if key.exists() && key.size() < 1024 {
            cx.source.fault(&key.span, &key.path, "no request is that small.", "At least \"1 KiB\".");
        }
    }
    Flood {
        connections_per_ip: node.get("connections_per_ip").number(),
        header: node.get("header").time(),
        body_idle: node.get("body_idle").time(),
        total: node.get("total").time(),
        header_bytes: node.get("header_bytes").size(),
        body: node.get("body").size(),
    }
}
