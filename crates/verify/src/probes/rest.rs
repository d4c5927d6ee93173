//! Data at rest: raw bytes as they lie in the data folder, and the prober's own opener over them.

use std::{os::unix::fs::FileExt as _, path::Path};

use rusqlite::Connection;

use super::{
    data::{PNG, drawer, upload_bytes},
    probe,
    side::edited,
};
use crate::{
    act::records,
    copy::{self, aside},
    disk::{self, Disk, HEAD, PIECE, RESERVED},
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    instance::Instance,
    opener::Key,
    plan::Probe,
    random,
    run::Scene,
    stage::Tenant,
    volume::{self, Under},
    wire::{Ask, Client, find},
};

pub(super) const PROBES: &[Probe] =
    &[probe!("vault.at_rest_db", Together, at_rest_db), probe!("vault.at_rest_objects", Together, at_rest_objects)];

/// A client of a tenant at a second server.
fn client_at(scene: &Scene, second: &Instance, tenant: &Tenant) -> Client {
    let name = tenant.host.split(':').next().unwrap_or_default();
    let host = format!("{name}:{}", second.net.address.port());
    Client::new(second.net.clone(), host, tenant.prefix.clone(), scene.stage.source())
}

async fn at_rest_db(scene: &Scene) -> Outcome {
    let instance = &scene.stage.instance;
    if instance.setup().database.is_some() {
        // What the page says of the volume is a matter of the database's host: the prober sees a connection.
        return Err(Miss::Person(
            Evidence::new().word("engine", "postgres").word("sealed by us", "marked fields only"),
        ));
    }
    if scene.app.encryption.at_rest != "program" {
        return match volume::under(instance.data()) {
            Under::Crypt => Ok(Evidence::new().word("under the data folder", "dm-crypt")),
            Under::Stacked => Ok(Evidence::new().word("under the data folder", "a file system that encrypts")),
            Under::Unknown => Err(Miss::Person(Evidence::new().word("under the data folder", "nothing to be seen"))),
        };
    }
    let (at, field) = scene.carrier()?;
    let tenants =
        [scene.stage.lone_canary().await?, scene.stage.lone_canary().await?, scene.stage.lone_canary().await?];
    let secret = format!("cnryrest{}", random::hex(12));
    let mut made = Vec::new();
    for tenant in &tenants {
        made.push(scene.make(tenant, at, Some((field, &secret))).await?);
    }
    let [first, ..] = &tenants;
    let disk = Disk::of(instance);
    let seen = nothing_in_the_clear(scene, &disk, &secret).await?;
    let opened = opened_by_hand(&disk, first, &secret).await?;
    let records: Vec<String> = made.iter().map(|m| m.path()).collect();
    let refused = on_a_copy(scene, &disk, &tenants, &records).await?;
    let record = records.first().map_or("", String::as_str);
    let migrated = after_a_migration(scene, &disk, first, (record, &secret)).await?;
    let all = seen.and(opened).and(refused).and(migrated);
    let served = scene.app.regions.iter().any(|r| matches!(r.root_key, manifest::Pointer::Kms(_)));
    Ok(if served { all.and(super::vault_rotation::service_away(scene).await?) } else { all })
}

/// The secret is in no file, no open file and no line of the log; no database begins as SQLite's do.
async fn nothing_in_the_clear(scene: &Scene, disk: &Disk, secret: &str) -> Outcome {
    let instance = &scene.stage.instance;
    let (found, files) = copy::search_raw(disk.data(), copy::forms(secret)).await?;
    if let Some(file) = found.first() {
        let name = file.extension().and_then(|e| e.to_str()).unwrap_or("no");
        return broken(
            "searching every file of the data folder for a stored value, in five encodings",
            "0 hits",
            format!("{} files, the first with extension `{name}`", found.len()),
        );
    }
    let databases: Vec<_> =
        copy::files(disk.data())?.into_iter().filter(|f| f.extension().is_some_and(|e| e == "db")).collect();
    let plain = databases.iter().filter(|f| head(f).is_some_and(|h| h.starts_with(b"SQLite format 3"))).count();
    if plain > 0 {
        return broken("reading the first 16 bytes of every database", "not SQLite's", format!("{plain} are"));
    }
    let (log, err) = instance.logs();
    let said = [log.as_bytes(), err.as_bytes()];
    if said.iter().any(|text| copy::forms(secret).iter().any(|f| find(text, f).is_some())) {
        return broken("searching the log for a stored value", "0 hits", "a hit");
    }
    let (held, stray) = held(instance, secret);
    if stray > 0 {
        return broken("reading every file that the server holds open", "0 hits", format!("{stray} files"));
    }
    Ok(Evidence::new()
        .count("files searched", files)
        .count("open files searched", held)
        .count("hits", 0)
        .count("databases that begin as plain ones", 0))
}

fn head(file: &Path) -> Option<[u8; 16]> {
    let mut head = [0; 16];
    std::fs::File::open(file).ok()?.read_exact_at(&mut head, 0).ok()?;
    Some(head)
}

/// Open files of the server, temporary ones without a name among them: how many, and how many hold the secret.
fn held(instance: &Instance, secret: &str) -> (usize, usize) {
    let Some(pid) = instance.pid else { return (0, 0) };
    let Ok(links) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return (0, 0) };
    let (mut seen, mut hits) = (0, 0);
    for link in links.flatten() {
        let Ok(kind) = std::fs::metadata(link.path()) else { continue };
        if kind.is_file() {
            seen += 1;
            let bytes = std::fs::read(link.path()).unwrap_or_default();
            hits += usize::from(copy::forms(secret).iter().any(|f| find(&bytes, f).is_some()));
        }
    }
    (seen, hits)
}

/// The prober's own opener reads file and log page by page; nothing but the right key and the right bytes opens.
async fn opened_by_hand(disk: &Disk, tenant: &Tenant, secret: &str) -> Outcome {
    let path = copy::of_tenant(disk.data(), &tenant.id)?;
    let path = path.ok_or_else(|| Miss::Unclear("there is no file of the tenant".to_owned()))?;
    let (disk, secret) = (disk.clone(), secret.to_owned());
    aside(move || {
        let Some(key) = disk.key(&path)? else { return broken("opening a database", "sealed pages", "plain ones") };
        let log = std::fs::read(path.with_extension("db-wal")).unwrap_or_default();
        let bytes = std::fs::read(&path)?;
        let Some(plain) = disk::pages(&bytes, &key) else {
            return unclear("a page does not open with the tenant's key");
        };
        let frames = disk::frames(&log, &key);
        let holds = |bytes: &[u8]| find(bytes, secret.as_bytes()).is_some();
        if !holds(&plain) && !frames.iter().any(|(_, page)| holds(page)) {
            return unclear("the opened pages do not hold the value: no positive control");
        }
        let Some(first) = bytes.get(..page_size(&bytes)) else { return unclear("the file has no first page") };
        for bit in 0..256 {
            if disk::page(1, first, &flipped(key, bit)).is_some() {
                return broken("opening with one bit of the key changed", "refused", "opened");
            }
        }
        let mut changed = 0;
        for at in [0, 8, 16, 23, 24, 100, first.len() / 2, first.len() - RESERVED, first.len() - 24, first.len() - 1] {
            let mut bad = first.to_vec();
            if let Some(byte) = bad.get_mut(at) {
                *byte ^= 1;
            }
            changed += 1;
            if disk::page(1, &bad, &key).is_some() {
                return broken(format!("opening a page with byte {at} changed"), "refused", "opened");
            }
        }
        if disk::page(2, first, &key).is_some() {
            return broken("opening a page under another number", "refused", "opened");
        }
        Ok(Evidence::new()
            .word("cipher, read back", "AES-256-GCM")
            .count("pages opened by hand", plain.len() / first.len())
            .count("frames of the log", frames.len())
            .count("keys with one bit changed refused", 256)
            .count("changed bytes refused", changed))
    })
    .await?
}

fn page_size(bytes: &[u8]) -> usize {
    bytes.get(16..18).and_then(|b| b.try_into().ok()).map_or(4096, u16::from_be_bytes).into()
}

fn flipped(mut key: Key, bit: usize) -> Key {
    if let Some(byte) = key.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    key
}

/// A server on a copy: one tenant's page is changed, another's key, the third is left alone.
async fn on_a_copy(scene: &Scene, disk: &Disk, tenants: &[Tenant; 3], records: &[String]) -> Outcome {
    let to = scene.stage.instance.scratch().join(format!("rest-{}", random::hex(4)));
    let ids: Vec<String> = tenants.iter().map(|t| t.id.clone()).collect();
    let (from, into) = (disk.clone(), to.clone());
    aside(move || copy::folder(&from, &into, &ids.iter().map(String::as_str).collect::<Vec<_>>())).await??;
    let [page, key, sound] = tenants;
    let file = |tenant: &Tenant| {
        copy::of_tenant(&to, &tenant.id)?.ok_or_else(|| Miss::Unclear("no file of the tenant".to_owned()))
    };
    // One bit of each page behind the first: whichever is read, it is a changed one.
    let (path, copied) = (file(page)?, disk.at(&to));
    let right = copied.key(&path)?.ok_or_else(|| Miss::Unclear("the copy is plain".to_owned()))?;
    let mut bytes = std::fs::read(&path)?;
    let size = page_size(&bytes);
    for byte in bytes.iter_mut().skip(size + 1000).step_by(size) {
        *byte ^= 4;
    }
    std::fs::write(&path, bytes)?;
    let beside = file(key)?.with_extension("key");
    let mut envelope = std::fs::read(&beside)?;
    if let Some(byte) = envelope.last_mut() {
        *byte ^= 1;
    }
    std::fs::write(beside, envelope)?;
    // SQLite itself, with the right key over changed pages, and with a wrong key over sound ones.
    let sick = |connection: Connection| {
        let said = connection.query_row("PRAGMA integrity_check", [], |r| r.get::<_, String>(0));
        !said.is_ok_and(|word| word == "ok")
    };
    let whole = |key: &Key, path: &Path| -> Result<bool, Miss> {
        let connection = Connection::open(path).map_err(|e| Miss::Unclear(format!("sqlite: {e}")))?;
        let _refused_later = disk::unlock(&connection, Some(key));
        Ok(!sick(connection))
    };
    let third = file(sound)?;
    let its = copied.key(&third)?.ok_or_else(|| Miss::Unclear("the copy is plain".to_owned()))?;
    if !whole(&its, &third)? {
        return unclear("an untouched database is not whole under its key");
    }
    for (what, key, path) in [
        ("changed pages", right, &path),
        ("another tenant's key", right, &third),
        ("a key with one bit changed", flipped(its, 7), &third),
    ] {
        if whole(&key, path)? {
            return broken(format!("opening a database with {what}"), "refused", "opened");
        }
    }
    let Some(said) = scene.stage.instance.refused_under(to.clone(), &random::hex(8)).await else {
        return broken("starting on a copy of the data with other root keys", "refused", "started");
    };
    if !said.contains("root key") {
        return unclear("a start with other root keys ended, and not because of them");
    }
    let second = scene.stage.instance.again(to).await.map_err(Miss::Unclear)?;
    let mut answers = Vec::new();
    for (tenant, record) in tenants.iter().zip(records) {
        let token = scene.stage.token(tenant, tenant.owner()?).await?;
        answers.push(client_at(scene, &second, tenant).send(Ask::get(record.as_str()).bearer(&token)).await);
    }
    second.stop().await;
    let mut answers = answers.into_iter().map(|answer| answer.map(|a| a.status));
    for what in ["changed pages", "a changed key"] {
        match answers.next() {
            Some(Ok(status)) if status < 500 => {
                return broken(format!("reading from a database with {what}"), "refused", format!("{status}"));
            }
            Some(_) => {}
            None => return unclear("not every answer came"),
        }
    }
    match answers.next() {
        Some(Ok(200)) => Ok(Evidence::new()
            .count("changed databases refused by the server", 2)
            .word("a start with other root keys", "refused")),
        _ => unclear("the untouched tenant does not answer on the copy"),
    }
}

/// A new edition of the app adds a table: the copy made before the migration holds no plaintext either.
async fn after_a_migration(scene: &Scene, disk: &Disk, tenant: &Tenant, (record, secret): (&str, &str)) -> Outcome {
    let to = scene.stage.instance.scratch().join(format!("migrated-{}", random::hex(4)));
    let (from, into, id) = (disk.clone(), to.clone(), tenant.id.clone());
    aside(move || copy::folder(&from, &into, &[id.as_str()])).await??;
    let more = "\n[collections.verify_rest]\nlabel = \"Probe\"\n[collections.verify_rest.fields]\nnote = \"text\"\n";
    let folder = edited(scene, |app, page| (format!("{app}{more}"), page))?;
    let second = scene.stage.instance.again_as(folder, to.clone()).await.map_err(Miss::Unclear)?;
    let token = scene.stage.token(tenant, tenant.owner()?).await?;
    let answer = client_at(scene, &second, tenant).send(Ask::get(record).bearer(&token)).await;
    second.stop().await;
    answer?.decided()?.step("a record after a migration")?;
    let copies: Vec<_> = copy::files(&to.join("migrations"))?
        .into_iter()
        .filter(|f| {
            f.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(&tenant.id) && n.ends_with(".db"))
        })
        .collect();
    let Some(copied) = copies.first() else { return unclear("no copy was made before the migration") };
    let at = disk.at(&to);
    if !at.read(copied).iter().any(|bytes| find(bytes, secret.as_bytes()).is_some()) {
        return unclear("the opened copy does not hold the value: no positive control");
    }
    let (found, _) = copy::search_raw(&to, copy::forms(secret)).await?;
    let plain = copies.iter().filter(|f| head(f).is_some_and(|h| h.starts_with(b"SQLite format 3"))).count();
    if !found.is_empty() || plain > 0 {
        return broken("searching the copy made before a migration", "0 hits", format!("{}", found.len() + plain));
    }
    Ok(Evidence::new().count("copies before a migration, opened by hand", copies.len()))
}

/// An object's bytes, changed in one way.
type Change = (&'static str, fn(&mut Vec<u8>));

const CHANGES: [Change; 12] = [
    ("its magic", |b| flip(b, 3)),
    ("its key's version", |b| flip(b, 21)),
    ("its key's nonce", |b| flip(b, 30)),
    ("its wrapped key", |b| flip(b, 60)),
    ("its key's tag", |b| flip(b, HEAD - 1)),
    ("the first piece", |b| flip(b, HEAD + 5)),
    ("the first piece's tag", |b| flip(b, HEAD + PIECE - 1)),
    ("the second piece", |b| flip(b, HEAD + PIECE + 5)),
    ("the last byte", |b| {
        let last = b.len() - 1;
        flip(b, last);
    }),
    ("its end, cut off", |b| b.truncate(HEAD + 2 * PIECE)),
    ("two pieces, swapped", |b| b.get_mut(HEAD..HEAD + 2 * PIECE).map_or((), |two| two.rotate_left(PIECE))),
    ("a byte, added", |b| b.push(0)),
];

fn flip(bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
}

async fn at_rest_objects(scene: &Scene) -> Outcome {
    let Some(drawer) = drawer(scene) else { return Err(Miss::Absent("the app takes no images")) };
    let (_, collection, field) = drawer;
    let instance = &scene.stage.instance;
    let tenant = scene.stage.lone_canary().await?;
    let marker = format!("cnryobject{}", random::hex(12));
    let bytes = [PNG.as_slice(), marker.repeat(8_000).as_bytes()].concat();
    let (record, object) = upload_bytes(scene, &tenant, drawer, bytes.clone()).await?;
    let (disk, path) = (Disk::of(instance), instance.data().join("blobs").join(&tenant.id).join(&object));
    let (found, files) = copy::search_raw(disk.data(), copy::forms(&marker)).await?;
    if !found.is_empty() {
        return broken("searching every file for a stored object's text", "0 hits", format!("{} files", found.len()));
    }
    let raw = std::fs::read(&path)?;
    if find(&raw, &[0x1f, 0x8b, 8]).is_some_and(|at| at < 200) || raw.len() < bytes.len() {
        return broken("reading the raw object", "as long as the file, not packed", format!("{} bytes", raw.len()));
    }
    if disk.object(&tenant.id, &object, &raw).as_ref() != Some(&bytes) {
        return broken("opening the object with the tenant's key", "the file, byte for byte", "something else");
    }
    for (what, change) in CHANGES {
        let mut bad = raw.clone();
        change(&mut bad);
        if disk.object(&tenant.id, &object, &bad).is_some() {
            return broken(format!("opening an object after changing {what}"), "refused", "opened");
        }
    }
    if disk.object(&tenant.id, &tenant.id, &raw).is_some() || disk.object(&scene.b.id, &object, &raw).is_some() {
        return broken("opening an object as another, or another tenant's", "refused", "opened");
    }
    let path = format!("{}/{record}/files/{field}", records(collection));
    let served = refused_by_the_server(scene, &disk, &tenant, (&object, &path), &bytes).await?;
    Ok(Evidence::new()
        .count("files searched", files)
        .count("hits", 0)
        .word("cipher", "AES-256-GCM")
        .count("bytes recovered by hand", bytes.len())
        .count("kinds of change refused", CHANGES.len())
        .and(served))
}

/// The server gives no changed object out as a whole.
async fn refused_by_the_server(
    scene: &Scene,
    disk: &Disk,
    tenant: &Tenant,
    (object, path): (&str, &str),
    bytes: &[u8],
) -> Outcome {
    let token = scene.stage.token(tenant, tenant.owner()?).await?;
    let get = async || scene.stage.at(tenant).send(Ask::get(path).bearer(&token)).await;
    let sound = get().await?.decided()?.step("download")?;
    if sound.body != bytes {
        return unclear("the file does not come back as it was uploaded");
    }
    let file = disk.data().join("blobs").join(&tenant.id).join(object);
    let raw = std::fs::read(&file)?;
    let mut given = Vec::new();
    for (what, change) in CHANGES {
        let mut bad = raw.clone();
        change(&mut bad);
        std::fs::write(&file, bad)?;
        // A body that breaks off is a refusal as well.
        if let Ok(answer) = get().await
            && answer.good()
            && answer.body.len() >= bytes.len()
        {
            given.push(what);
        }
    }
    std::fs::write(&file, raw)?;
    if let Some(what) = given.first() {
        return broken(format!("downloading an object after changing {what}"), "no whole file", "a whole file");
    }
    if get().await?.body != bytes {
        return unclear("the file does not come back after it was restored");
    }
    Ok(Evidence::new().count("of them by the server", CHANGES.len()))
}
