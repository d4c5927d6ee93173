//! What a page says and where.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use manifest::{App, CheckKind, Page};

const APP: &str = r#"
[app]
name = "A <b> & Co"
id = "probe"
[tenant]
noun = "shop"
[roles]
owner.floor = "all"
sales_rep = { label = "Sales Rep", floor = {} }
[limits]
orders = ["12/min per ip", "300/15 min per tenant"]
[secrets]
mail = { from = "env:SMTP", max_age = "365 days" }
[page]
reviewed = 2026-05-02
"#;

fn app() -> App {
    manifest::read(APP, "app.toml").unwrap_or_else(|f| panic!("\n{}", manifest::render(&f, false)))
}

fn page(text: &str) -> Page {
    manifest::page(text, "security.md", &app()).unwrap_or_else(|f| panic!("\n{}", manifest::render(&f, false)))
}

fn words(text: &str) -> String {
    page(&format!("{text} [a](#edge.tls)")).claims.first().unwrap().text(&|_| None)
}

#[test]
fn figures_print_like_speech() {
    assert_eq!(
        words("Kept for {audit.retention}, locked for {auth.lockout.for}."),
        "Kept for 12 months, locked for 15 minutes."
    );
    assert_eq!(words("{roles.count} roles: {roles}."), "2 roles: Owner and Sales Rep.");
    assert_eq!(words("{limits.orders}"), "12 a minute per address and 300 in 15 minutes per shop");
    assert_eq!(
        words("{keys.caps.month} calls, {edge.flood.body}, ports {edge.ports}"),
        "100,000 calls, 10 MB, ports 80 and 443"
    );
    assert_eq!(words("We hold {attest.certifications}; seen {page.reviewed}"), "We hold none; seen 2 May 2026");
    assert_eq!(words("No `{tenant.key}`, no `{other}`"), "No shop_id, no {other}");
    assert_eq!(
        words("Build {live.build}, key {live.secret_age.mail} old"),
        "Build {live.build}, key {live.secret_age.mail} old"
    );
}

#[test]
fn a_mark_binds_back_to_the_mark_before() {
    let page = page(
        "# T\n\n## On the wire\n\nOne thing, [a](#edge.tls) and\nanother. [b](#edge.tls,vault.at_rest_db)\n\n- Third [c](#gov.legal_docs).\n- Fourth [d](#edge.hsts \"attested, 92 days\")\n",
    );
    let told: Vec<(&str, String, CheckKind)> =
        page.claims.iter().map(|c| (c.id.as_str(), c.text(&|_| None), c.kind)).collect();
    assert_eq!(told[0], ("a", "One thing,".to_owned(), CheckKind::Probed));
    assert_eq!(told[1], ("b", "and another.".to_owned(), CheckKind::Enforced));
    assert_eq!(told[2], ("c", "Third".to_owned(), CheckKind::Attested));
    assert_eq!(told[3].2, CheckKind::Attested);
    assert_eq!(page.claims[3].max_age.unwrap().0, 92 * 86_400_000);
    assert_eq!((page.claims[1].section.as_str(), page.claims[1].line), ("On the wire", 6));
}

#[test]
fn quotes_that_sound_like_promises_warn() {
    let page = page("> We never sleep, for {verify.every}.\n\n> Calm.\n\nFine. [a](#edge.tls)");
    assert_eq!(page.warnings.len(), 1);
    assert!(page.warnings.first().unwrap().message.contains("`never`"));
}

#[test]
fn html_is_escaped_and_markdown_reads_back() {
    let text = "# {app.name}\n\nAsk *us* at [our page](/x?a=1&b=\"2). Build {live.build}. [a](#edge.tls)\n\n| A | B |\n| - | - |\n| one [b](#edge.tls) | two [c](#edge.csp) |\n";
    let page = page(text);
    let html = manifest::page::html(&page, &|name| Some(format!("<{name}>")));
    assert!(html.contains("<h1>A &lt;b&gt; &amp; Co</h1>"), "{html}");
    assert!(html.contains("href=\"/x?a=1&amp;b=&quot;2\"") && html.contains("&lt;build&gt;"), "{html}");
    assert!(html.contains("<thead><tr><th>A</th>") && html.contains("<td>one "), "{html}");
    let printed = manifest::page::markdown(&page, &|_| Some("4f9c".into()));
    assert!(printed.starts_with("# A \\<b> & Co\n\nAsk *us* at [our page]"), "{printed}");
    assert!(printed.contains("Build 4f9c. [a](#edge.tls)") && printed.contains("| one [b](#edge.tls) |"), "{printed}");
}
