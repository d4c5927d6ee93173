//! Markup that people write, and texts that pages show.

use manifest::{Field, Kind};
use serde_json::{Value, json};

use super::{
    input::{escaped, refused},
    probe,
};
use crate::{
    act::records,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    pick,
    plan::Probe,
    random,
    run::Scene,
    wire::Ask,
};

pub(super) const PROBES: &[Probe] =
    &[probe!("edge.sanitise", Together, sanitise), probe!("edge.output_escape", Together, output_escape)];

/// Markup that runs something somewhere.
const HOSTILE: [&str; 22] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)></svg>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>",
    "<a href=\" jAvAsCrIpT:alert(1)\">x</a>",
    "<iframe src=\"javascript:alert(1)\"></iframe>",
    "<object data=\"data:text/html,<script>1</script>\"></object>",
    "<embed src=\"x\">",
    "<form action=\"https://evil.example\"><input name=a></form>",
    "<style>*{background:url(javascript:alert(1))}</style>",
    "<p style=\"background:url(javascript:1)\">x</p>",
    "<math><mtext></p><img src=x onerror=1></math>",
    "<svg><script>alert(1)</script></svg>",
    "<a href=\"data:text/html,<script>1</script>\">x</a>",
    "<a href=\"vbscript:x\">x</a>",
    "<base href=\"https://evil.example/\">",
    "<meta http-equiv=refresh content=\"0;url=javascript:1\">",
    "<details open ontoggle=alert(1)>x</details>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
    "<a href=\"java\tscript:alert(1)\">x</a>",
    "<template><script>1</script></template>",
];

/// With numeric character references resolved, as a browser reads attribute values.
fn plain(html: &str) -> String {
    let mut pieces = html.split("&#");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once(';').unwrap_or((piece, ""));
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        };
        // A resolved `<` begins no tag.
        match code.and_then(char::from_u32).filter(|c| *c != '<') {
            Some(c) => out.push(c),
            None => out.push_str("&ref;"),
        }
        out.push_str(rest);
    }
    out
}

/// What must not be in a text that a browser will be given as markup.
fn runs(html: &str) -> Option<&'static str> {
    let lower: String = plain(html).to_ascii_lowercase().chars().filter(|c| !c.is_control()).collect();
    let tags = [
        "<script",
        "<iframe",
        "<object",
        "<embed",
        "<svg",
        "<math",
        "<style",
        "<form",
        "<base",
        "<meta",
        "<template",
        "<noscript",
        "<link",
    ];
    if let Some(tag) = tags.into_iter().find(|t| lower.contains(t)) {
        return Some(tag);
    }
    let mut rest = lower.as_str();
    while let Some(at) = rest.find('<') {
        let tag = rest.get(at..).and_then(|t| t.split('>').next()).unwrap_or_default();
        if tag.split([' ', '/']).any(|attribute| attribute.starts_with("on") && attribute.contains('=')) {
            return Some("an event handler");
        }
        let bare: String = tag.chars().filter(|c| !c.is_whitespace()).collect();
        if ["=\"javascript:", "=javascript:", "='javascript:", "=\"vbscript:", "=\"data:text", "style="]
            .iter()
            .any(|u| bare.contains(u))
        {
            return Some("an address that runs");
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    None
}

/// The collections with rich text that the prober can make, with that field.
fn rich(scene: &Scene) -> Vec<(usize, &Field)> {
    let of = |at: usize| {
        let fields = scene.app.collections.get(at).map(|c| c.fields.as_slice()).unwrap_or_default();
        fields.iter().find(|f| f.kind == Kind::RichText && pick::settable(f)).map(|f| (at, f))
    };
    pick::makeable(&scene.app).into_iter().filter_map(of).collect()
}

async fn sanitise(scene: &Scene) -> Outcome {
    let fields = rich(scene);
    if fields.is_empty() {
        return Err(Miss::Absent("the app has no rich text"));
    }
    let a = &scene.stage.lone_canary().await?;
    let token = scene.stage.token(a, a.owner()?).await?;
    let (mut stored, mut refusals) = (0, 0);
    for (at, field) in fields.iter().take(2) {
        let links = scene.links(a, *at).await?;
        let made = scene.insert(a, a.owner()?, *at, &links, &[], None).await?;
        let mut tag = made.etag.clone();
        for html in HOSTILE {
            let client = scene.stage.at(a);
            let body = json!({field.id: format!("<p>before</p>{html}<p>after</p>")});
            let answer =
                client.send(Ask::patch(made.path(), &body).bearer(&token).header("if-match", &tag)).await?.decided()?;
            if !answer.good() {
                refused("storing hostile markup", &answer)?;
                refusals += 1;
                continue;
            }
            tag = answer.header("etag").map_or(tag, str::to_owned);
            for page in [answer, client.send(Ask::get(made.path()).bearer(&token)).await?.decided()?] {
                let back = page.json().get(field.id).and_then(Value::as_str).unwrap_or_default().to_owned();
                if let Some(what) = runs(&back) {
                    return broken(
                        format!("storing hostile markup in {}.{} by a change", made.collection, field.id),
                        "nothing that runs comes back",
                        what,
                    );
                }
            }
            stored += 1;
        }
        let good = "<p>Hello <strong>bold</strong> <em>thin</em> <a href=\"https://canary.example/x\">link</a></p>";
        let answer = scene
            .stage
            .at(a)
            .send(Ask::patch(made.path(), &json!({field.id: good})).bearer(&token).header("if-match", &tag))
            .await?
            .decided()?
            .step("allowed markup")?;
        let back = answer.json().get(field.id).and_then(Value::as_str).unwrap_or_default().to_owned();
        if !["<strong>bold</strong>", "<em>thin</em>", "https://canary.example/x"]
            .iter()
            .all(|part| back.contains(part))
        {
            return broken("storing allowed tags", "unchanged", "some were lost");
        }
        stored += imported(scene, a, *at, field, &links).await?;
    }
    if stored + refusals == 0 {
        return unclear("no rich text could be written");
    }
    let mut shown = 0;
    for (at, field) in fields.iter().take(2) {
        shown += displayed(scene, a, *at, field).await?;
    }
    Ok(Evidence::new()
        .count("hostile texts made harmless when written", stored)
        .count("refused", refusals)
        .count("displays of planted ones made harmless", shown)
        .word("second pass", "holds with the first and the policy off"))
}

/// What stands between two marks of a text that was shown; nothing when the first is missing.
fn between<'t>(text: &'t str, first: &str, last: &str) -> Option<&'t str> {
    let rest = text.split_once(first)?.1;
    Some(rest.split_once(last).map_or_else(|| rest.split("</div>").next().unwrap_or(rest), |(inner, _)| inner))
}

/// The second half: hostile markup is put where it is stored, past the first pass, and read back by every way there is.
async fn displayed(scene: &Scene, a: &crate::stage::Tenant, at: usize, field: &Field) -> Result<usize, Miss> {
    let token = scene.stage.token(a, a.owner()?).await?;
    let links = scene.links(a, at).await?;
    let made = scene.insert(a, a.owner()?, at, &links, &[], None).await?;
    let console = format!("/console/collections/{}", made.collection);
    let mut ways =
        vec![made.path(), format!("{}?limit=200", records(made.collection)), format!("{console}/{}", made.id), console];
    let export = format!("{}/export", records(made.collection));
    if scene.stage.openapi(a).await?.has("GET", &export) {
        ways.push(format!("{export}?format=json"));
    }
    let (mut shown, mut as_page) = (0, 0);
    for (n, html) in HOSTILE.iter().enumerate() {
        let tag = random::hex(4);
        let (first, last) = (format!("first{tag}"), format!("last{tag}"));
        let planted = format!("<p>{first}</p>{html}<p>{last}</p>");
        super::plant::put(scene, a, made.collection, field.id, &made.id, &planted).await?;
        // Exports have a small budget: the first sample stands for all.
        for way in ways.iter().filter(|way| n == 0 || !way.contains("/export")) {
            let answer =
                scene.stage.at(a).send(Ask::get(way.clone()).bearer(&token).header("accept", "text/html, */*")).await?;
            let answer = answer.decided()?.step("reading a planted text")?;
            let page = answer.header("content-type").is_some_and(|t| t.starts_with("text/html"));
            let text = answer.page();
            let text = if page { text } else { text.replace("\\\"", "\"").replace("\\u003c", "<") };
            let Some(inner) = between(&text, &first, &last) else { continue };
            if let Some(what) = runs(inner) {
                let did = format!(
                    "showing markup planted in {}.{} on {}",
                    made.collection,
                    field.id,
                    if page { "a page" } else { "the API" }
                );
                return broken(did, "nothing that runs", what);
            }
            shown += 1;
            as_page += usize::from(page);
        }
    }
    if as_page == 0 {
        return Err(Miss::Unbuilt("harmless when written; no page shows rich text yet"));
    }
    Ok(shown)
}

/// The same through an import.
async fn imported(
    scene: &Scene,
    tenant: &crate::stage::Tenant,
    at: usize,
    field: &Field,
    links: &pick::Links,
) -> Result<usize, Miss> {
    let Some(collection) = scene.app.collections.get(at) else { return Ok(0) };
    let path = format!("{}/import", records(collection.id));
    if !scene.stage.openapi(tenant).await?.has("POST", &path) {
        return Ok(0);
    }
    let mut lines = String::new();
    for html in HOSTILE {
        let mut body = scene.body(at, links, &[])?;
        body.insert(field.id.to_owned(), html.into());
        lines.push_str(&format!("{}\n", json!(body)));
    }
    let token = scene.stage.token(tenant, tenant.owner()?).await?;
    let ask = Ask::new("POST", path).bytes("application/x-ndjson", lines.into_bytes()).bearer(&token);
    let answer = scene.stage.at(tenant).send(ask).await?.decided()?;
    if !answer.good() {
        refused("importing hostile markup", &answer)?;
        return Ok(0);
    }
    let list =
        scene.read(tenant, tenant.owner()?, &format!("{}?limit=200", records(collection.id))).await?.decided()?.json();
    let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    for item in &items {
        if let Some(what) = runs(item.get(field.id).and_then(Value::as_str).unwrap_or_default()) {
            return broken(
                format!("importing hostile markup into {}.{}", collection.id, field.id),
                "nothing that runs comes back",
                what,
            );
        }
    }
    Ok(HOSTILE.len())
}

async fn output_escape(scene: &Scene) -> Outcome {
    let tenant = scene.stage.lone_canary().await?;
    let token = scene.stage.token(&tenant, tenant.owner()?).await?;
    let marker = random::hex(4);
    let hostile = format!("<script>x{marker}</script>\"'><img src=x>&{marker}");
    let ask = Ask::patch("/api/v1/tenant", &json!({"name": hostile})).bearer(&token);
    let named = scene.stage.at(&tenant).send(ask).await?.decided()?;
    let clients = [scene.stage.at(&tenant), scene.stage.gate(&tenant)];
    let (mut pages, mut shown) = (0, 0);
    // A record whose texts are hostile, on every page that shows it.
    let (at, field) = scene.carrier()?;
    let made = scene.make(&tenant, at, Some((field, &hostile))).await?;
    let all = format!("/console/collections/{}", made.collection);
    let own = [
        all.clone(),
        format!("{all}/{}", made.id),
        format!("{all}/{}/edit", made.id),
        format!("{all}/{}/delete", made.id),
    ];
    let query = escaped(&hostile);
    let paths = [
        "/",
        "/sign-in",
        "/console",
        "/trust",
        "/invitation?token=",
        "/auth/verify?token=",
        "/auth/reset?token=",
        "/auth/magic?token=",
        "/dev/mail",
        "/console/account",
        "/console/people",
        "/console/history",
        "/console/settings",
        "/forgot",
        "/sign-up",
    ];
    for path in paths.into_iter().chain(own.iter().map(String::as_str)) {
        let path = if path.ends_with('=') { format!("{path}{query}") } else { path.to_owned() };
        for client in &clients {
            for cookie in ["", token.as_str()] {
                let ask =
                    if cookie.is_empty() { Ask::get(path.clone()) } else { Ask::get(path.clone()).cookie(cookie) };
                let answer = client.send(ask).await?.decided()?;
                let page = answer.page();
                if !answer.header("content-type").is_some_and(|t| t.starts_with("text/html")) {
                    continue;
                }
                pages += 1;
                shown += usize::from(page.contains(&marker));
                if page.contains(&format!("<script>x{marker}")) || page.contains("\"'><img src=x>") {
                    return broken(
                        format!("GET {}", path.split('?').next().unwrap_or_default()),
                        "script text escaped",
                        "raw",
                    );
                }
            }
        }
    }
    if pages == 0 {
        return Err(Miss::Unbuilt("no page is served yet"));
    }
    if shown == 0 && named.good() {
        return Err(Miss::Unbuilt("no page shows a text that people write yet"));
    }
    Ok(Evidence::new().count("pages", pages).count("of them showing the text, escaped", shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_told_from_what_does_not() {
        for html in HOSTILE.iter().filter(|h| !h.contains("embed")) {
            assert!(runs(html).is_some() || !html.contains("alert"), "{html}");
        }
        for html in ["<p>on=1 javascript: is a word</p>", "&lt;script&gt;", "<a href=\"https://x.example/on\">x</a>"] {
            assert_eq!(runs(html), None, "{html}");
        }
    }
}
