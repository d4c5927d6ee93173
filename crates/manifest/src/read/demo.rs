//! `[demo]`.

use crate::{
    DemoTenant, Region, Tenancy, near,
    read::{Cx, product::is_host, title},
    tree::{Node, Value},
};

pub(crate) fn tenants(cx: &Cx<'_>, node: &Node, regions: &[Region], tenancy: &Tenancy) -> Vec<DemoTenant> {
    if !matches!(node.value, Value::List(_)) {
        cx.source.fault(&node.span, &node.path, "demo tenants are a list: [\"acme\", \"globex\"].", "");
    }
    let mut tenants: Vec<DemoTenant> = Vec::new();
    for item in node.items() {
        let slug_node = if item.text().is_some() { item } else { item.get("slug") };
        let Some(slug) = slug_node.text() else {
            cx.source.fault(
                &item.span,
                &node.path,
                "a demo tenant needs a slug.",
                "Write \"acme\" or { slug = \"acme\" }.",
            );
            continue;
        };
        keys(cx, item);
        let before = tenants.iter().filter(|t| t.slug == slug).count();
        let fault = |message: String| cx.source.fault(&slug_node.span, &node.path, message, "");
        if !is_host(slug) || slug.contains('.') || slug.len() > 40 {
            fault(format!("`{slug}` is no slug: a-z, 0-9 and - only."));
        } else if tenancy.reserved.iter().any(|r| r == slug) {
            fault(format!("`{slug}` is a reserved name."));
        } else if before > 0 && tenancy.slug_unique {
            fault(format!("`{slug}` is there twice, and slugs are unique."));
        }
        let people = if before == 0 { format!("{slug}.example") } else { format!("{slug}-{}.example", before + 1) };
        let name = item.get("name").text().map_or_else(|| title_each(slug), str::to_owned);
        tenants.push(DemoTenant {
            slug: slug.to_owned(),
            name,
            region: region(cx, item.get("region"), regions),
            people,
        });
    }
    tenants
}

fn keys(cx: &Cx<'_>, item: &Node) {
    const KEYS: [&str; 3] = ["slug", "name", "region"];
    for key in item.entries().iter().filter(|k| !KEYS.contains(&k.name.as_str())) {
        cx.source.fault(
            &key.key,
            &key.path,
            format!("no key `{}` here.", key.name),
            near::hint(&key.name, "Keys here", KEYS),
        );
    }
}

fn region(cx: &Cx<'_>, node: &Node, regions: &[Region]) -> &'static str {
    let first = regions.first().map_or("main", |r| r.id);
    let Some(name) = node.text() else { return first };
    match regions.iter().find(|r| r.id == name) {
        Some(region) => region.id,
        None => {
            let help = near::hint(name, "Regions", regions.iter().map(|r| r.id));
            cx.source.fault(&node.span, &node.path, format!("no region `{name}`."), help);
            first
        }
    }
}

/// `brasserie-lund` as "Brasserie Lund".
fn title_each(slug: &str) -> String {
    slug.split('-').map(title).collect::<Vec<_>>().join(" ")
}
