//! Passwords: how they are kept, lockout, confirmation and reset.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use super::probe;
use crate::{
    copy,
    disk::Disk,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    plan::Probe,
    random,
    run::Scene,
    stage::{Door, Person, Tenant, token_in},
    wire::{Answer, Ask, Client},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("auth.password_hash", Together, password_hash),
    probe!("auth.hash_upgrade", Together, hash_upgrade),
    probe!("auth.lockout", Alone, lockout),
    probe!("auth.email_verify", Alone, email_verify),
    probe!("auth.password_reset", Alone, password_reset),
];

/// Only apps with passwords of their own have these.
fn passwords(scene: &Scene) -> Result<(), Miss> {
    match scene.stage.door() {
        Door::Password => Ok(()),
        Door::Delegated => Err(Miss::Absent("identity is delegated: there are no passwords")),
        Door::MagicLink => Err(Miss::Absent("people sign in without a password")),
    }
}

/// Files of a data folder that hold a secret in any form.
pub(super) async fn leaks(scene: &Scene, secret: &str) -> Result<(usize, usize), Miss> {
    let instance = &scene.stage.instance;
    let forms = copy::forms(secret);
    let (found, all) = copy::search(&Disk::of(instance), forms.clone()).await?;
    let (log, err) = instance.logs();
    let said = usize::from(log.contains(secret)) + usize::from(err.contains(secret));
    Ok((found.len() + said, all + 2))
}

async fn password_hash(scene: &Scene) -> Outcome {
    passwords(scene)?;
    let earlier = stored(scene).await?;
    let (a, person) = (&scene.a, scene.stage.person(&scene.a, scene.a.owner()?.role).await?);
    scene.stage.sign_in(a, &person).await?;
    let wrong = format!("wrong-{}", random::hex(8));
    let _refused = scene.stage.password(&scene.stage.gate(a), &person.email, &wrong).await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    for secret in [&person.password, &wrong] {
        let (found, files) = leaks(scene, secret).await?;
        if found > 0 {
            return broken(
                "searching every file and log for a password that was used",
                "0 hits",
                format!("{found} of {files} files"),
            );
        }
    }
    // bcrypt reads 72 bytes: longer passwords must be refused, never cut silently.
    let bcrypt = scene.app.auth.password == manifest::PasswordScheme::Bcrypt;
    if bcrypt {
        let token = scene.stage.token(a, &person).await?;
        let long = format!("Aa1-{}", "x".repeat(80));
        let ask = Ask::post("/api/v1/auth/password", &json!({"old": person.password, "new": long})).bearer(&token);
        let answer = scene.stage.gate(a).send(ask).await?.decided()?;
        if answer.good() {
            return broken("setting a password of 84 bytes", "refused: bcrypt reads 72", format!("{}", answer.status));
        }
    }
    let hashes = stored(scene).await?;
    if hashes.is_empty() {
        return unclear("no stored hash was found: the probe has no positive control");
    }
    for phc in &hashes {
        if let Err(why) = strong(phc, bcrypt) {
            return broken("reading every stored password hash", "the declared scheme at its floor or above", why);
        }
    }
    // One of them is this person's: it opens with the password and with nothing else.
    let (right, mistaken) = (person.password.clone(), wrong.clone());
    // Costly by design, so only those that are new are tried.
    let tried: Vec<String> = hashes.difference(&earlier).cloned().collect();
    let opened =
        copy::aside(move || tried.into_iter().find(|phc| opens(phc, &right)).map(|phc| opens(&phc, &mistaken))).await?;
    match opened {
        Some(false) => {}
        Some(true) => return broken("opening a stored hash with another password", "it does not open", "it opens"),
        None => {
            return broken("opening the stored hashes with a password that signs in", "one of them opens", "none does");
        }
    }
    Ok(Evidence::new()
        .count("stored hashes", hashes.len())
        .word("opened by the password alone", "as the standard says")
        .word("all of scheme", if bcrypt { "bcrypt" } else { "argon2id" })
        .count("files with a plain password", 0))
}

/// Whether a hash in the standard form is of this password, computed here.
fn opens(phc: &str, password: &str) -> bool {
    if phc.starts_with("$2") {
        return bcrypt::verify(password, phc.get(..60).unwrap_or(phc)).unwrap_or(false);
    }
    argon2id(phc, password).unwrap_or(false)
}

/// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, both in base64 without padding (the PHC string format).
fn argon2id(phc: &str, password: &str) -> Option<bool> {
    use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD as B64};
    let mut parts = phc.strip_prefix("$argon2id$v=19$")?.split('$');
    let (costs, salt, hash) = (parts.next()?, B64.decode(parts.next()?).ok()?, parts.next()?);
    let cost = |name: &str| costs.split(',').find_map(|c| c.strip_prefix(name)?.parse::<u32>().ok());
    // What was read from raw pages may go on behind the hash: 32 bytes are 43 letters.
    let hash = B64.decode(hash.get(..43)?).ok()?;
    let params = argon2::Params::new(cost("m=")?, cost("t=")?, cost("p=")?, Some(hash.len())).ok()?;
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut out = vec![0; hash.len()];
    hasher.hash_password_into(password.as_bytes(), &salt, &mut out).ok()?;
    Some(out == hash)
}

/// How a stored hash begins, whatever its scheme.
const MARKERS: [&str; 9] = ["$argon2", "$2a$", "$2b$", "$2y$", "$scrypt$", "$pbkdf2", "$1$", "$5$", "$6$"];

/// Characters of the shortest hash there is: md5-crypt without a salt (`$1$$` and 22). Three letters alone turn up by chance
/// in sealed values.
const SHORTEST: usize = 26;

/// Every text column of the database server that holds something that looks like a password hash.
async fn served(url: &str) -> Result<BTreeSet<String>, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let running = tokio::spawn(connection);
    let columns = "SELECT quote_ident(table_schema), quote_ident(table_name), quote_ident(column_name) \
                   FROM information_schema.columns WHERE table_schema IN ('house', 'tenants') AND data_type = 'text'";
    let mut out = BTreeSet::new();
    for row in client.query(columns, &[]).await? {
        let (schema, table, column): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let sql = format!("SELECT DISTINCT {column} FROM {schema}.{table} WHERE {column} LIKE '$%'");
        let Ok(values) = client.query(&sql, &[]).await else { continue };
        let texts = values.iter().map(|v| v.get::<_, String>(0));
        out.extend(texts.filter(|text| MARKERS.iter().any(|m| text.starts_with(m))));
    }
    drop(client);
    let _ended = running.await;
    Ok(out)
}

/// Every text in control.db that looks like a password hash.
async fn stored(scene: &Scene) -> Result<BTreeSet<String>, Miss> {
    if let Some(url) = &scene.stage.instance.setup().database {
        return served(url).await.map_err(|_| Miss::Unclear("postgres: the hashes could not be read".to_owned()));
    }
    let to = scene.stage.instance.scratch().join(format!("control-{}.db", random::hex(4)));
    let control =
        copy::files(scene.stage.instance.data())?.into_iter().filter(|f| f.extension().is_some_and(|e| e == "db"));
    let mut out = BTreeSet::new();
    for file in control {
        copy::database(&Disk::of(&scene.stage.instance), &file, &to)
            .map_err(|e| Miss::Unclear(format!("sqlite: {e}")))?;
        let bytes = std::fs::read(&to)?;
        let _gone = std::fs::remove_file(&to);
        for marker in MARKERS {
            let mut rest = bytes.as_slice();
            while let Some(at) = crate::wire::find(rest, marker.as_bytes()) {
                let text: Vec<u8> = rest
                    .get(at..)
                    .unwrap_or_default()
                    .iter()
                    .copied()
                    .take_while(|b| b.is_ascii_graphic())
                    .take(140)
                    .collect();
                if text.len() >= SHORTEST {
                    out.insert(String::from_utf8_lossy(&text).into_owned());
                }
                rest = rest.get(at + marker.len()..).unwrap_or_default();
            }
        }
    }
    Ok(out)
}

/// Whether a hash is of the declared scheme with parameters at its floor or above.
fn strong(phc: &str, bcrypt: bool) -> Result<(), String> {
    if bcrypt {
        let cost = phc.strip_prefix("$2b$").and_then(|r| r.split('$').next()).and_then(|c| c.parse::<u32>().ok());
        return match cost {
            Some(12..) => Ok(()),
            Some(cost) => Err(format!("bcrypt of cost {cost}")),
            None => Err("another scheme than bcrypt".to_owned()),
        };
    }
    let parameters =
        phc.strip_prefix("$argon2id$v=19$").and_then(|r| r.split('$').next()).ok_or("another scheme than argon2id")?;
    let value = |name: &str| parameters.split(',').find_map(|p| p.strip_prefix(name)?.parse::<u32>().ok()).unwrap_or(0);
    let (m, t, p) = (value("m="), value("t="), value("p="));
    if m >= 19_456 && t >= 2 && p >= 1 { Ok(()) } else { Err(format!("argon2id with m={m}, t={t}, p={p}")) }
}

async fn hash_upgrade(scene: &Scene) -> Outcome {
    if scene.stage.door() != Door::Delegated {
        return Err(Miss::Unbuilt(
            "shown where identity is delegated; a weaker hash that is replaced at sign-in is not planted yet",
        ));
    }
    // Whoever brings a password along is turned down, so that nothing is hashed that nobody needs.
    let mut refused = 0;
    for password in [
        "Rowan-plain-word-1",
        "$2a$05$abcdefghijklmnopqrstuu5Lr0g67tHJ6zpbP7kkEJUhuHqBVBC6W",
        "5f4dcc3b5aa765d61d8327deb882cf99",
    ] {
        let order = json!({"do": "member.add", "as": "verify", "tenant": scene.a.id, "name": "Canary", "role": scene.a.owner()?.role,
            "email": format!("import-{}@canary.example", random::hex(4)), "subject": format!("sub-{}", random::hex(4)), "password": password});
        if scene.stage.instance.admin(&order).await.is_ok() {
            return broken("bringing in a person with a password", "turned down", "taken");
        }
        refused += 1;
    }
    let hashes = stored(scene).await?;
    if !hashes.is_empty() {
        return broken("searching the databases for password hashes of any kind", "0", format!("{}", hashes.len()));
    }
    Ok(Evidence::new().count("people with a password turned down", refused).count("hashes, old or new", 0))
}

/// Tries, slowly enough for the rate of one account, and returns the answer.
async fn attempt(scene: &Scene, client: &Client, email: &str, password: &str) -> Result<Answer, Miss> {
    scene.stage.advance(25_000).await?;
    scene.stage.password(client, email, password).await?.decided()
}

async fn lockout(scene: &Scene) -> Outcome {
    passwords(scene)?;
    let a = &scene.a;
    let (failures, lasts) = (scene.app.auth.lockout.failures, scene.app.auth.lockout.lasts.0);
    let role = a.owner()?.role;
    let person = scene.stage.person(a, role).await?;
    let client = scene.stage.gate(a);
    for round in 0..2 {
        for _ in 1..failures {
            attempt(scene, &client, &person.email, "not the password").await?;
        }
        let answer = attempt(scene, &client, &person.email, &person.password).await?;
        if !answer.good() {
            return broken(
                format!("{} wrong, then right (round {})", failures - 1, round + 1),
                "signed in",
                format!("{}", answer.status),
            );
        }
    }
    // The same tries on an account and on an address that nobody has.
    let (known, unknown) = (
        row(scene, &person.email, failures).await?,
        row(scene, &format!("nobody-{}@canary.example", random::hex(5)), failures).await?,
    );
    if known != unknown {
        return broken(
            "the same tries on an account and on an unknown address",
            "the same statuses and bodies",
            "different ones",
        );
    }
    let locked = attempt(scene, &client, &person.email, &person.password).await?;
    if locked.good() {
        return broken(format!("{failures} wrong, then right"), "refused", format!("{}", locked.status));
    }
    let person = scene.stage.person(a, role).await?;
    row(scene, &person.email, failures).await?;
    let struck = scene.stage.now();
    for (name, after, opens) in [("just before", lasts - 2_500, false), ("just after", lasts + 1_500, true)] {
        let wait = after - scene.stage.now().since(struck);
        scene.stage.advance(wait).await?;
        let answer = scene.stage.password(&scene.stage.gate(a), &person.email, &person.password).await?.decided()?;
        if answer.good() != opens {
            return broken(
                format!("the right password {name} the lock ends"),
                if opens { "signed in" } else { "refused" },
                format!("{}", answer.status),
            );
        }
    }
    Ok(Evidence::new()
        .count("failures lock", usize::try_from(failures).unwrap_or(0))
        .count("minutes", usize::try_from(lasts / 60_000).unwrap_or(0))
        .count("a success resets", 2)
        .count("differences for an unknown account", 0))
}

/// `failures` wrong tries and one more: what came back.
async fn row(scene: &Scene, email: &str, failures: u32) -> Result<Vec<(u16, Vec<u8>)>, Miss> {
    let client = scene.stage.gate(&scene.a);
    let mut out = Vec::new();
    for _ in 0..failures {
        let answer = attempt(scene, &client, email, "not the password").await?;
        out.push((answer.status, answer.body));
    }
    Ok(out)
}

/// Signs up at the apex; returns the address and the confirmation's token.
async fn sign_up(scene: &Scene, door: Door) -> Result<(Person, String), Miss> {
    let tag = random::hex(6);
    let password = if door == Door::Password { format!("Rowan-{}", random::hex(8)) } else { String::new() };
    let person = Person {
        email: format!("new-{tag}@canary.example"),
        user: String::new(),
        role: "",
        password,
        subject: String::new(),
    };
    let mut body = json!({"email": person.email, "name": "Canary"});
    if let (Some(body), true) = (body.as_object_mut(), door == Door::Password) {
        body.insert("password".to_owned(), person.password.as_str().into());
    }
    let house = scene.stage.client(&scene.stage.apex(), "");
    let answer = house.at_root(Ask::post("/api/v1/auth/sign-up", &body)).await?.decided()?;
    answer.step("sign up")?;
    let mail = scene.stage.instance.mail.wait(&person.email, 0).await?;
    Ok((person, token_in(&mail.links())?))
}

async fn verify(scene: &Scene, token: &str) -> Result<Answer, Miss> {
    let house = scene.stage.client(&scene.stage.apex(), "");
    house.at_root(Ask::post("/api/v1/auth/verify", &json!({"token": token}))).await?.decided()
}

/// 64 hex digits: 32 random bytes.
fn shaped(token: &str) -> bool {
    token.len() == 64 && token.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

async fn email_verify(scene: &Scene) -> Outcome {
    let door = scene.stage.door();
    if door == Door::Delegated {
        return Err(Miss::Absent("identity is delegated: the issuer confirms addresses"));
    }
    scene.stage.needs(&scene.a, "POST", "/api/v1/auth/sign-up").await?;
    let life = scene.app.auth.verify.0;
    let house = || scene.stage.client(&scene.stage.apex(), "");
    let (person, token) = sign_up(scene, door).await?;
    if !shaped(&token) {
        return broken("reading the mailed token", "64 hex digits", format!("{} characters", token.len()));
    }
    let (leaked, files) = leaks(scene, &token).await?;
    if leaked > 0 {
        return broken("searching every file for the token", "0 hits", format!("{leaked} of {files} files"));
    }
    if door == Door::Password {
        let answer = house()
            .at_root(Ask::post("/api/v1/auth/sign-in", &json!({"email": person.email, "password": person.password})))
            .await?
            .decided()?;
        if answer.good() {
            return broken("signing in before the address is confirmed", "refused", format!("{}", answer.status));
        }
    }
    let opened = house().at_root(Ask::get(format!("/auth/verify?token={token}"))).await?.decided()?;
    let altered: String = token.chars().rev().collect();
    for (did, token, good) in [
        ("an altered token", &altered, false),
        ("the mailed token (after a GET by a scanner)", &token, true),
        ("the same token again", &token, false),
    ] {
        let answer = verify(scene, token).await?;
        if answer.good() != good {
            return broken(did, if good { "accepted" } else { "refused" }, format!("{}", answer.status));
        }
    }
    if door == Door::Password {
        let answer = house()
            .at_root(Ask::post("/api/v1/auth/sign-in", &json!({"email": person.email, "password": person.password})))
            .await?
            .decided()?;
        if !answer.good() {
            return broken("signing in after the address is confirmed", "signed in", format!("{}", answer.status));
        }
    }
    // Late by two seconds, and in time by three.
    for (did, wait, good) in
        [("a token 3 s before its end", life - 3_000, true), ("a token 2 s after its end", life + 2_000, false)]
    {
        let (_, token) = sign_up(scene, door).await?;
        scene.stage.advance(wait).await?;
        let answer = verify(scene, &token).await?;
        if answer.good() != good {
            return broken(did, if good { "accepted" } else { "refused" }, format!("{}", answer.status));
        }
    }
    let _page = opened;
    Ok(Evidence::new()
        .count("hex digits", 64)
        .count("hours", usize::try_from(life / 3_600_000).unwrap_or(0))
        .count("uses", 1)
        .count("sign-ins before confirmation", 0)
        .count("files with the token", 0))
}

async fn reset_token(scene: &Scene, tenant: &Tenant, person: &Person) -> Result<String, Miss> {
    let before = scene.stage.instance.mail.count(&person.email);
    let ask = Ask::post("/api/v1/auth/reset-request", &json!({"email": person.email}));
    scene.stage.gate(tenant).send(ask).await?.decided()?.step("reset request")?;
    token_in(&scene.stage.instance.mail.wait(&person.email, before).await?.links())
}

async fn reset(scene: &Scene, tenant: &Tenant, token: &str, password: &str) -> Result<Answer, Miss> {
    scene
        .stage
        .gate(tenant)
        .send(Ask::post("/api/v1/auth/reset", &json!({"token": token, "password": password})))
        .await?
        .decided()
}

async fn password_reset(scene: &Scene) -> Outcome {
    passwords(scene)?;
    scene.stage.needs(&scene.a, "POST", "/api/v1/auth/reset").await?;
    let (a, life) = (&scene.a, scene.app.auth.reset.0);
    let role = a.owner()?.role;
    let person = scene.stage.person(a, role).await?;
    let before = scene.stage.sign_in(a, &person).await?;
    let token = reset_token(scene, a, &person).await?;
    if !shaped(&token) {
        return broken("reading the mailed token", "64 hex digits", format!("{} characters", token.len()));
    }
    let (leaked, files) = leaks(scene, &token).await?;
    if leaked > 0 {
        return broken("searching every file for the token", "0 hits", format!("{leaked} of {files} files"));
    }
    let fresh = format!("Alder-{}", random::hex(8));
    let first = reset(scene, a, &token, &fresh).await?;
    if !first.good() {
        return broken("the mailed token", "accepted", format!("{}", first.status));
    }
    let again = reset(scene, a, &token, &format!("Alder-{}", random::hex(8))).await?;
    if again.good() {
        return broken("the same token again", "refused", format!("{}", again.status));
    }
    let old = scene.stage.gate(a).send(Ask::get("/api/v1/me").bearer(&before.access)).await?.decided()?;
    let turned = scene
        .stage
        .gate(a)
        .send(Ask::post("/api/v1/auth/refresh", &json!({"refresh_token": before.refresh, "device": before.device})))
        .await?
        .decided()?;
    if old.good() || turned.good() {
        return broken("the tokens from before the reset", "401", format!("{} and {}", old.status, turned.status));
    }
    for (did, password, good) in [("the old password", &person.password, false), ("the new password", &fresh, true)] {
        let answer = scene.stage.password(&scene.stage.gate(a), &person.email, password).await?.decided()?;
        if answer.good() != good {
            return broken(did, if good { "signed in" } else { "refused" }, format!("{}", answer.status));
        }
    }
    let mut seen = BTreeSet::from([token]);
    for (did, wait, good) in
        [("a token 3 s before its end", life - 3_000, true), ("a token 2 s after its end", life + 2_000, false)]
    {
        let person = scene.stage.person(a, role).await?;
        let token = reset_token(scene, a, &person).await?;
        scene.stage.advance(wait).await?;
        let answer = reset(scene, a, &token, &fresh).await?;
        if answer.good() != good {
            return broken(did, if good { "accepted" } else { "refused" }, format!("{}", answer.status));
        }
        seen.insert(token);
    }
    Ok(Evidence::new()
        .count("hex digits", 64)
        .count("minutes", usize::try_from(life / 60_000).unwrap_or(0))
        .count("uses", 1)
        .count("distinct tokens", seen.len())
        .count("sessions left", 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_below_the_floor_are_told() {
        assert_eq!(strong("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", false), Ok(()));
        assert!(strong("$argon2id$v=19$m=4096,t=2,p=1$c2FsdA$aGFzaA", false).is_err());
        assert!(strong("$argon2i$v=19$m=19456,t=2,p=1$c$a", false).is_err());
        assert_eq!(strong("$2b$12$abcdefghijklmnopqrstuv", true), Ok(()));
        assert!(strong("$2b$10$abcdefghijklmnopqrstuv", true).is_err());
        assert!(shaped(&"0f".repeat(32)) && !shaped(&"0F".repeat(32)));
    }
}
