//! Services outside, the page's data, and what people sign.

use std::collections::BTreeMap;

use crate::{
    Attest, Collection, Connector, Disclosure, InboundEvent, InboundWebhook, Mail, MeteredSecret, Millis,
    Observability, OutboundWebhooks, PageInfo, Payments, Pointer, Verify, catalogue, near,
    read::{Cx, guard, guard::Scope, identity::is_address, product, set, set::Writing},
    tree::{Node, Value},
};

pub(crate) fn payments(node: &Node) -> Option<Payments> {
    node.exists().then(|| Payments {
        processor: node.get("processor").words(),
        model: node.get("model").words(),
        card_entry: node.get("card_entry").words(),
        token: node.get("token").pointer(),
    })
}

pub(crate) fn mail(root: &Node) -> Mail {
    let (node, app) = (root.get("mail"), root.get("app"));
    let from = || format!("{} <no-reply@{}>", app.get("name").words(), app.get("domain").words());
    Mail {
        from: node.get("from").text().map_or_else(from, str::to_owned),
        smtp: node.get("smtp").pointer().unwrap_or_else(|| Pointer::Env("VOUCHSAFE_SMTP_URL".into())),
        region: node.get("region").text().map(str::to_owned),
    }
}

pub(crate) fn connectors(cx: &Cx<'_>, section: &Node) -> Vec<Connector> {
    let connector = |node: &Node| {
        let domains = node.get("domains");
        for item in domains.items().iter().filter(|n| !n.text().is_some_and(is_domain)) {
            let message = format!("`{}` is no domain.", item.words());
            let help = "Write it without https:// and without a path; `*.` in front allows its subdomains.";
            cx.source.fault(&item.span, &item.path, message, help);
        }
        if domains.exists() && domains.items().is_empty() {
            cx.source.fault(&domains.span, &domains.path, "a connector calls at least one domain.", "");
        }
        let client = node.get("client");
        Connector {
            id: kernel::intern(&node.name),
            domains: domains.texts(),
            oauth2: node.get("auth").text() == Some("oauth2"),
            client: client.get("id").pointer().zip(client.get("secret").pointer()),
        }
    };
    section.entries().iter().map(connector).collect()
}

/// `graph.example.com`, or `*.example.com` for the names below it; never a whole top-level domain.
fn is_domain(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    product::is_host(name) && name.contains('.')
}

pub(crate) fn webhooks_in(cx: &Cx<'_>, all: &[Collection], section: &Node) -> Vec<InboundWebhook> {
    let webhook = |node: &Node| InboundWebhook {
        id: kernel::intern(&node.name),
        scheme: node.get("scheme").words(),
        secrets: node.get("secret").pointers(),
        on: node.get("on").entries().iter().filter_map(|event| inbound(cx, all, event)).collect(),
    };
    section.entries().iter().map(webhook).collect()
}

/// `"event" = { find = { "C.field" = "/json/pointer" }, when, set }`.
fn inbound(cx: &Cx<'_>, all: &[Collection], node: &Node) -> Option<InboundEvent> {
    const KEYS: [&str; 3] = ["find", "when", "set"];
    for key in node.entries().iter().filter(|k| !KEYS.contains(&k.name.as_str())) {
        cx.source.fault(
            &key.key,
            &key.path,
            format!("no key `{}` here.", key.name),
            near::hint(&key.name, "Keys here", KEYS),
        );
    }
    let [find] = node.get("find").entries() else {
        let help = "Write find = { \"COLLECTION.FIELD\" = \"/json/pointer\" }.";
        cx.source.fault(&node.key, &node.path, "an event finds one record by one field.", help);
        return None;
    };
    // `orders.payment_ref` without quotes nests: both spellings mean the same.
    let (name, find) = match find.entries() {
        [inner] => (format!("{}.{}", find.name, inner.name), inner),
        _ => (find.name.clone(), find),
    };
    let Some((collection, field)) = name.split_once('.') else {
        cx.source.fault(&find.key, &find.path, format!("`{name}` is no \"COLLECTION.FIELD\"."), "");
        return None;
    };
    let at = cx.collection(collection, &find.key, &find.path)?;
    let record = all.get(at)?;
    let by = if field == "id" { None } else { Some(unique_field(cx, record, find, field)?) };
    let pointer = find.words();
    if !pointer.starts_with('/') {
        cx.source.fault(
            &find.span,
            &find.path,
            format!("`{pointer}` is no JSON pointer."),
            "Write it as \"/data/object/id\".",
        );
    }
    let scope = Scope { collection: record, input: &[] };
    let changes = node.get("set");
    if !matches!(&changes.value, Value::Table(entries) if !entries.is_empty()) {
        cx.source.fault(&node.key, &node.path, "an event that sets nothing does nothing.", "Give it `set`.");
    }
    let set = set::sets(cx, Writing { scope, into: record, record: None }, changes);
    for entry in changes.entries().iter().filter(|e| e.text() == Some("@me")) {
        cx.source.fault(&entry.span, &entry.path, "an event has no member behind it, so there is no `@me`.", "");
    }
    let when = guard::guards(cx, scope, node.get("when"));
    Some(InboundEvent { event: node.name.clone(), collection: at, field: by, pointer, when, set })
}

fn unique_field(cx: &Cx<'_>, record: &Collection, find: &Node, field: &str) -> Option<usize> {
    let Some(at) = record.position(field) else {
        let help = near::hint(field, "Fields", record.fields.iter().map(|f| f.id).chain(["id"]));
        cx.source.fault(&find.key, &find.path, format!("no field `{field}` on {}.", record.id), help);
        return None;
    };
    if record.fields.get(at).is_some_and(|f| !f.unique) {
        let message = format!("`{field}` is not unique, so it cannot find one record.");
        cx.source.fault(&find.key, &find.path, message, "Write unique = true in the field.");
    }
    Some(at)
}

pub(crate) fn webhooks_out(cx: &Cx<'_>, root: &Node) -> OutboundWebhooks {
    let node = root.get("webhooks").get("out");
    let own = || format!("X-{}-Signature", product::header_name(&root.get("app").get("name").words()));
    let header = node.get("header");
    let name = header.text().map_or_else(own, str::to_owned);
    if header.exists() && !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        let help = format!("Header names are ASCII: \"{}\".", own());
        cx.source.fault(&header.span, &header.path, format!("`{name}` is no header name."), help);
    }
    let retries: Vec<Millis> = node.get("retries").items().iter().filter_map(Node::millis).collect();
    let (events, history) = (node.get("events").texts(), node.get("history").time());
    OutboundWebhooks { header: name, events, history, retries }
}

pub(crate) fn secrets(section: &Node) -> Vec<MeteredSecret> {
    let secret = |node: &Node| {
        let (max_age, on) = (node.get("max_age").millis(), node.get("on").texts());
        Some(MeteredSecret { id: kernel::intern(&node.name), from: node.get("from").pointer()?, max_age, on })
    };
    section.entries().iter().filter_map(secret).collect()
}

pub(crate) fn observability(node: &Node) -> Observability {
    Observability { sentry: node.get("sentry").pointer(), otlp: node.get("otlp").pointer() }
}

pub(crate) fn page(node: &Node) -> PageInfo {
    let reviewed = match &node.get("reviewed").value {
        Value::Date(date) => date.clone(),
        _ => String::new(),
    };
    let cadence = node.get("cadence").millis();
    PageInfo { version: node.get("version").words(), reviewed, owner: node.get("owner").words(), cadence }
}

pub(crate) fn disclosure(cx: &Cx<'_>, root: &Node) -> Disclosure {
    let node = root.get("disclosure");
    let contact = node.get("contact");
    let known = |text: &str| is_address(text) || text.starts_with("https://");
    if contact.text().is_some_and(|text| !known(text)) {
        let message = format!("`{}` is no mail address.", contact.words());
        cx.source.fault(&contact.span, &contact.path, message, "Write one that is read, or an https:// form.");
    }
    let own = || format!("security@{}", root.get("app").get("domain").words());
    Disclosure {
        contact: contact.text().map_or_else(own, str::to_owned),
        declared: contact.exists(),
        ack: node.get("ack").words(),
        clock: node.get("clock").millis(),
        asks: node.get("asks").texts(),
        bounty: node.get("bounty").flag(),
        credit: node.get("credit").words(),
        policies: node.get("policies").entries().iter().map(|n| (n.name.clone(), n.words())).collect(),
    }
}

pub(crate) fn attest(node: &Node) -> Attest {
    Attest {
        default: node.get("default").time(),
        certifications: node.get("certifications").texts(),
        modelled_on: node.get("modelled_on").texts(),
        pci: node.get("pci").text().map(str::to_owned),
    }
}

pub(crate) fn verify(cx: &Cx<'_>, node: &Node) -> Verify {
    let mut ages = BTreeMap::new();
    for age in node.get("ages").entries() {
        if catalogue::check(&age.name).is_none() {
            let help = catalogue::hint(&age.name);
            cx.source.fault(&age.key, &age.path, format!("no check `{}`.", age.name), help);
        }
        ages.insert(age.name.clone(), age.time());
    }
    Verify { every: node.get("every").time(), ages }
}
