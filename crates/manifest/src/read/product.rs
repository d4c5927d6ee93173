//! `[app]`, `[tenant]`, `[regions]`.

use crate::{
    Pointer, Region, SignUp, Tenancy, amount,
    fault::Source,
    fill, near,
    read::{Cx, title},
    tree::Node,
};

/// Names no tenant may take: they are hosts of the app, of its mail, or of its team.
pub const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "apex",
    "api",
    "app",
    "apps",
    "assets",
    "auth",
    "autoconfig",
    "autodiscover",
    "backup",
    "beta",
    "billing",
    "blog",
    "cdn",
    "console",
    "dashboard",
    "demo",
    "dev",
    "dns",
    "docs",
    "email",
    "files",
    "ftp",
    "git",
    "help",
    "host",
    "hostmaster",
    "house",
    "id",
    "identity",
    "imap",
    "img",
    "info",
    "internal",
    "invite",
    "ldap",
    "legal",
    "local",
    "localhost",
    "login",
    "logout",
    "mail",
    "media",
    "metrics",
    "mta-sts",
    "mx",
    "news",
    "noreply",
    "ns",
    "ns1",
    "ns2",
    "oauth",
    "operator",
    "operators",
    "ops",
    "pay",
    "payments",
    "pop",
    "pop3",
    "postmaster",
    "preview",
    "privacy",
    "prod",
    "production",
    "proxy",
    "root",
    "saml",
    "scim",
    "security",
    "shop",
    "signin",
    "sign-in",
    "sign-up",
    "signup",
    "smtp",
    "sso",
    "stage",
    "staging",
    "static",
    "status",
    "studio",
    "support",
    "system",
    "team",
    "tenant",
    "test",
    "tls",
    "trust",
    "upload",
    "uploads",
    "vpn",
    "webhook",
    "webhooks",
    "webmail",
    "webmaster",
    "wpad",
    "www",
    "ww",
    "www1",
    "www2",
];

pub(crate) fn currency(source: &Source<'_>, section: &Node) -> &'static str {
    let node = section.get("currency");
    let code = node.text().unwrap_or("EUR");
    if amount::is_currency(code) {
        return kernel::intern(code);
    }
    source.fault(&node.span, &node.path, format!("`{code}` is no currency."), "Write its ISO 4217 code, such as EUR.");
    "EUR"
}

/// Latin letters beyond ASCII as people spell them there.
fn ascii(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            'ø' | 'ö' | 'ó' | 'ò' | 'ô' | 'õ' | 'ő' => "o".to_owned(),
            'Ø' | 'Ö' | 'Ó' => "O".to_owned(),
            'å' | 'ä' | 'á' | 'à' | 'â' | 'ã' | 'ą' => "a".to_owned(),
            'Å' | 'Ä' | 'Á' => "A".to_owned(),
            'é' | 'è' | 'ê' | 'ë' | 'ę' | 'ě' => "e".to_owned(),
            'É' | 'È' => "E".to_owned(),
            'í' | 'ì' | 'î' | 'ï' => "i".to_owned(),
            'ü' | 'ú' | 'ù' | 'û' | 'ů' => "u".to_owned(),
            'Ü' | 'Ú' => "U".to_owned(),
            'æ' => "ae".to_owned(),
            'Æ' => "Ae".to_owned(),
            'œ' => "oe".to_owned(),
            'ß' => "ss".to_owned(),
            'ł' => "l".to_owned(),
            'Ł' => "L".to_owned(),
            'ñ' | 'ń' => "n".to_owned(),
            'ç' | 'ć' | 'č' => "c".to_owned(),
            'š' | 'ś' => "s".to_owned(),
            'ž' | 'ż' | 'ź' => "z".to_owned(),
            'ý' => "y".to_owned(),
            'ř' => "r".to_owned(),
            'þ' => "th".to_owned(),
            'ð' => "d".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

/// The app's id: written, or its name in ASCII.
pub(crate) fn id(cx: &Cx<'_>, section: &Node) -> &'static str {
    if let Some(id) = section.get("id").text() {
        return kernel::intern(id);
    }
    let name = section.get("name");
    let id = machine_name(&name.words());
    if name.exists() && !fill::is_name(&id, false) {
        let help = "Write id = \"...\" of a-z, 0-9 and _ in [app].";
        cx.source.fault(&name.span, &name.path, "no machine name can be made of this name.", help);
    }
    kernel::intern(&id)
}

fn machine_name(name: &str) -> String {
    let lower = ascii(name).to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join("_")
}

/// The app's name in a header: `Nordkestrel`, `Estokad`.
pub(crate) fn header_name(name: &str) -> String {
    let words = ascii(name);
    let parts = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

/// Whether `name` is a host name of at least one label.
pub(crate) fn is_host(name: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

pub(crate) fn domain(cx: &Cx<'_>, node: &Node) -> String {
    let name = node.words();
    if node.exists() && !is_host(&name) {
        let help = "Write a host name in lower case and ASCII, without https:// and without a path.";
        cx.source.fault(&node.span, &node.path, format!("`{name}` is no domain."), help);
    }
    name
}

pub(crate) fn tenant_key(section: &Node) -> String {
    section
        .get("key")
        .text()
        .map_or_else(|| format!("{}_id", machine_name(&section.get("noun").words())), str::to_owned)
}

pub(crate) fn tenancy(cx: &Cx<'_>, section: &Node, key: &str) -> Tenancy {
    let resolve = section.get("resolve");
    let way = |name: &str| resolve.items().iter().any(|n| n.text() == Some(name));
    let shared = way("membership_slug");
    if resolve.items().is_empty() && cx.source.is_clean() {
        cx.source.fault(&resolve.span, &resolve.path, "a tenant must be found somehow.", "Write [\"subdomain\"].");
    }
    if shared && resolve.items().len() > 1 {
        cx.source.fault(
            &resolve.span,
            &resolve.path,
            "membership_slug stands alone.",
            "The tenant follows from the caller, not from the host.",
        );
    }
    for name in ["host", "public"].into_iter().filter(|_| !shared) {
        let node = section.get(name);
        if node.given && node.exists() {
            cx.source.fault(&node.key, &node.path, format!("`{name}` is for resolve = [\"membership_slug\"]."), "");
        }
    }
    let slug = section.get("slug");
    if !shared && slug.text() == Some("not_unique") {
        let message = "slugs must be unique where the host names the tenant.";
        cx.source.fault(
            &slug.span,
            &slug.path,
            message,
            "Only resolve = [\"membership_slug\"] can tell equal slugs apart.",
        );
    }
    let host = section.get("host");
    if !is_host(&host.words()) || host.words().contains('.') {
        cx.source.fault(&host.span, &host.path, format!("`{}` is no label of a host name.", host.words()), "");
    }
    let noun = section.get("noun").words();
    let plural = section.get("plural").text().map_or_else(|| format!("{noun}s"), str::to_owned);
    Tenancy {
        plural,
        key: key.to_owned(),
        subdomain: way("subdomain"),
        custom_domain: way("custom_domain"),
        membership_slug: shared,
        host: host.words(),
        slug_unique: slug.text() != Some("not_unique"),
        reserved: reserved(cx, section, shared),
        public_path: public(cx, section.get("public"), key),
        sign_up: match section.get("sign_up").text() {
            Some("invite") => SignUp::Invite,
            Some("operator") => SignUp::Operator,
            _ => SignUp::Open,
        },
        noun,
    }
}

fn reserved(cx: &Cx<'_>, section: &Node, shared: bool) -> Vec<String> {
    let node = section.get("reserved");
    for item in node.items().iter().filter(|n| !n.text().is_some_and(is_host)) {
        let message = format!("`{}` is no name of a host.", item.words());
        cx.source.fault(&item.span, &item.path, message, "Write it in lower case and ASCII.");
    }
    let mut names: Vec<String> = RESERVED.iter().map(|n| (*n).to_owned()).chain(node.texts()).collect();
    if shared {
        names.push(section.get("host").words());
    }
    names.sort();
    names.dedup();
    names
}

fn public(cx: &Cx<'_>, node: &Node, key: &str) -> Option<String> {
    let path = node.get("path");
    let text = path.text()?;
    let holder = format!("{{{key}}}");
    if !text.starts_with('/') || text.matches(&holder).count() != 1 || text.matches('{').count() != 1 {
        let message = format!("`{text}` is no path with `{holder}` in it.");
        cx.source.fault(&path.span, &path.path, message, format!("Write it as \"/d/{holder}\"."));
    }
    Some(text.to_owned())
}

/// `[regions]`: one called `main` when none is written.
pub(crate) fn regions(cx: &Cx<'_>, section: &Node) -> Vec<Region> {
    let nodes = section.entries();
    if nodes.is_empty() {
        let root_key = Pointer::Env("VOUCHSAFE_ROOT".into());
        let label = title("main");
        return vec![Region {
            id: "main",
            label,
            country: None,
            root_key,
            database: None,
            blobs: None,
            backups: vec![],
        }];
    }
    let several = nodes.len() > 1;
    let regions: Vec<Region> = nodes.iter().map(|node| region(cx, node, several)).collect();
    for (at, region) in regions.iter().enumerate() {
        let Some(node) = nodes.get(at) else { continue };
        let same = regions.iter().take(at).find(|other| other.root_key == region.root_key);
        if let Some(other) = same {
            let key = node.get("root_key");
            let message = format!("{} and {} have the same root key.", other.id, region.id);
            cx.source.fault(&key.span, &key.path, message, "Each region needs a key of its own.");
        }
    }
    regions
}

fn region(cx: &Cx<'_>, node: &Node, several: bool) -> Region {
    let country = node.get("country");
    if let Some(code) = country.text().filter(|c| c.len() != 2 || !c.bytes().all(|b| b.is_ascii_uppercase())) {
        let help = near::hint(&code.to_uppercase(), "It has two capital letters, such as", ["FR", "NL"]);
        cx.source.fault(&country.span, &country.path, format!("`{code}` is no ISO 3166 country code."), help);
    }
    let key = node.get("root_key");
    let own = || Pointer::Env(format!("VOUCHSAFE_ROOT_{}", node.name.to_uppercase().replace('-', "_")));
    let root_key = if several && !key.given { own() } else { key.pointer().unwrap_or_else(own) };
    Region {
        id: kernel::intern(&node.name),
        label: node.get("label").text().map_or_else(|| title(&node.name), str::to_owned),
        country: country.text().map(str::to_owned),
        root_key,
        database: node.get("database").pointer(),
        blobs: node.get("blobs").pointer(),
        backups: node.get("backups").pointers(),
    }
}
