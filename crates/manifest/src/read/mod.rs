//! `app.toml` to [`App`].

mod action;
mod ceiling;
mod collections;
mod demo;
mod derived;
mod edge;
mod field;
mod forbidden;
mod forms;
mod grants;
mod guard;
mod identity;
mod keeping;
mod limits;
mod literal;
mod modules;
mod outside;
mod parts;
mod product;
mod roles;
mod set;

use crate::{
    App, Collection, Fault,
    fault::Source,
    figures, fill,
    keys::SECTIONS,
    tree::{self, Node, Value},
};

pub(crate) use identity::OWN_SIGN_IN;
pub use limits::BUILT_IN;
pub use product::RESERVED;
pub(crate) use product::header_name;
pub(crate) use roles::RESOURCES;

/// What every part of the reader needs.
pub(crate) struct Cx<'c> {
    pub(crate) source: &'c Source<'c>,
    pub(crate) currency: &'static str,
    pub(crate) tenant_key: &'c str,
    /// Collections in order.
    pub(crate) names: &'c [&'static str],
    /// Limit tiers.
    pub(crate) tiers: &'c [&'static str],
}

/// Reads `app.toml`.
///
/// # Errors
/// Every mistake found, in the order of the text.
pub fn read(text: &str, file: &str) -> Result<App, Vec<Fault>> {
    let source = Source::new(file, text);
    let root = tree::parse(&source, text);
    if root.is_none() {
        forbidden::secrets_in_text(&source, text);
    }
    let app = root.and_then(|root| app(&source, root));
    match app {
        Some(app) if source.is_clean() => Ok(app),
        _ => Err(source.into_faults()),
    }
}

fn app(source: &Source<'_>, mut root: Node) -> Option<App> {
    forbidden::secrets(source, &root);
    if let Value::Table(sections) = &mut root.value
        && let Some(section) = sections.iter_mut().find(|n| n.name == "collections")
        && let Value::Table(each) = &mut section.value
    {
        each.iter_mut().for_each(collections::lift_subject);
    }
    let filled = fill::table(source, &root, SECTIONS);
    let tenant_key = product::tenant_key(filled.get("tenant"));
    let names: Vec<&'static str> =
        filled.get("collections").entries().iter().map(|n| kernel::intern(&n.name)).collect();
    let limits = limits::limits(source, filled.get("limits"));
    let tiers: Vec<&'static str> = limits.tiers.keys().copied().collect();
    let cx = Cx {
        source,
        currency: product::currency(source, filled.get("app")),
        tenant_key: &tenant_key,
        names: &names,
        tiers: &tiers,
    };
    let all = collections::collections(&cx, filled.get("collections"));
    let roles = roles::roles(&cx, &all, filled.get("roles"));
    let visitor = roles::visitor(&cx, &all, filled.get("visitor"));
    let submissions = forms::submissions(&cx, &all, filled.get("submissions"));
    forms::submit_has_form(&cx, &all, &visitor, &submissions, filled.get("visitor"));
    let shares = forms::shares(&cx, &all, filled.get("shares"));
    let modules = modules::modules(&cx, &all, &filled);
    let regions = product::regions(&cx, filled.get("regions"));
    let section = filled.get("app");
    let tenant = product::tenancy(&cx, filled.get("tenant"), &tenant_key);
    let mut app = App {
        id: product::id(&cx, section),
        name: section.get("name").words(),
        tagline: section.get("tagline").words(),
        color: section.get("color").words(),
        domain: product::domain(&cx, section.get("domain")),
        currency: cx.currency,
        demo: demo::tenants(&cx, filled.get("demo").get("tenants"), &regions, &tenant),
        tenant,
        regions,
        site: filled.get("site").get("root").text().map(str::to_owned),
        custom_roles: modules::custom_roles(&cx, &all, &filled),
        visitor,
        submissions,
        shares,
        auth: identity::auth(&cx, filled.get("auth")),
        sessions: identity::sessions(&cx, filled.get("sessions")),
        keys: identity::keys(&cx, &all, &filled),
        operators: identity::operators(&cx, filled.get("operators")),
        modules,
        limits,
        edge: edge::edge(&cx, filled.get("edge")),
        encryption: keeping::encryption(filled.get("encryption")),
        audit: keeping::audit(&cx, filled.get("audit")),
        backups: keeping::backups(filled.get("backups")),
        failover: keeping::failover(&cx, &filled),
        data: keeping::data(&cx, &filled),
        content_types: modules::content_types(filled.get("content_types")),
        payments: outside::payments(filled.get("payments")),
        mail: outside::mail(&filled),
        connectors: outside::connectors(&cx, filled.get("connectors")),
        webhooks_in: outside::webhooks_in(&cx, &all, filled.get("webhooks").get("in")),
        webhooks_out: outside::webhooks_out(&cx, &filled),
        secrets: outside::secrets(filled.get("secrets")),
        observability: outside::observability(filled.get("observability")),
        page: outside::page(filled.get("page")),
        disclosure: outside::disclosure(&cx, &filled),
        attest: outside::attest(filled.get("attest")),
        verify: outside::verify(&cx, filled.get("verify")),
        roles,
        collections: all,
        figures: std::collections::BTreeMap::new(),
        defaults: Vec::new(),
    };
    figures::fill(&mut app, &filled);
    Some(app)
}

/// `sales_rep` as "Sales rep".
pub(crate) fn title(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Positions of the named fields, with a fault for each unknown one.
pub(crate) fn positions(cx: &Cx<'_>, collection: &Collection, names: &Node) -> Vec<usize> {
    names.one_or_many().iter().filter_map(|n| derived::position(cx, n, collection, n.text().unwrap_or(""), 0)).collect()
}
