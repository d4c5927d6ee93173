//! `[auth]`, `[sessions]`, `[keys]`, `[operators]`.

use crate::{
    ApiKeys, Auth, Collection, Issuer, Lockout, Method, Mfa, Millis, Operators, PasswordScheme, Saml, Sessions, near,
    read::{Cx, action::TAKEN, product},
    tree::Node,
};

/// Keys that make no sense when an outside issuer signs people in.
pub(crate) const OWN_SIGN_IN: [&str; 10] =
    ["methods", "password", "breach", "lockout", "magic_link", "reset", "verify", "passkey", "saml", "google"];

/// `[auth]`.
pub(crate) fn auth(cx: &Cx<'_>, node: &Node) -> Auth {
    let issuer = issuer(cx, node.get("issuer"));
    if issuer.is_some() {
        for key in OWN_SIGN_IN.map(|k| node.get(k)).into_iter().filter(|k| k.given) {
            let message = format!("`{}` means nothing here: an outside issuer signs people in.", key.name);
            cx.source.fault(&key.key, &key.path, message, "Remove it, or write issuer = \"self\".");
        }
    }
    let methods = if issuer.is_some() { Vec::new() } else { methods(cx, node.get("methods")) };
    let lockout = node.get("lockout");
    let (saml, google) = (node.get("saml"), node.get("google"));
    let id_and_secret = google.get("id").pointer().zip(google.get("secret").pointer());
    Auth {
        issuer,
        mfa: match node.get("mfa").text() {
            Some("tenant") => Mfa::Tenant,
            Some("required") => Mfa::Required,
            _ => Mfa::Optional,
        },
        password: match node.get("password").text() {
            Some("bcrypt") => PasswordScheme::Bcrypt,
            _ => PasswordScheme::Argon2id,
        },
        honeypot: node.get("bots").items().iter().any(|n| n.text() == Some("honeypot")),
        breach_closed: node.get("breach").text() == Some("closed"),
        lockout: Lockout { failures: lockout.get("failures").number(), lasts: lockout.get("for").time() },
        magic_link: node.get("magic_link").get("ttl").time(),
        reset: node.get("reset").get("ttl").time(),
        verify: node.get("verify").get("ttl").time(),
        passkey_later: node.get("passkey").get("offer").text() == Some("after_first_sign_in"),
        saml: Saml {
            module: saml.get("module").text().map(kernel::intern),
            skew: saml.get("skew").time(),
            idp_initiated: saml.get("idp_initiated").flag(),
        },
        scim: node.get("scim").get("module").text().map(kernel::intern),
        google: id_and_secret.filter(|_| methods.contains(&Method::Google)),
        methods,
    }
}

fn issuer(cx: &Cx<'_>, node: &Node) -> Option<Issuer> {
    if node.entries().is_empty() {
        return None;
    }
    let url = node.get("url");
    let loopback = ["http://localhost", "http://127.0.0.1"].iter().any(|p| url.words().starts_with(p));
    if url.exists() && !url.words().starts_with("https://") && !loopback {
        cx.source.fault(&url.span, &url.path, "an issuer's url begins with https://.", "");
    }
    let (audience, tenant_claim) = (node.get("audience").words(), node.get("tenant_claim").words());
    Some(Issuer { url: url.words(), audience, tenant_claim })
}

fn methods(cx: &Cx<'_>, node: &Node) -> Vec<Method> {
    let all = [Method::Password, Method::Passkey, Method::Totp, Method::MagicLink, Method::Google, Method::Saml];
    let mut methods = Vec::new();
    for item in node.items() {
        let Some(method) = all.into_iter().find(|m| Some(m.name()) == item.text()) else { continue };
        if methods.contains(&method) {
            cx.source.fault(&item.span, &item.path, format!("`{}` is there twice.", method.name()), "");
        } else {
            methods.push(method);
        }
    }
    if node.exists() && methods.iter().all(|m| *m == Method::Totp) {
        let help = "Add password, passkey, magic_link, google or saml.";
        cx.source.fault(&node.span, &node.path, "nobody could sign in: no method here works alone.", help);
    }
    methods
}

/// `[sessions]`.
pub(crate) fn sessions(cx: &Cx<'_>, node: &Node) -> Sessions {
    let refresh = node.get("refresh");
    let (access, idle, absolute) = (node.get("access_token"), refresh.get("idle"), refresh.get("absolute"));
    if access.millis().is_some_and(|m| m > Millis(3_600_000) || m <= Millis(0)) {
        cx.source.fault(&access.span, &access.path, "an access token lives at most an hour.", "");
    }
    if idle.time() > absolute.time() && absolute.exists() {
        cx.source.fault(&idle.span, &idle.path, "a session cannot idle longer than it lives.", "Raise `absolute`.");
    }
    if refresh.get("reuse_window").time() > Millis(60_000) {
        let window = refresh.get("reuse_window");
        cx.source.fault(&window.span, &window.path, "a spent token is answered again for at most 60 s.", "");
    }
    Sessions {
        access_token: access.time(),
        reuse_window: refresh.get("reuse_window").time(),
        idle: idle.time(),
        absolute: absolute.time(),
        key: node.get("key").get("from").pointer(),
        min_bits: node.get("key").get("min_bits").int().and_then(|n| u32::try_from(n).ok()).unwrap_or(256),
        eddsa: node.get("algorithm").text() == Some("EdDSA"),
    }
}

/// `[keys]`.
pub(crate) fn keys(cx: &Cx<'_>, all: &[Collection], root: &Node) -> ApiKeys {
    let node = root.get("keys");
    let declared: Vec<&str> = all.iter().flat_map(|c| c.actions.iter().map(|a| a.id)).collect();
    let scopes = node.get("scopes").entries().iter().map(|scope| {
        let words = scope.words();
        let known: Vec<&str> = TAKEN
            .iter()
            .copied()
            .filter(|v| !matches!(*v, "submit" | "where"))
            .chain(declared.iter().copied())
            .collect();
        for word in words.split_ascii_whitespace().filter(|w| !known.contains(w)) {
            let help = near::hint(word, "Verbs", known.iter().copied());
            cx.source.fault(&scope.span, &scope.path, format!("no verb `{word}`."), help);
        }
        (kernel::intern(&scope.name), words.split_ascii_whitespace().map(kernel::intern).collect())
    });
    let caps = node.get("caps");
    ApiKeys {
        prefix: node.get("prefix").text().map_or_else(|| product::id(cx, root.get("app")).to_owned(), str::to_owned),
        default: kernel::intern(node.get("default").text().unwrap_or("read")),
        minute: caps.get("minute").number(),
        month: caps.get("month").number(),
        scopes: scopes.collect(),
    }
}

/// `[operators]`.
pub(crate) fn operators(cx: &Cx<'_>, node: &Node) -> Operators {
    for name in node.get("names").items() {
        let text = name.text().unwrap_or_default();
        if !is_address(text) {
            let message = format!("`{}` is no mail address.", name.words());
            cx.source.fault(&name.span, &name.path, message, "Operators are named by theirs.");
        } else if text.chars().any(char::is_uppercase) {
            let small = format!("Write `{}`: the register knows one spelling.", text.to_lowercase());
            cx.source.fault(&name.span, &name.path, format!("`{text}` has capital letters."), &small);
        }
    }
    let elevate = node.get("elevate");
    if elevate.time() > Millis(3_600_000) {
        cx.source.fault(&elevate.span, &elevate.path, "an elevation lasts at most an hour.", "");
    }
    Operators { names: node.get("names").texts(), elevate: elevate.time(), review: node.get("review").time() }
}

/// Whether `text` looks like a mail address.
pub(crate) fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && !name.contains(char::is_whitespace) && product::is_host(&host.to_ascii_lowercase())
    })
}
