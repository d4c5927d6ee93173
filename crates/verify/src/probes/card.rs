//! Card numbers, wherever one can type.

use manifest::Kind;
use serde_json::json;

use super::{input::escaped, probe};
use crate::{
    act::records,
    copy,
    disk::Disk,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    pick,
    plan::Probe,
    run::Scene,
    wire::Ask,
};

pub(super) const PROBES: &[Probe] = &[probe!("pay.no_card_data", Together, no_card_data)];

/// Test numbers of the networks: they pass Luhn and lie in real ranges.
const CARDS: [&str; 6] = [
    "4242424242424242",
    "5555555555554444",
    "378282246310005",
    "6011111111111117",
    "3056930009020004",
    "2223003122003222",
];

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
        let texts = collection.fields.iter().filter(|f| {
            pick::settable(f)
                && matches!(f.kind, Kind::Text | Kind::RichText | Kind::Json | Kind::Url | Kind::Secret | Kind::Email)
        });
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
                let answer =
                    client.send(Ask::post(records(collection.id), &json!(body)).bearer(&token)).await?.decided()?;
                tried += 1;
                // What is never told nobody can see masked: it must be refused.
                let kept = answer.good() && (field.kind == Kind::Secret || digits(&answer.page()).contains(card));
                if kept || answer.status >= 500 {
                    return broken(
                        format!("a card number in {}.{}", collection.id, field.id),
                        "refused or masked",
                        format!("{}, kept", answer.status),
                    );
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
    let (found, files) = copy::search(&Disk::of(instance), forms.clone()).await?;
    let (log, err) = instance.logs();
    let said =
        CARDS.iter().flat_map(|c| written(c)).filter(|t| log.contains(t.as_str()) || err.contains(t.as_str())).count();
    if !found.is_empty() || said > 0 {
        return broken(
            "searching every file and log for the numbers",
            "0 hits",
            format!("{} files, {said} in logs", found.len()),
        );
    }
    Ok(Evidence::new()
        .count("fields", fields)
        .count("card numbers refused or masked", tried)
        .count("files searched", files)
        .count("hits on disk or in logs", 0))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// In a query, in an import, as a file's name, in headers, and where nobody is signed in.
async fn elsewhere(
    scene: &Scene,
    a: &crate::stage::Tenant,
    at: usize,
    field: &str,
    token: &str,
) -> Result<usize, Miss> {
    let card = "4242424242424242";
    let Some(collection) = scene.app.collections.get(at) else { return Ok(0) };
    let (base, client) = (records(collection.id), scene.stage.at(a));
    let filter = escaped(&format!("{field} = \"{card}\""));
    let mut row = scene.body(at, &scene.links(a, at).await?, &[])?;
    row.insert(field.to_owned(), card.into());
    let asks = [
        Ask::get(format!("{base}?filter={filter}")).bearer(token),
        Ask::get(format!("{base}?cursor={card}")).bearer(token),
        Ask::new("POST", format!("{base}/import"))
            .bytes("application/x-ndjson", format!("{}\n", json!(row)).into_bytes())
            .bearer(token),
        Ask::get(format!("/no/{card}")),
        Ask::get("/healthz").header("x-card", card).header("user-agent", card),
        Ask::post("/api/v1/auth/sign-in", &json!({"email": format!("{card}@canary.example"), "password": card})),
        Ask::post(format!("/api/v1/collections/{}/files/x?name={card}.png", collection.id), &json!({})).bearer(token),
    ];
    let n = asks.len();
    for ask in asks {
        let answer = client.send(ask).await?;
        if answer.page().contains(card) {
            return broken(
                "a card number in a query, import, path or header",
                "not echoed",
                format!("echoed with {}", answer.status),
            );
        }
    }
    let list = scene.read(a, a.owner()?, &format!("{base}?limit=200")).await?.decided()?;
    if digits(&list.page()).contains(card) {
        broken("importing a card number", "refused or masked", "kept")
    } else {
        Ok(n)
    }
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
        if ["cc-number", "cc-csc", "card_number", "cardnumber", "card-number", "cvc", "iban"]
            .iter()
            .any(|n| page.contains(&format!("\"{n}\"")))
        {
            return broken(format!("reading {path}"), "no field for a card or bank account", "one");
        }
    }
    if pages == 0 { unclear("no page was served") } else { Ok(pages) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_do() {
        assert_eq!(written("378282246310005")[1], "3782 8224 6310 005");
        assert_eq!(digits("4242-4242 x"), "42424242");
    }
}
