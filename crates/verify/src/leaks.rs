//! What a secret looks like: kinds by their form, and values that are in force by their fingerprints.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::LazyLock,
};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use manifest::{App, Pointer};
use memchr::memmem::Finder;

use crate::random;

/// The rule of a value that is in force.
pub const VALUE: &str = "live value";
/// Shortest value that is looked for: shorter ones stand in every text.
const SHORTEST: usize = 12;

/// Something that looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Which kind.
    pub rule: &'static str,
    /// SHA-256 of its text, in hex: it names the finding without repeating it.
    pub hash: String,
    /// The object that holds it.
    pub object: String,
}

impl Finding {
    fn new(rule: &'static str, text: &[u8]) -> Self {
        Self { rule, hash: hex::encode(random::sha256(text)), object: String::new() }
    }
    /// In this object.
    #[must_use]
    pub fn at(self, object: &str) -> Self {
        Self { object: object.to_owned(), ..self }
    }
}

/// One form of a value that is in force.
#[derive(Clone)]
pub struct Live {
    text: String,
    finder: Finder<'static>,
}

impl Live {
    /// Its text: for planting.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A value as careless people leave it: as it is, in hex, in base64. None of a value that stands in every text, or that is
/// the address of a server on this machine.
#[must_use]
pub fn forms(value: &str) -> Vec<Live> {
    let local = value.starts_with("smtp://127.") || value.starts_with("smtp://localhost");
    if value.len() < SHORTEST || local {
        return Vec::new();
    }
    let packed = BASE64_STANDARD.encode(value);
    let mut texts = vec![value.to_owned(), hex::encode(value), packed, BASE64_URL_SAFE_NO_PAD.encode(value)];
    // A key written in hex is as well known by its bytes in base64.
    if let Some(raw) = hex::decode(value).ok().filter(|raw| raw.len() >= SHORTEST) {
        texts.push(BASE64_STANDARD.encode(&raw));
        texts.push(BASE64_URL_SAFE_NO_PAD.encode(&raw));
    }
    texts.iter_mut().for_each(|t| t.truncate(t.trim_end_matches('=').len()));
    texts.sort();
    texts.dedup();
    texts.into_iter().map(|text| Live { finder: Finder::new(text.as_bytes()).into_owned(), text }).collect()
}

/// Values that these variables and this machine's files hold for the manifest's pointers, and how many they do not hold of
/// those without which nothing is served. Another that is missing is of something that is off.
pub fn here(app: &App, variables: &BTreeMap<String, String>) -> (BTreeSet<String>, usize) {
    let needed = app.sessions.key.iter().chain(app.secrets.iter().map(|s| &s.from)).chain([&app.mail.smtp]);
    let other = app
        .regions
        .iter()
        .flat_map(|r| r.database.iter().chain(&r.blobs))
        .chain(app.webhooks_in.iter().flat_map(|w| &w.secrets))
        .chain(&app.observability.sentry)
        .chain(&app.observability.otlp)
        .chain(app.payments.iter().filter_map(|p| p.token.as_ref()))
        .chain(app.auth.google.iter().map(|(_, secret)| secret))
        .chain(app.connectors.iter().filter_map(|c| c.client.as_ref().map(|(_, secret)| secret)));
    let long = |value: &String| value.len() >= SHORTEST;
    let variable = |name: &str| variables.get(name).cloned().filter(long);
    let value = |pointer: &Pointer| match pointer {
        Pointer::Env(name) => variable(name),
        Pointer::File(path) => std::fs::read_to_string(path).ok().map(|t| t.trim().to_owned()).filter(long),
        Pointer::Kms(_) => None,
    };
    // What a key service holds is no value of ours.
    let ours: HashSet<&Pointer> = needed.filter(|pointer| !matches!(pointer, Pointer::Kms(_))).collect();
    let mut missing = ours.iter().filter(|pointer| value(pointer).is_none()).count();
    let mut found: BTreeSet<String> = ours.into_iter().chain(other).filter_map(value).collect();
    found.extend(variable("VAULT_TOKEN"));
    for region in &app.regions {
        let name = format!("VOUCHSAFE_ROOT_{}", region.id.to_uppercase().replace('-', "_"));
        let roots: Vec<String> = [value(&region.root_key), variable(&name), variable(&format!("{name}_NEXT"))]
            .into_iter()
            .flatten()
            .collect();
        missing += usize::from(roots.is_empty() && !matches!(region.root_key, Pointer::Kms(_)));
        found.extend(roots.into_iter().filter(|root| !root.starts_with("kms:")));
    }
    (found, missing)
}

/// A kind of token: how it begins, which letters follow, how many of them at least and at most.
struct Rule {
    name: &'static str,
    begins: &'static str,
    letters: fn(u8) -> bool,
    least: usize,
    most: usize,
}

fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}
fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}
fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

/// Forms that their makers document.
const RULES: &[Rule] = &[
    Rule { name: "AWS access key", begins: "AKIA", letters: upper, least: 16, most: 16 },
    Rule { name: "AWS temporary key", begins: "ASIA", letters: upper, least: 16, most: 16 },
    Rule { name: "GitHub token", begins: "ghp_", letters: alnum, least: 36, most: 255 },
    Rule { name: "GitHub app token", begins: "ghs_", letters: alnum, least: 36, most: 255 },
    Rule { name: "GitHub OAuth token", begins: "gho_", letters: alnum, least: 36, most: 255 },
    Rule { name: "GitHub fine-grained token", begins: "github_pat_", letters: word, least: 60, most: 255 },
    Rule { name: "GitLab token", begins: "glpat-", letters: word, least: 20, most: 64 },
    Rule { name: "Slack token", begins: "xoxb-", letters: word, least: 24, most: 255 },
    Rule { name: "Slack user token", begins: "xoxp-", letters: word, least: 24, most: 255 },
    Rule { name: "Stripe live key", begins: "sk_live_", letters: alnum, least: 16, most: 255 },
    Rule { name: "Stripe restricted key", begins: "rk_live_", letters: alnum, least: 16, most: 255 },
    Rule { name: "Stripe webhook secret", begins: "whsec_", letters: alnum, least: 32, most: 255 },
    Rule { name: "Google API key", begins: "AIza", letters: word, least: 35, most: 35 },
    Rule { name: "SendGrid key", begins: "SG.", letters: |b| word(b) || b == b'.', least: 66, most: 66 },
    Rule { name: "Vault token", begins: "hvs.", letters: word, least: 24, most: 255 },
    Rule { name: "npm token", begins: "npm_", letters: alnum, least: 36, most: 36 },
];

const PRIVATE_KEY: &str = "private key";
const ASSIGNED: &str = "assigned secret";

struct Rules {
    tokens: Vec<(Finder<'static>, &'static Rule)>,
    begin: Finder<'static>,
    names: Vec<Finder<'static>>,
}

static FINDERS: LazyLock<Rules> = LazyLock::new(|| Rules {
    tokens: RULES.iter().map(|r| (Finder::new(r.begins), r)).collect(),
    begin: Finder::new("-----BEGIN "),
    names: ["secret", "token", "passw", "api_key", "apikey", "api-key", "private_key", "access_key"]
        .map(Finder::new)
        .into(),
});

/// Everything in a piece that looks like a secret.
#[must_use]
pub fn find(bytes: &[u8], live: &[Live]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (finder, rule) in &FINDERS.tokens {
        found.extend(finder.find_iter(bytes).filter_map(|at| token(bytes, at, rule)));
    }
    found.extend(FINDERS.begin.find_iter(bytes).filter_map(|at| private_key(bytes, at)));
    found
        .extend(live.iter().filter(|l| l.finder.find(bytes).is_some()).map(|l| Finding::new(VALUE, l.text.as_bytes())));
    // Binary files have no assignments.
    if !bytes.iter().take(8000).any(|b| *b == 0) {
        let lower = bytes.to_ascii_lowercase();
        let named = FINDERS.names.iter().flat_map(|name| name.find_iter(&lower).map(|at| at + name.needle().len()));
        found.extend(named.filter_map(|at| assigned(bytes, at)));
    }
    found
}

fn token(bytes: &[u8], at: usize, rule: &Rule) -> Option<Finding> {
    let before = at.checked_sub(1).and_then(|i| bytes.get(i));
    if before.is_some_and(|b| word(*b)) {
        return None;
    }
    let rest = bytes.get(at + rule.begins.len()..)?;
    let length = rest.iter().take(rule.most + 1).take_while(|b| (rule.letters)(**b)).count();
    let body = rest.get(..length)?;
    let fits = (rule.least..=rule.most).contains(&length) && varied(body);
    fits.then(|| Finding::new(rule.name, bytes.get(at..at + rule.begins.len() + length).unwrap_or_default()))
}

/// A PEM block with a private key and a body: a head alone is somebody's test for one.
fn private_key(bytes: &[u8], at: usize) -> Option<Finding> {
    let rest = bytes.get(at + 11..)?;
    let line = rest.get(..rest.iter().take(60).position(|b| *b == b'\n' || *b == b'\\')?)?;
    let head = std::str::from_utf8(line).ok()?.trim_end();
    if !(head.ends_with("PRIVATE KEY-----") || head.ends_with("PRIVATE KEY BLOCK-----")) {
        return None;
    }
    let body: Vec<u8> = rest.get(line.len()..)?.iter().copied().take(400).collect();
    let letters = body.iter().filter(|b| b.is_ascii_alphanumeric() || **b == b'+' || **b == b'/').count();
    let packed =
        // Indented, or with another system's line ends: a file of settings or a script holds keys so.
        body.split(|b| *b == b'\n')
            .map(<[u8]>::trim_ascii)
            .any(|l| l.len() >= 40 && l.iter().all(u8::is_ascii_graphic) && varied(l));
    (letters >= 60 && packed).then(|| Finding::new(PRIVATE_KEY, &body))
}

/// `name = "value"` or `name: value`, where the value is long and has no pattern.
fn assigned(bytes: &[u8], at: usize) -> Option<Finding> {
    let rest = bytes.get(at..bytes.len().min(at + 200))?;
    // The rest of the name: `_key`, `word`.
    let name = rest.iter().take_while(|b| word(**b)).count();
    let mut at = name;
    let skip =
        |at: usize, set: &[u8]| at + rest.get(at..).unwrap_or_default().iter().take_while(|b| set.contains(b)).count();
    at = skip(at, b"\"' \t");
    let sign = *rest.get(at)?;
    if sign != b'=' && sign != b':' {
        return None;
    }
    at = skip(at + 1, b"\"' \t");
    let value = rest.get(at..)?;
    let length = value.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+/_-=".contains(b)).count();
    let value = value.get(..length)?;
    let ended = rest.get(at + length).is_none_or(|b| b"\"'\r\n \t,;#".contains(b));
    (name <= 24 && ended && (24..=128).contains(&length) && random_like(value)).then(|| Finding::new(ASSIGNED, value))
}

/// Not one letter over and over, nor an example's run of them.
fn varied(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    bytes.iter().for_each(|b| {
        if let Some(s) = seen.get_mut(usize::from(*b)) {
            *s = true
        }
    });
    let kinds = seen.iter().filter(|s| **s).count();
    let text = bytes.to_ascii_lowercase();
    let said = |word: &str| memchr::memmem::find(&text, word.as_bytes()).is_some();
    kinds >= 8.min(bytes.len() / 2) && !["example", "xxxx", "0000", "1234", "abcd", "placeholder"].into_iter().any(said)
}

/// Letters and digits mixed, and as many bits a letter as chance has.
fn random_like(value: &[u8]) -> bool {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let hex = value.iter().all(u8::is_ascii_hexdigit);
    let mixed = hex || (value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase));
    let parts = value.split(|b| b"-_/".contains(b)).filter(|p| p.len() > 2).count();
    let least = if hex { 3.2 } else { 4.2 };
    digits >= 3 && letters >= 3 && mixed && (hex || parts <= 3) && varied(value) && entropy(value) >= least
}

/// Bits a letter.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = BTreeMap::<u8, u32>::new();
    bytes.iter().for_each(|b| *counts.entry(*b).or_default() += 1);
    let all = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX).max(1));
    counts.values().map(|n| f64::from(*n) / all).map(|p| -p * p.log2()).sum()
}

/// A made-up secret of each kind, of some in two shapes, put together here so that this file holds none.
#[must_use]
pub fn samples() -> Vec<(&'static str, String)> {
    let once = |letters: fn(u8) -> bool, n: usize| -> String {
        let mut out = String::new();
        while out.len() < n {
            let b: [u8; 32] = random::bytes();
            out.extend(
                b.into_iter().map(|b| b & 0x7f).filter(|b| letters(*b) && *b != b'-' && *b != b'_').map(char::from),
            );
        }
        out.truncate(n);
        out
    };
    // Chance spells "xxxx" or "1234" once in some ten thousand draws, and that reads as an example's.
    let draw = |letters, n| loop {
        let out = once(letters, n);
        if varied(out.as_bytes()) {
            break out;
        }
    };
    let made = |rule: &Rule| {
        (rule.name, format!("key {}{}", rule.begins, draw(rule.letters, rule.least.max(20).min(rule.most))))
    };
    let mut all: Vec<(&'static str, String)> = RULES.iter().map(made).collect();
    let line = || draw(alnum, 64);
    let (begin, end) = ("-----BEGIN PRIVATE", "-----END PRIVATE");
    for (end_of_line, indent) in [("\n", ""), ("\r\n", "    ")] {
        let key = [format!("{begin} KEY-----"), line(), line(), format!("{end} KEY-----")];
        all.push((PRIVATE_KEY, key.map(|line| format!("{indent}{line}")).join(end_of_line)));
    }
    all.push((ASSIGNED, format!("db_password = \"{}7aB2cD9\"", draw(alnum, 40))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        find(text.as_bytes(), &[]).into_iter().map(|f| f.rule).collect()
    }

    #[test]
    fn every_kind_is_found_by_its_own_rule() {
        for _ in 0..500 {
            for (rule, text) in samples() {
                assert!(rules(&text).contains(&rule), "{rule}: {text}");
            }
        }
    }

    #[test]
    fn a_value_that_was_not_given_is_counted() {
        let app = manifest::read(include_str!("../../../apps/nordkestrel/app.toml"), "app.toml").unwrap();
        let given = |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), format!("{n}-of-this-machine"))).collect();
        let (found, none) = here(&app, &given(&[]));
        assert!(found.is_empty() && none > 0);
        let all = ["VOUCHSAFE_ROOT_EU", "VOUCHSAFE_SESSION_KEY", "STRIPE_SECRET_KEY", "VOUCHSAFE_SMTP_URL"];
        assert_eq!(here(&app, &given(&all)).1, 0);
        for at in 0..all.len() {
            let mut some = all.to_vec();
            some.remove(at);
            assert_eq!(here(&app, &given(&some)).1, 1, "without {}", all[at]);
        }
        let (found, _) = here(&app, &given(&["VAULT_TOKEN", "VOUCHSAFE_ROOT_EU_NEXT", "META_CLIENT_SECRET"]));
        assert_eq!(found.len(), 3);
        // Too short to be told from other text: as good as not given.
        let short = BTreeMap::from([("STRIPE_SECRET_KEY".to_owned(), "short".to_owned())]);
        assert!(here(&app, &short).0.is_empty());
    }

    #[test]
    fn what_is_no_secret_is_let_pass() {
        for text in [
            "token = \"env:STRIPE_SECRET_KEY\"",
            "let password = read_password_from_the_terminal_of_the_person();",
            "AKIAIOSFODNN7EXAMPLE",
            "secret: \"00000000000000000000000000000000\"",
            "-----BEGIN PRIVATE KEY-----\\n",
            "-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1234567890abcdefgh\n",
            "sha256 = \"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"",
            "ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "the token: a-long-word-with-many-parts-in-it-2026-11-22",
        ] {
            assert_eq!(rules(text), Vec::<&str>::new(), "{text}");
        }
    }

    #[test]
    fn a_live_value_is_found_in_every_form() {
        let value = random::hex(32);
        let forms = forms(&value);
        assert!((4..=6).contains(&forms.len()));
        for form in &forms {
            let text = format!("x{}y", form.text());
            assert!(find(text.as_bytes(), &forms).iter().any(|f| f.rule == VALUE), "{}", form.text());
        }
        assert!(super::forms("hunter2").is_empty());
        let found = find(value.as_bytes(), &forms);
        assert!(found.iter().all(|f| f.hash.len() == 64 && !f.hash.contains(&value)));
    }
}
