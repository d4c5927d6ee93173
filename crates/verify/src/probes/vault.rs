//! Sealed values: read as they lie in the stores, and opened by the prober's own opener.

use std::collections::BTreeSet;

use manifest::{Field, Kind};
use serde_json::json;

use super::{host::refused_start, probe};
use crate::{
    act::records,
    copy,
    disk::Disk,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    instance::Instance,
    opener::{self, HEADER, Kek, Key, NONCE, Spot},
    pick,
    plan::Probe,
    random,
    rows::{self, Cell, Whose},
    run::Scene,
    stage::Tenant,
    wire::{Ask, Client},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("vault.unique_nonce", Together, unique_nonce),
    probe!("vault.field_encryption", Together, field_encryption),
    probe!("vault.key_separation", Together, key_separation),
    probe!("vault.region_keys", Together, region_keys),
    probe!("vault.rotation", Alone, super::vault_rotation::rotation),
];

const TOKENS: &str = "the tokens of connectors are not stored yet; declared fields were opened and hold";

/// A sealed value as it lies in the store, and what it should say.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) spot: Spot,
    pub(super) text: String,
    pub(super) blob: Vec<u8>,
}

fn is_sealed(field: &Field) -> bool {
    (field.encrypted || field.kind == Kind::Secret) && pick::settable(field)
}

/// Sealed fields of a collection.
fn sealed_of(scene: &Scene, at: usize) -> Vec<&'static str> {
    let fields = scene.app.collections.get(at).map(|c| c.fields.as_slice()).unwrap_or_default();
    fields.iter().filter(|f| is_sealed(f)).map(|f| f.id).collect()
}

/// How many sealed fields the app declares.
fn declared(scene: &Scene) -> usize {
    (0..scene.app.collections.len()).map(|at| sealed_of(scene, at).len()).sum()
}

/// The newest key of a tenant, unwrapped by the prober.
async fn key_of(instance: &Instance, tenant: &str) -> Result<(Kek, Key), Miss> {
    let newest = opener::keks(instance, tenant).await?.pop();
    let newest = newest.ok_or_else(|| Miss::Unclear("the tenant has no stored key".to_owned()))?;
    let root = opener::root(instance, &newest.region)
        .ok_or_else(|| Miss::Unclear("the prober has no root of that region".to_owned()))?;
    match newest.unwrapped(tenant, &root) {
        Some(key) => Ok((newest, key)),
        None => broken(
            "unwrapping a tenant's stored key with its region's root",
            "a wrapped key that the root opens, bound to region, tenant and version",
            "it does not open",
        ),
    }
}

/// A tenant's unwrapped key for the version that a blob names.
pub(super) async fn keys_of(instance: &Instance, tenant: &str) -> Result<Vec<(u32, Key)>, Miss> {
    let mut keys = Vec::new();
    for kek in opener::keks(instance, tenant).await? {
        let root = opener::root(instance, &kek.region);
        keys.extend(root.and_then(|root| kek.unwrapped(tenant, &root)).map(|key| (kek.version, key)));
    }
    Ok(keys)
}

/// One blob per sealed field of every collection the prober can make, twice: as created and as changed.
pub(super) async fn plant(scene: &Scene, tenant: &Tenant) -> Result<(Vec<Stored>, Vec<String>), Miss> {
    let (owner, region) = (tenant.owner()?, key_of(&scene.stage.instance, &tenant.id).await?.0.region);
    let (mut stored, mut texts) = (Vec::new(), Vec::new());
    for at in pick::makeable(&scene.app) {
        let fields = sealed_of(scene, at);
        if fields.is_empty() {
            continue;
        }
        let links = scene.links(tenant, at).await?;
        let body = scene.body(at, &links, &fields)?;
        let (collection, answer) = scene.try_insert(tenant, owner, at, body.clone()).await?;
        let answer = answer.decided()?.step("creating a record with sealed fields")?;
        let (id, tag) = (answer.text("id"), answer.header("etag").unwrap_or("\"1\"").to_owned());
        let text = |body: &serde_json::Map<String, serde_json::Value>, field: &str| {
            body.get(field).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
        };
        let first: Vec<String> = fields.iter().map(|f| text(&body, f)).collect();
        stored.extend(read(scene, tenant, &region, (collection, &id), (&fields, &first)).await?);
        texts.extend(first);
        // A change goes another way than a creation: records with drafts keep it aside, versions keep what was.
        let again = scene.body(at, &links, &fields)?;
        let patch: serde_json::Map<_, _> =
            again.into_iter().filter(|(name, _)| fields.contains(&name.as_str())).collect();
        let token = scene.stage.token(tenant, owner).await?;
        let path = format!("{}/{id}", records(collection));
        let ask = Ask::patch(path, &json!(patch)).bearer(&token).header("if-match", &tag);
        if scene.stage.at(tenant).send(ask).await?.decided()?.good() {
            let second: Vec<String> = fields.iter().map(|f| text(&patch, f)).collect();
            stored.extend(read(scene, tenant, &region, (collection, &id), (&fields, &second)).await?);
            texts.extend(second);
        }
    }
    Ok((stored, texts))
}

/// A record's sealed columns as they lie there.
pub(super) async fn read(
    scene: &Scene,
    tenant: &Tenant,
    region: &str,
    (collection, id): (&str, &str),
    (fields, texts): (&[&str], &[String]),
) -> Result<Vec<Stored>, Miss> {
    let columns: Vec<String> = fields.iter().map(|f| format!("\"{f}\"")).collect();
    let sql = format!("SELECT {} FROM \"{collection}\" WHERE \"id\" = '{id}'", columns.join(", "));
    let found = rows::all(&scene.stage.instance, Whose::Tenant(&tenant.id), &sql).await?;
    let Some(row) = found.into_iter().next() else { return unclear("the record is not in its table") };
    let one = |((field, text), cell): ((&&str, &String), Cell)| Stored {
        spot: Spot::new(region, &tenant.id, collection, field, id),
        text: text.clone(),
        blob: cell.bytes().to_vec(),
    };
    Ok(fields.iter().zip(texts).zip(row).map(one).collect())
}

pub(super) fn opens(stored: &Stored, keys: &[(u32, Key)]) -> Option<Vec<u8>> {
    let version = opener::key_version(&stored.blob);
    let (_, kek) = keys.iter().find(|(v, _)| *v == version)?;
    opener::open(&stored.spot.key(kek, "seal"), &stored.blob, &stored.spot.bound())
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    if let Some(byte) = out.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    out
}

/// How many changes of blob, key and place were tried; the first that still opens.
fn refuses(stored: &Stored, kek: &Key) -> Result<usize, &'static str> {
    let (key, bound) = (stored.spot.key(kek, "seal"), stored.spot.bound());
    let mut tried = 0;
    for bit in 0..stored.blob.len() * 8 {
        tried += 1;
        if opener::open(&key, &flipped(&stored.blob, bit), &bound).is_some() {
            return Err("with one changed bit of the blob");
        }
    }
    for bit in 0..256 {
        tried += 1;
        let other: Option<Key> = flipped(&key, bit).try_into().ok();
        if other.and_then(|other| opener::open(&other, &stored.blob, &bound)).is_some() {
            return Err("with one changed bit of the key");
        }
    }
    for part in 0..bound.len() {
        let mut other = bound.clone();
        if let Some(piece) = other.get_mut(part) {
            *piece = flipped(piece, 0);
        }
        tried += 1;
        if opener::open(&key, &stored.blob, &other).is_some() {
            return Err("bound to another region, tenant, collection, field or row");
        }
    }
    Ok(tried)
}

async fn field_encryption(scene: &Scene) -> Outcome {
    let waits = !scene.app.connectors.is_empty();
    let declared = declared(scene);
    if declared == 0 {
        return Err(if waits {
            Miss::Unbuilt("the tokens of connectors are not stored yet")
        } else {
            Miss::Absent("no field of this app is sealed")
        });
    }
    let (tenant, instance) = (&scene.a, &scene.stage.instance);
    let (stored, texts) = plant(scene, tenant).await?;
    let keys = keys_of(instance, &tenant.id).await?;
    let mut changes = 0;
    for one in &stored {
        let [_, _, collection, field, _] = &one.spot.pieces;
        if opens(one, &keys).is_none_or(|plain| plain != one.text.as_bytes()) {
            return broken(
                format!("opening {collection}.{field} as stored with the tenant's key"),
                "AES-256-GCM as published: opens to what was written",
                "it does not",
            );
        }
        let kek = keys.iter().find(|(v, _)| *v == opener::key_version(&one.blob)).map_or([0; 32], |(_, k)| *k);
        match refuses(one, &kek) {
            Ok(tried) => changes += tried,
            Err(what) => return broken(format!("opening {collection}.{field} {what}"), "refused", "it opens"),
        }
    }
    shown(scene, tenant, &stored).await?;
    let forms: Vec<Vec<u8>> = texts.iter().filter(|t| t.len() >= 12).flat_map(|t| copy::forms(t)).collect();
    let (log, err) = instance.logs();
    let (found, seen) = rows::search(instance, &tenant.id, &forms).await?;
    let holds = |l: &&&String| forms.iter().any(|f| crate::wire::find(l.as_bytes(), f).is_some());
    let told = [&log, &err].iter().filter(holds).count();
    if found + told > 0 {
        return broken(
            "searching files, rows and logs for planted values",
            "0 hits",
            format!("{} places", found + told),
        );
    }
    let fields: BTreeSet<_> = stored.iter().map(|s| s.spot.pieces.get(2..4).map(<[String]>::to_vec)).collect();
    if fields.len() < declared {
        return Err(Miss::Unbuilt("the prober cannot make a record of every collection with sealed fields"));
    }
    if waits {
        return Err(Miss::Unbuilt(TOKENS));
    }
    Ok(Evidence::new()
        .count("sealed fields", fields.len())
        .count("values opened by another implementation", stored.len())
        .count("changed bits and places refused", changes)
        .count("files and rows searched", seen)
        .count("hits", 0))
}

/// What the API shows: a sealed field to whoever may read it, a secret to nobody.
async fn shown(scene: &Scene, tenant: &Tenant, stored: &[Stored]) -> Result<(), Miss> {
    for one in stored {
        let [_, _, collection, name, row] = &one.spot.pieces;
        let path = format!("{}/{row}", records(collection));
        let answer = scene.read(tenant, tenant.owner()?, &path).await?.decided()?.step("reading the record")?;
        let field = scene
            .app
            .collections
            .iter()
            .find(|c| c.id == collection)
            .and_then(|c| c.fields.iter().find(|f| f.id == name));
        let secret = field.is_some_and(|f| f.kind == Kind::Secret);
        if secret && crate::wire::find(&answer.body, one.text.as_bytes()).is_some() {
            return broken(format!("reading a record with the secret {name}"), "not in any answer", "it is");
        }
    }
    Ok(())
}

/// Values sealed before the copy; then as many more by the original and by a server started on the copy.
const MANY: usize = 10_000;

async fn unique_nonce(scene: &Scene) -> Outcome {
    let carrier = pick::makeable(&scene.app).into_iter().find(|at| !sealed_of(scene, *at).is_empty());
    let Some(at) = carrier else { return Err(Miss::Absent("no field of this app is sealed")) };
    let (tenant, instance) = (scene.stage.canary().await?, &scene.stage.instance);
    let fields = sealed_of(scene, at);
    let (field, collection) = (*fields.first().unwrap_or(&""), scene.app.collections.get(at).map_or("", |c| c.id));
    let links = scene.links(&tenant, at).await?;
    let body = scene.body(at, &links, &fields)?;
    let token = scene.stage.token(&tenant, tenant.owner()?).await?;
    let line = serde_json::Value::Object(body).to_string();
    let bodies = |n: usize| {
        let mut out = String::with_capacity((line.len() + 1) * n);
        (0..n).for_each(|_| out.extend([line.as_str(), "\n"]));
        out.into_bytes()
    };
    let import = async |client: Client, n: usize| {
        let ask = Ask::new("POST", format!("{}/import", records(collection)));
        let ask = ask.bytes("application/x-ndjson", bodies(n)).bearer(&token);
        client.send(ask).await?.decided()?.step("importing one value many times")
    };
    import(scene.stage.at(&tenant), MANY).await?;
    let to = instance.scratch().join(format!("nonces-{}", random::hex(4)));
    let (from, into, id) = (Disk::of(instance), to.clone(), tenant.id.clone());
    copy::aside(move || copy::folder(&from, &into, &[id.as_str()])).await??;
    let second = instance.again(to).await.map_err(Miss::Unclear)?;
    let host = tenant.host.split(':').next().unwrap_or_default();
    let there = Client::new(
        second.net.clone(),
        format!("{host}:{}", second.net.address.port()),
        tenant.prefix.clone(),
        scene.stage.source(),
    );
    let imported = import(there, MANY).await;
    let more = import(scene.stage.at(&tenant), MANY / 10).await;
    let sql = format!("SELECT \"id\", \"{field}\" FROM \"{collection}\"");
    let mut rows = rows::all(instance, Whose::Tenant(&tenant.id), &sql).await?;
    if instance.setup().database.is_none() {
        rows.extend(rows::all(&second, Whose::Tenant(&tenant.id), &sql).await?);
    }
    second.stop().await;
    imported?;
    more?;
    // A row is in both copies when it was there before the copy: it counts once.
    let blobs: BTreeSet<(String, Vec<u8>)> =
        rows.into_iter().filter_map(|r| Some((r.first()?.text().to_owned(), r.get(1)?.bytes().to_vec()))).collect();
    let nonce = |stored: &[u8]| opener::split(stored).1.get(2..HEADER + NONCE).map(<[u8]>::to_vec);
    let keys_and_nonces: BTreeSet<_> = blobs.iter().filter_map(|(_, blob)| nonce(blob)).collect();
    let sealed: BTreeSet<_> = blobs.iter().filter_map(|(_, b)| opener::split(b).1.get(HEADER + NONCE..)).collect();
    if blobs.len() < 2 * MANY + MANY / 10 {
        return unclear(format!("{} of the imported rows are there", blobs.len()));
    }
    if keys_and_nonces.len() != blobs.len() || sealed.len() != blobs.len() {
        return broken(
            format!("sealing one value {} times, over a restart on a copy", blobs.len()),
            "no pair of key and nonce twice, no ciphertext twice",
            format!("{} nonces, {} ciphertexts", keys_and_nonces.len(), sealed.len()),
        );
    }
    Ok(Evidence::new()
        .count("seals of one value", blobs.len())
        .count("repeated nonces", 0)
        .count("repeated ciphertexts", 0)
        .word("and the server started again", "on a copy of its data"))
}

async fn key_separation(scene: &Scene) -> Outcome {
    let instance = &scene.stage.instance;
    let mut all: Vec<(Stored, Key)> = Vec::new();
    let (mut keks, mut indexes) = (Vec::new(), 0);
    for tenant in [&scene.a, &scene.b] {
        let (_, kek) = key_of(instance, &tenant.id).await?;
        keks.push((tenant.id.clone(), kek));
        let (stored, _) = plant(scene, tenant).await?;
        let replies = replies(scene, tenant).await?;
        all.extend(stored.into_iter().chain(replies).map(|s| {
            let key = s.spot.key(&kek, "seal");
            (s, key)
        }));
    }
    let contexts: BTreeSet<Key> = all.iter().map(|(_, key)| *key).collect();
    if contexts.len() < 3 {
        return Err(Miss::Absent("fewer than two fields of this app are sealed"));
    }
    let (mut own, mut foreign) = (0, 0);
    for (stored, key) in &all {
        let [_, _, collection, field, _] = &stored.spot.pieces;
        let bound = stored.spot.bound();
        if opener::open(key, &stored.blob, &bound).is_none() {
            return broken(
                format!("opening {collection}.{field} with the key derived for it by the prober's own HKDF"),
                "it opens",
                "it does not",
            );
        }
        own += 1;
        // A blind index in front has a key of its own, which is neither the field's nor another's.
        let (index, _) = opener::split(&stored.blob);
        if !index.is_empty() {
            let made = |kek: &Key| opener::index(kek, opener::key_version(&stored.blob), &stored.spot, &stored.text);
            let kek = keks.iter().find(|(tenant, _)| stored.spot.pieces.get(1) == Some(tenant)).map(|(_, kek)| *kek);
            if kek.is_none_or(|kek| made(&kek) != index) || made(key) == index {
                return broken(
                    format!("making the blind index of {collection}.{field} with a key derived for that alone"),
                    "the stored one",
                    "another",
                );
            }
            indexes += 1;
        }
        // Another context's key, for a value that is bound to its own place, and the value moved to that context.
        for (other, theirs) in all.iter().filter(|(_, theirs)| theirs != key) {
            foreign += 2;
            let moved = opener::open(theirs, &stored.blob, &other.spot.bound());
            if opener::open(theirs, &stored.blob, &bound).is_some() || moved.is_some() {
                return broken(
                    format!("opening {collection}.{field} with another context's key"),
                    "refused",
                    "it opens",
                );
            }
        }
    }
    Ok(Evidence::new()
        .count("contexts", contexts.len())
        .count("values opened with their own key", own)
        .count("blind indexes made again with theirs", indexes)
        .count("tries with another context's key", foreign)
        .count("of them opened", 0)
        .word("derivation", "HKDF-SHA256"))
}

/// A kept answer is sealed too, in a context of its own.
pub(super) async fn replies(scene: &Scene, tenant: &Tenant) -> Result<Vec<Stored>, Miss> {
    let (at, field) = scene.carrier()?;
    let owner = tenant.owner()?;
    let links = scene.links(tenant, at).await?;
    let mut body = scene.body(at, &links, &[])?;
    body.insert(field.to_owned(), "kept answer".into());
    let collection = scene.app.collections.get(at).map_or("", |c| c.id);
    let token = scene.stage.token(tenant, owner).await?;
    let ask = Ask::post(records(collection), &json!(body)).bearer(&token).header("idempotency-key", &random::hex(8));
    let text =
        String::from_utf8_lossy(&scene.stage.at(tenant).send(ask).await?.decided()?.step("create")?.body).into_owned();
    let (kek, _) = key_of(&scene.stage.instance, &tenant.id).await?;
    let sql = "SELECT key, reply FROM _once WHERE reply IS NOT NULL";
    let rows = rows::all(&scene.stage.instance, Whose::Tenant(&tenant.id), sql).await?;
    let one = |row: Vec<Cell>| {
        let (key, blob) = (hex::encode(row.first()?.bytes()), row.get(1)?.bytes().to_vec());
        Some(Stored { spot: Spot::new(&kek.region, &tenant.id, "_once", "reply", &key), text: text.clone(), blob })
    };
    Ok(rows.into_iter().filter_map(one).collect())
}

async fn region_keys(scene: &Scene) -> Outcome {
    let regions: Vec<&str> = scene.app.regions.iter().map(|r| r.id).collect();
    if regions.len() < 2 {
        return Err(Miss::Absent("this app has one region"));
    }
    let instance = &scene.stage.instance;
    let mut all = Vec::new();
    for region in &regions {
        let tenant = scene.stage.canary_in(region).await?;
        let (kek, key) = key_of(instance, &tenant.id).await?;
        let root = opener::root(instance, region).ok_or_else(|| Miss::Unclear("no root".to_owned()))?;
        if kek.region != *region || kek.root != opener::root_name(&root, region) {
            return broken(
                format!("reading which root wrapped the key of a tenant in {region}"),
                "that region's own",
                "another",
            );
        }
        let (mut stored, _) = plant(scene, &tenant).await?;
        stored.extend(replies(scene, &tenant).await?);
        all.push((*region, tenant, kek, key, root, stored));
    }
    let roots: BTreeSet<&String> = all.iter().map(|(_, _, kek, ..)| &kek.root).collect();
    if roots.len() != regions.len() {
        return broken("comparing the regions' roots", "one of its own each", format!("{} roots", roots.len()));
    }
    let (mut own, mut foreign) = (0, 0);
    for (region, tenant, kek, key, _, stored) in &all {
        for one in stored {
            if opener::open(&one.spot.key(key, "seal"), &one.blob, &one.spot.bound()).is_none() {
                return broken(format!("opening a value of {region} with its own keys"), "it opens", "it does not");
            }
            own += 1;
        }
        // Everything that a thief of another region has: its root, and what that root unwraps.
        for (other, _, theirs, their_key, their_root, _) in all.iter().filter(|(other, ..)| other != region) {
            let mut hands: Vec<Key> = vec![*their_root, *their_key];
            for labelled in [Kek { region: (*other).to_owned(), ..kek.clone() }, kek.clone(), theirs.clone()] {
                let wrapped = Kek { wrapped: kek.wrapped.clone(), ..labelled };
                foreign += 1;
                if let Some(found) = wrapped.unwrapped(&tenant.id, their_root) {
                    hands.push(found);
                }
            }
            for one in stored {
                for hand in &hands {
                    foreign += 1;
                    if opener::open(&one.spot.key(hand, "seal"), &one.blob, &one.spot.bound()).is_some() {
                        return broken(
                            format!("opening a value of {region} with every key of {other}"),
                            "0 values open",
                            "one does",
                        );
                    }
                }
            }
            if hands.len() > 2 {
                return broken(format!("unwrapping a key of {region} with the root of {other}"), "refused", "it opens");
            }
        }
    }
    let shared = same_root_refused(scene, &regions).await?;
    Ok(Evidence::new()
        .count("regions, each with a root of its own", regions.len())
        .count("values opened with their region's keys", own)
        .count("tries with every key of another region", foreign)
        .count("of them opened", 0)
        .word("two regions with one root", shared))
}

/// A start with one root for two regions.
async fn same_root_refused(scene: &Scene, regions: &[&str]) -> Result<&'static str, Miss> {
    let names = |region: &&str| {
        let fallback = format!("VOUCHSAFE_ROOT_{}", region.to_uppercase().replace('-', "_"));
        let named = scene.app.regions.iter().find(|r| r.id == *region).map(|r| r.root_key.clone());
        let named = if let Some(manifest::Pointer::Env(name)) = named { name } else { fallback.clone() };
        [named, fallback]
    };
    let value = random::hex(32);
    let both: Vec<String> = regions.iter().take(2).flat_map(names).collect();
    let variables: Vec<(&str, &str)> = both.iter().map(|name| (name.as_str(), value.as_str())).collect();
    match refused_start(scene, &variables, None).await? {
        Some(2) => Ok("refused at start"),
        Some(code) => unclear(format!("a start with one root for two regions ended with {code}")),
        None => broken("starting with one root for two regions", "exit 2", "it started"),
    }
}
