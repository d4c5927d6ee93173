//! Data on its way out, and files.

use std::collections::BTreeMap;

use manifest::Kind;
use serde_json::Value;

use super::{probe, tenant::unknown_id};
use crate::{
    act::records,
    copy,
    disk::Disk,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    pick,
    plan::Probe,
    random,
    run::Scene,
    stage::Tenant,
    wire::Ask,
};

pub(super) const PROBES: &[Probe] =
    &[probe!("data.export_tenant", Together, export_tenant), probe!("tenant.storage_prefix", Together, storage_prefix)];

/// Exports of one tenant that fit into the smallest common budget.
const PER_TENANT: usize = 4;

async fn export_tenant(scene: &Scene) -> Outcome {
    let makeable = pick::makeable(&scene.app);
    let wanted: Vec<usize> = scene.app.data.export.iter().copied().filter(|at| makeable.contains(at)).collect();
    let formats = &scene.app.data.formats;
    let (mut rows, mut cells) = (0, 0);
    for group in wanted.chunks((PER_TENANT / formats.len().max(1)).max(1)) {
        let tenant = scene.stage.lone_canary().await?;
        for at in group {
            let (r, c) = one(scene, &tenant, *at).await?;
            rows += r;
            cells += c;
        }
    }
    let left = scene.app.data.export.len() - wanted.len();
    Ok(Evidence::new()
        .count("collections", wanted.len())
        .count("formats", formats.len())
        .count("rows", rows)
        .count("cells equal", cells)
        .count("collections the prober cannot fill", left))
}

/// Rows of one collection, compared cell by cell with what the API shows.
async fn one(scene: &Scene, tenant: &Tenant, at: usize) -> Result<(usize, usize), Miss> {
    let Some(collection) = scene.app.collections.get(at) else { return Ok((0, 0)) };
    let links = scene.links(tenant, at).await?;
    let formula = pick::marker_field(collection, 20).map(|f| (f.id, "=1+1,\"x\"\n@y"));
    for n in 0..4 {
        // A second row may be refused where the references allow one only.
        let made = scene.insert(tenant, tenant.owner()?, at, &links, &[], formula.filter(|_| n == 0)).await;
        if n == 0 {
            made?;
        }
    }
    let base = records(collection.id);
    let list = scene.read(tenant, tenant.owner()?, &format!("{base}?limit=200")).await?.decided()?.step("list")?.json();
    let shown: BTreeMap<String, Value> = by_id(list.get("items"));
    let mut cells = 0;
    for format in &scene.app.data.formats {
        let answer = scene
            .read(tenant, tenant.owner()?, &format!("{base}/export?format={format}"))
            .await?
            .decided()?
            .step("export")?;
        let exported = match format.as_str() {
            "json" => by_id(Some(&answer.json())),
            _ => table(&answer.page()),
        };
        if exported.len() != shown.len() || shown.is_empty() {
            return broken(
                format!("exporting {} as {format}", collection.id),
                format!("{} rows", shown.len()),
                format!("{}", exported.len()),
            );
        }
        for (id, record) in &shown {
            let Some(row) = exported.get(id) else {
                return broken(format!("exporting {} as {format}", collection.id), "every row", "one is missing");
            };
            for field in collection.fields.iter().filter(|f| !matches!(f.kind, Kind::Secret | Kind::File { .. })) {
                let (is, was) = (row.get(field.id), record.get(field.id));
                if flat(is) != flat(was) {
                    return broken(
                        format!("exporting {}.{} as {format}", collection.id, field.id),
                        "the value that the API shows",
                        "another",
                    );
                }
                cells += 1;
            }
        }
    }
    Ok((shown.len() * scene.app.data.formats.len(), cells))
}

fn by_id(list: Option<&Value>) -> BTreeMap<String, Value> {
    let items = list.and_then(Value::as_array).cloned().unwrap_or_default();
    items.into_iter().filter_map(|i| Some((i.get("id")?.as_str()?.to_owned(), i))).collect()
}

/// A value as one text, the same for both formats: empty for none.
fn flat(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(n)) => n.as_f64().map_or_else(|| n.to_string(), |f| f.to_string()),
        Some(other) => other.to_string(),
    }
}

/// CSV (RFC 4180) with a header, as records; an apostrophe that neutralised a formula is taken off again.
fn table(text: &str) -> BTreeMap<String, Value> {
    let mut rows = csv(text.trim_start_matches('\u{feff}')).into_iter();
    let head = rows.next().unwrap_or_default();
    let mut out = BTreeMap::new();
    for row in rows {
        let cell = |c: String| match c.strip_prefix('\'') {
            Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest.to_owned(),
            _ => c,
        };
        let record: serde_json::Map<String, Value> =
            head.iter().cloned().zip(row.into_iter().map(|c| typed(&cell(c)))).collect();
        if let Some(id) = record.get("id").and_then(Value::as_str) {
            out.insert(id.to_owned(), Value::Object(record.clone()));
        }
    }
    out
}

/// Numbers, flags and lists are written in CSV as they are in JSON.
fn typed(cell: &str) -> Value {
    match serde_json::from_str::<Value>(cell) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_))) => value,
        _ => Value::from(cell),
    }
}

fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

/// The smallest PNG there is: one pixel.
pub(super) const PNG: [u8; 67] = [
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 0x0D, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1, 8,
    6, 0, 0, 0, 0x1F, 0x15, 0xC4, 0x89, 0, 0, 0, 0x0A, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9C, 0x63, 0, 1, 0, 0, 5, 0, 1,
    0x0D, 0x0A, 0x2D, 0xB4, 0, 0, 0, 0, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82,
];

/// A collection that takes an image and can be made otherwise.
pub(super) fn drawer(scene: &Scene) -> Option<(usize, &'static str, &'static str)> {
    scene.app.collections.iter().enumerate().find_map(|(at, c)| {
        let images = |f: &&manifest::Field| matches!(&f.kind, Kind::File { accept } if accept.iter().any(|a| a == "image/*" || a == "image/png"));
        let field = c.fields.iter().find(images)?;
        let others = c.fields.iter().filter(|f| f.id != field.id && matches!(f.kind, Kind::File { .. })).all(|f| !f.required);
        let plain = pick::required(c).all(|(_, f)| !matches!(f.kind, Kind::Reference { .. }) || pick::chain(&scene.app, at).is_some());
        (others && plain && (!field.required || pick::required(c).count() <= 3)).then_some((at, c.id, field.id))
    })
}

/// Uploads a picture that nobody else has and makes a record with it.
async fn upload(
    scene: &Scene,
    tenant: &Tenant,
    (at, collection, field): (usize, &str, &str),
) -> Result<(String, Vec<u8>, String), Miss> {
    let marker = format!("cnryfile{}", random::hex(16));
    let bytes = [PNG.as_slice(), marker.as_bytes()].concat();
    let id = upload_bytes(scene, tenant, (at, collection, field), bytes.clone()).await?.0;
    Ok((id, bytes, marker))
}

/// Uploads these bytes and makes a record with them: the record's id and the file's.
pub(super) async fn upload_bytes(
    scene: &Scene,
    tenant: &Tenant,
    (at, collection, field): (usize, &str, &str),
    bytes: Vec<u8>,
) -> Result<(String, String), Miss> {
    let token = scene.stage.token(tenant, tenant.owner()?).await?;
    let ask = Ask::new("POST", format!("/api/v1/collections/{collection}/files/{field}?name=canary.png"))
        .bytes("image/png", bytes)
        .bearer(&token);
    let uploaded = scene.stage.at(tenant).send(ask).await?.decided()?.step("upload")?;
    let links = if pick::chain(&scene.app, at).is_some() {
        scene.links(tenant, at).await?
    } else {
        pick::Links { member: tenant.owner()?.user.clone(), ..pick::Links::default() }
    };
    let mut body = scene.body(at, &links, &[])?;
    body.insert(field.to_owned(), uploaded.text("id").into());
    let (_, made) = scene.try_insert(tenant, tenant.owner()?, at, body).await?;
    let made = made.decided()?.step("record with a file")?;
    Ok((made.text("id"), uploaded.text("id")))
}

async fn storage_prefix(scene: &Scene) -> Outcome {
    let Some(drawer) = drawer(scene) else { return Err(Miss::Absent("the app takes no images")) };
    let (a, b) = (&scene.a, &scene.b);
    let (_, collection, field) = drawer;
    let (mine, bytes, marker) = upload(scene, a, drawer).await?;
    let (theirs, _, _) = upload(scene, b, drawer).await?;
    let token = scene.stage.token(a, a.owner()?).await?;
    let client = scene.stage.at(a);
    let file = |id: &str| format!("{}/{id}/files/{field}", records(collection));
    let own = client.send(Ask::get(file(&mine)).bearer(&token)).await?.decided()?;
    if !own.good() || own.body != bytes {
        return unclear(format!("the own file answered {} with {} bytes", own.status, own.body.len()));
    }
    let unknown = client.send(Ask::get(file(&unknown_id())).bearer(&token)).await?.decided()?;
    let mut tries = 0;
    let paths = [
        file(&theirs),
        file(&format!("../{theirs}")),
        file(&format!("..%2f{theirs}")),
        file(&format!("{mine}%2f..%2f{theirs}")),
        file(&format!("%2e%2e%2f{}%2f{theirs}", b.id)),
        format!("{}/../../../{}/{theirs}", file(&mine), b.id),
        format!("/{}/{theirs}", b.id),
        format!("/blobs/{}/{theirs}", b.id),
        format!("/..%2f..%2fblobs%2f{}%2f{theirs}", b.id),
        format!("/%2e%2e/%2e%2e/blobs/{}", b.id),
    ];
    for (i, path) in paths.iter().enumerate() {
        for token in [token.as_str(), ""] {
            let answer = client.send(Ask::get(path.clone()).bearer(token)).await?.decided()?;
            tries += 1;
            if answer.good() && answer.body.starts_with(&[0x89, b'P', b'N', b'G']) {
                return broken(
                    format!("path {} to another tenant's file", i + 1),
                    "refused",
                    format!("{}", answer.status),
                );
            }
            let first = i == 0 && !token.is_empty();
            if first && (answer.status, &answer.body) != (unknown.status, &unknown.body) {
                return broken(
                    "another tenant's file by its real id",
                    format!("as for an unknown id: {}", unknown.status),
                    format!("{}", answer.status),
                );
            }
        }
    }
    let anonymous = client.send(Ask::get(file(&mine))).await?.decided()?;
    if anonymous.good() && !visible(scene, collection) {
        return broken("the own file without a token", "refused", format!("{}", anonymous.status));
    }
    let prefixed = on_disk(scene, a, b, &marker).await?;
    Ok(Evidence::new().count("ways to another tenant's file refused", tries).and(prefixed))
}

fn visible(scene: &Scene, collection: &str) -> bool {
    let at = scene.app.collections.iter().position(|c| c.id == collection);
    at.is_some_and(|at| scene.app.visitor.collections.contains_key(&at))
}

/// Objects lie in folders named after their tenant.
async fn on_disk(scene: &Scene, a: &Tenant, b: &Tenant, marker: &str) -> Outcome {
    let files = copy::files(scene.stage.instance.data())?;
    let below = |id: &str| {
        files
            .iter()
            .filter(|f| f.parent().is_some_and(|p| p.components().any(|c| c.as_os_str().to_str() == Some(id))))
            .count()
    };
    let (of_a, of_b) = (below(&a.id), below(&b.id));
    let (open, _) = copy::search(&Disk::of(&scene.stage.instance), vec![marker.as_bytes().to_vec()]).await?;
    let strays = open.iter().filter(|f| !f.components().any(|c| c.as_os_str().to_str() == Some(a.id.as_str()))).count();
    if of_a == 0 || of_b == 0 || strays > 0 {
        return broken(
            "looking for the objects on disk",
            "each below a folder of its tenant",
            format!("{of_a} and {of_b} below, {strays} elsewhere"),
        );
    }
    Ok(Evidence::new().count("objects below their tenants' prefixes", of_a + of_b).count("elsewhere", strays))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn csv_reads_back() {
        let rows = table("id,a,b\n1x,\"'=1+1,\"\"x\"\"\n@y\",2\n2x,,\"[\"\"p\"\"]\"\n");
        let record = rows.get("1x").unwrap();
        assert_eq!(flat(record.get("a")), "=1+1,\"x\"\n@y");
        assert_eq!(flat(record.get("b")), flat(Some(&json!(2.0))));
        assert_eq!(flat(rows.get("2x").unwrap().get("b")), "[\"p\"]");
    }
}
