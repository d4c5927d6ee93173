//! What comes in: shapes, queries, markup, card numbers.

use manifest::{Collection, Field, Kind};
use serde_json::{Map, Value, json};

use super::probe;
use crate::{
    act::records,
    copy,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    pick,
    plan::Probe,
    random,
    run::Scene,
    wire::{Answer, Ask},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("edge.input_validation", Together, input_validation),
    probe!("edge.parameterised", Together, parameterised),
    probe!("edge.sanitise", Together, sanitise),
    probe!("edge.output_escape", Together, output_escape),
    probe!("pay.no_card_data", Together, no_card_data),
];

/// Refused with a 4xx, never a 5xx.
fn refused(did: &str, answer: &Answer) -> Result<(), Miss> {
    if (400..500).contains(&answer.status) { Ok(()) } else { broken(did, "4xx", format!("{}", answer.status)) }
}

async fn input_validation(scene: &Scene) -> Outcome {
    let a = &scene.a;
    let owner = a.owner()?;
    let token = scene.stage.token(a, owner).await?;
    let (mut fields, mut shapes) = (0, 0);
    for at in pick::makeable(&scene.app) {
        let Some(collection) = scene.app.collections.get(at) else { continue };
        let links = scene.links(a, at).await?;
        let client = scene.stage.at(a);
        let body = scene.body(at, &links, &[])?;
        for (name, value) in wrong(collection) {
            let mut body = body.clone();
            body.insert(name.clone(), value);
            let answer = client.send(Ask::post(records(collection.id), &json!(body)).bearer(&token)).await?.decided()?;
            let did = format!("creating in {} with a wrong `{name}`", collection.id);
            refused(&did, &answer)?;
            let errors = answer.json().get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
            if !errors.iter().any(|e| e.get("field").and_then(Value::as_str).is_some_and(|f| f.starts_with(&name))) {
                return broken(did, "an error that names the field", format!("{} without it", answer.status));
            }
            fields += 1;
        }
        if shapes == 0 {
            for (what, kind, bytes) in hostile(&body) {
                let ask = Ask::new("POST", records(collection.id)).bytes(kind, bytes).bearer(&token);
                refused(what, &client.send(ask).await?.decided()?)?;
                shapes += 1;
            }
        }
    }
    let next = scene.stage.at(a).send(Ask::get("/api/v1/me").bearer(&token)).await?.decided()?;
    if !next.good() {
        return broken("an ordinary call afterwards", "200", format!("{}", next.status));
    }
    Ok(Evidence::new().count("wrong fields refused by name", fields).count("hostile bodies refused", shapes).count("answers of 5xx", 0))
}

/// Wrong values for the fields of a collection, and fields that must not be given.
fn wrong(collection: &Collection) -> Vec<(String, Value)> {
    let mut out = vec![("no_such_field".to_owned(), json!("x")), ("created_by".to_owned(), json!("x")), ("version".to_owned(), json!(7))];
    for field in &collection.fields {
        let value = match &field.kind {
            _ if !pick::settable(field) => json!("1"),
            Kind::Text if field.many => json!("not a list"),
            Kind::Text if field.pattern.is_some() => json!("\u{7}~ no match \u{7}~"),
            Kind::Text => field.max.map_or(json!(7), |m| json!("x".repeat(usize::try_from(m).unwrap_or(0) + 1))),
            Kind::RichText | Kind::Secret => json!(7),
            Kind::Integer => json!(1.5),
            Kind::Decimal | Kind::Boolean => json!("not one"),
            Kind::Money => json!("12.50 XXX"),
            Kind::Date => json!("2026-02-30"),
            Kind::DateTime => json!("yesterday"),
            Kind::Enum(_) => json!(if field.many { json!(["no-such-value"]) } else { json!("no-such-value") }),
            Kind::Email => json!("not an address"),
            Kind::Url => json!("javascript:alert(1)"),
            Kind::Reference { .. } => json!("not-an-id"),
            Kind::Json | Kind::File { .. } => continue,
        };
        out.push((field.id.to_owned(), value));
    }
    out
}

fn hostile(body: &Map<String, Value>) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let good = json!(body).to_string();
    let inner = good.strip_prefix('{').unwrap_or_default().to_owned();
    let many: Map<String, Value> = (0..10_000).map(|n| (format!("f{n}"), json!(n))).collect();
    let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let first = body.iter().next().map(|(k, v)| format!("{}:{v},", json!(k))).unwrap_or_default();
    vec![
        ("a body cut in half", "application/json", good.as_bytes().get(..good.len() / 2).unwrap_or_default().to_vec()),
        ("a body that is a list", "application/json", b"[1,2]".to_vec()),
        ("a body that is nothing", "application/json", Vec::new()),
        ("a number that is not one", "application/json", format!("{{\"no_such\":NaN,{inner}").into_bytes()),
        ("10,000 members", "application/json", json!(many).to_string().into_bytes()),
        ("5,000 levels", "application/json", deep.into_bytes()),
        ("bad UTF-8", "application/json", [b"{\"a\":\"\xff\xfe\",".as_slice(), inner.as_bytes()].concat()),
        ("a member given twice", "application/json", format!("{{{first}{inner}").into_bytes()),
        ("another content type", "text/plain", good.clone().into_bytes()),
        ("text after the object", "application/json", format!("{good}{{}}").into_bytes()),
    ]
}

/// Texts that mean something to a database.
const INJECTIONS: [&str; 14] = [
    "' OR '1'='1", "'; DROP TABLE _leaf; --", "\" OR \"\"=\"", "1) OR (1=1", "x' UNION SELECT 1,2,3 --", "') OR 1=1 /*", "\\'; SELECT pg_sleep(5); --",
    "%", "_", "$1", "?1", ":a", "@a", "{rows}",
];

fn escaped(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

async fn parameterised(scene: &Scene) -> Outcome {
    let a = &scene.stage.lone_canary().await?;
    let token = scene.stage.token(a, a.owner()?).await?;
    let (at, field) = scene.carrier()?;
    let made = scene.make(a, at, Some((field, "ordinary"))).await?;
    let (base, client) = (records(made.collection), scene.stage.at(a));
    let mut values = 0;
    for text in INJECTIONS {
        // As a value it is a value: stored, found by itself, and by nothing else.
        let row = scene.make(a, at, Some((field, text))).await?;
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let filter = escaped(&format!("{field} = \"{quoted}\""));
        let answer = client.send(Ask::get(format!("{base}?filter={filter}&limit=200")).bearer(&token)).await?.decided()?;
        let items = answer.json().get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let right = items.len() == 1 && items.iter().all(|i| i.get(field).and_then(Value::as_str) == Some(text));
        if answer.status >= 500 || (answer.good() && !right) {
            return broken("filtering by a text full of SQL", "the one row that holds it", format!("{} with {} rows", answer.status, items.len()));
        }
        let back = client.send(Ask::get(row.path()).bearer(&token)).await?.decided()?.json();
        if back.get(field).and_then(Value::as_str) != Some(text) {
            return broken("storing a text full of SQL", "the same text back", "another");
        }
        values += 1;
    }
    let mut names = 0;
    for text in INJECTIONS.iter().chain(["id; DROP TABLE x", "(SELECT 1)", "rowid", "tenant_id", "password"].iter()) {
        let text = escaped(text);
        for query in [format!("sort={text}"), format!("fields={text}"), format!("filter={text}%20%3D%201"), format!("limit={text}"), format!("cursor={text}"), format!("{text}=1"), format!("filter={field}%20{text}%201")] {
            let answer = client.send(Ask::get(format!("{base}?{query}")).bearer(&token)).await?.decided()?;
            names += 1;
            refused("a name, operator or cursor full of SQL in a query", &answer)?;
        }
        if names % 70 == 0 && !client.send(Ask::get(made.path()).bearer(&token)).await?.decided()?.good() {
            return broken("the ordinary record afterwards", "still there", "gone");
        }
    }
    for text in INJECTIONS {
        let answer = client.send(Ask::get(format!("{base}/{}", escaped(text))).bearer(&token)).await?.decided()?;
        refused("an id full of SQL", &answer)?;
        names += 1;
    }
    if !client.send(Ask::get(made.path()).bearer(&token)).await?.decided()?.good() {
        return broken("the ordinary record afterwards", "still there", "gone");
    }
    Ok(Evidence::new().count("values taken as values", values).count("names, operators, cursors and ids refused", names))
}

/// Markup that runs something somewhere.
const HOSTILE: [&str; 22] = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)></svg>", "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>", "<a href=\" jAvAsCrIpT:alert(1)\">x</a>", "<iframe src=\"javascript:alert(1)\"></iframe>",
    "<object data=\"data:text/html,<script>1</script>\"></object>", "<embed src=\"x\">", "<form action=\"https://evil.example\"><input name=a></form>",
    "<style>*{background:url(javascript:alert(1))}</style>", "<p style=\"background:url(javascript:1)\">x</p>", "<math><mtext></p><img src=x onerror=1></math>",
    "<svg><script>alert(1)</script></svg>", "<a href=\"data:text/html,<script>1</script>\">x</a>", "<a href=\"vbscript:x\">x</a>", "<base href=\"https://evil.example/\">",
    "<meta http-equiv=refresh content=\"0;url=javascript:1\">", "<details open ontoggle=alert(1)>x</details>", "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
    "<a href=\"java\tscript:alert(1)\">x</a>", "<template><script>1</script></template>",
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
    let tags = ["<script", "<iframe", "<object", "<embed", "<svg", "<math", "<style", "<form", "<base", "<meta", "<template", "<noscript", "<link"];
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
        if ["=\"javascript:", "=javascript:", "='javascript:", "=\"vbscript:", "=\"data:text", "style="].iter().any(|u| bare.contains(u)) {
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
            let answer = client.send(Ask::patch(made.path(), &body).bearer(&token).header("if-match", &tag)).await?.decided()?;
            if !answer.good() {
                refused("storing hostile markup", &answer)?;
                refusals += 1;
                continue;
            }
            tag = answer.header("etag").map_or(tag, str::to_owned);
            for page in [answer, client.send(Ask::get(made.path()).bearer(&token)).await?.decided()?] {
                let back = page.json().get(field.id).and_then(Value::as_str).unwrap_or_default().to_owned();
                if let Some(what) = runs(&back) {
                    return broken(format!("storing hostile markup in {}.{} by a change", made.collection, field.id), "nothing that runs comes back", what);
                }
            }
            stored += 1;
        }
        let good = "<p>Hello <strong>bold</strong> <em>thin</em> <a href=\"https://canary.example/x\">link</a></p>";
        let answer = scene.stage.at(a).send(Ask::patch(made.path(), &json!({field.id: good})).bearer(&token).header("if-match", &tag)).await?.decided()?.step("allowed markup")?;
        let back = answer.json().get(field.id).and_then(Value::as_str).unwrap_or_default().to_owned();
        if !["<strong>bold</strong>", "<em>thin</em>", "https://canary.example/x"].iter().all(|part| back.contains(part)) {
            return broken("storing allowed tags", "unchanged", "some were lost");
        }
        stored += imported(scene, a, *at, field, &links).await?;
    }
    // The second half, sanitising again at display, is shown where the first is off and a browser looks: in CI.
    Ok(Evidence::new().count("hostile texts made harmless", stored).count("refused", refusals).word("allowed tags", "unchanged"))
}

/// The same through an import.
async fn imported(scene: &Scene, tenant: &crate::stage::Tenant, at: usize, field: &Field, links: &pick::Links) -> Result<usize, Miss> {
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
    let list = scene.read(tenant, tenant.owner()?, &format!("{}?limit=200", records(collection.id))).await?.decided()?.json();
    let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    for item in &items {
        if let Some(what) = runs(item.get(field.id).and_then(Value::as_str).unwrap_or_default()) {
            return broken(format!("importing hostile markup into {}.{}", collection.id, field.id), "nothing that runs comes back", what);
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
    let query = escaped(&hostile);
    let paths = ["/", "/sign-in", "/console", "/trust", "/invitation?token=", "/auth/verify?token=", "/auth/reset?token=", "/auth/magic?token=", "/dev/mail"];
    for path in paths {
        let path = if path.ends_with('=') { format!("{path}{query}") } else { path.to_owned() };
        for client in &clients {
            for cookie in ["", token.as_str()] {
                let ask = if cookie.is_empty() { Ask::get(path.clone()) } else { Ask::get(path.clone()).cookie(cookie) };
                let answer = client.send(ask).await?.decided()?;
                let page = answer.page();
                if !answer.header("content-type").is_some_and(|t| t.starts_with("text/html")) {
                    continue;
                }
                pages += 1;
                shown += usize::from(page.contains(&marker));
                if page.contains(&format!("<script>x{marker}")) || page.contains("\"'><img src=x>") {
                    return broken(format!("GET {}", path.split('?').next().unwrap_or_default()), "script text escaped", "raw");
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

/// Test numbers of the networks: they pass Luhn and lie in real ranges.
const CARDS: [&str; 6] = ["4242424242424242", "5555555555554444", "378282246310005", "6011111111111117", "3056930009020004", "2223003122003222"];

fn written(card: &str) -> [String; 3] {
    let groups = |by: &str| {
        let parts: Vec<String> = card.as_bytes().chunks(4).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
        parts.join(by)
    };
    [card.to_owned(), groups(" "), groups("-")]
}

async fn no_card_data(scene: &Scene) -> Outcome {
    let a = &scene.stage.lone_canary().await?;
    let token = scene.stage.token(a, a.owner()?).await?;
    let (mut tried, mut fields) = (0, 0);
    for at in pick::makeable(&scene.app) {
        let Some(collection) = scene.app.collections.get(at) else { continue };
        let links = scene.links(a, at).await?;
        let body = scene.body(at, &links, &[])?;
        let texts = collection.fields.iter().filter(|f| pick::settable(f) && matches!(f.kind, Kind::Text | Kind::RichText | Kind::Json | Kind::Url | Kind::Secret | Kind::Email));
        for (i, field) in texts.enumerate() {
            fields += 1;
            let client = scene.stage.at(a);
            let card = CARDS.get((i + at) % CARDS.len()).copied().unwrap_or("4242424242424242");
            for text in written(card) {
                let value = match field.kind {
                    Kind::Json => json!({"note": text}),
                    Kind::Url => json!(format!("https://canary.example/{}", text.replace(' ', "-"))),
                    Kind::Email => json!(format!("{}@canary.example", text.replace(' ', "-"))),
                    _ if field.many => json!([text]),
                    _ => json!(format!("paid with {text}")),
                };
                let mut body = body.clone();
                body.insert(field.id.to_owned(), value);
                let answer = client.send(Ask::post(records(collection.id), &json!(body)).bearer(&token)).await?.decided()?;
                tried += 1;
                let kept = answer.good() && digits(&answer.page()).contains(card);
                if kept || answer.status >= 500 {
                    return broken(format!("a card number in {}.{}", collection.id, field.id), "refused or masked", format!("{}, kept", answer.status));
                }
            }
        }
    }
    let (at, field) = scene.carrier()?;
    tried += elsewhere(scene, a, at, field, &token).await?;
    // A number that passes Luhn and lies in no card range is no card.
    let other = scene.make(a, at, Some((field, "order 1000000000000008"))).await?;
    let back = scene.read(a, a.owner()?, &other.path()).await?.decided()?;
    if !back.page().contains("1000000000000008") {
        return broken("a long number outside card ranges", "kept as it is", "refused or masked");
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let forms: Vec<Vec<u8>> = CARDS.iter().flat_map(|c| written(c)).map(String::into_bytes).collect();
    let instance = &scene.stage.instance;
    let (found, files) = copy::search(instance.data(), forms.clone()).await?;
    let (log, err) = instance.logs();
    let said = CARDS.iter().flat_map(|c| written(c)).filter(|t| log.contains(t.as_str()) || err.contains(t.as_str())).count();
    if !found.is_empty() || said > 0 {
        return broken("searching every file and log for the numbers", "0 hits", format!("{} files, {said} in logs", found.len()));
    }
    Ok(Evidence::new().count("fields", fields).count("card numbers refused or masked", tried).count("files searched", files).count("hits on disk or in logs", 0))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// In a query, in an import, as a file's name, in headers, and where nobody is signed in.
async fn elsewhere(scene: &Scene, a: &crate::stage::Tenant, at: usize, field: &str, token: &str) -> Result<usize, Miss> {
    let card = "4242424242424242";
    let Some(collection) = scene.app.collections.get(at) else { return Ok(0) };
    let (base, client) = (records(collection.id), scene.stage.at(a));
    let filter = escaped(&format!("{field} = \"{card}\""));
    let mut row = scene.body(at, &scene.links(a, at).await?, &[])?;
    row.insert(field.to_owned(), card.into());
    let asks = [
        Ask::get(format!("{base}?filter={filter}")).bearer(token),
        Ask::get(format!("{base}?cursor={card}")).bearer(token),
        Ask::new("POST", format!("{base}/import")).bytes("application/x-ndjson", format!("{}\n", json!(row)).into_bytes()).bearer(token),
        Ask::get(format!("/no/{card}")),
        Ask::get("/healthz").header("x-card", card).header("user-agent", card),
        Ask::post("/api/v1/auth/sign-in", &json!({"email": format!("{card}@canary.example"), "password": card})),
        Ask::post(format!("/api/v1/collections/{}/files/x?name={card}.png", collection.id), &json!({})).bearer(token),
    ];
    let n = asks.len();
    for ask in asks {
        let answer = client.send(ask).await?;
        if answer.page().contains(card) {
            return broken("a card number in a query, import, path or header", "not echoed", format!("echoed with {}", answer.status));
        }
    }
    let list = scene.read(a, a.owner()?, &format!("{base}?limit=200")).await?.decided()?;
    if digits(&list.page()).contains(card) { broken("importing a card number", "refused or masked", "kept") } else { Ok(n) }
}

/// Whether the app's own pages have a place for a card number. None is the promise.
pub(super) async fn card_inputs(scene: &Scene) -> Result<usize, Miss> {
    let client = scene.stage.gate(&scene.a);
    let mut pages = 0;
    for path in ["/", "/sign-in", "/console", "/checkout", "/trust"] {
        let answer = client.send(Ask::get(path)).await?.decided()?;
        let page = answer.page().to_ascii_lowercase();
        if !answer.header("content-type").is_some_and(|t| t.starts_with("text/html")) {
            continue;
        }
        pages += 1;
        if ["cc-number", "cc-csc", "card_number", "cardnumber", "card-number", "cvc", "iban"].iter().any(|n| page.contains(&format!("\"{n}\""))) {
            return broken(format!("reading {path}"), "no field for a card or bank account", "one");
        }
    }
    if pages == 0 { unclear("no page was served") } else { Ok(pages) }
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
        assert_eq!(written("378282246310005")[1], "3782 8224 6310 005");
        assert_eq!(escaped("a b"), "a%20b");
    }
}
