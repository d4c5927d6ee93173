//! Tokens that somebody else made, or made up.

use serde_json::{Value, json};

use super::{
    password::leaks,
    probe,
    session::{altered, call, flipped, own_sessions},
};
use crate::{
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    jwt::{self, Issuer},
    plan::Probe,
    random,
    run::Scene,
    stage::Door,
    wire::Ask,
};

pub(super) const PROBES: &[Probe] = &[
    probe!("auth.session_jwt", Together, session_jwt),
    probe!("auth.external_jwt", Together, external_jwt),
    probe!("auth.delegated_mode", Together, delegated_mode),
];

async fn session_jwt(scene: &Scene) -> Outcome {
    own_sessions(scene)?;
    let a = &scene.a;
    let token = scene.stage.sign_in(a, a.owner()?).await?.access;
    let Some((head, claims)) = jwt::open(&token) else {
        return broken("reading the access token", "a JWT", "something else");
    };
    if head.get("kid").and_then(Value::as_str).is_none_or(str::is_empty) {
        return broken("reading the token's header", "a kid", "none");
    }
    let alg = match head.get("alg").and_then(Value::as_str) {
        Some("HS256") => "HS256",
        Some("EdDSA") => "EdDSA",
        _ => return broken("reading the token's header", "HS256 or EdDSA", "another alg"),
    };
    let with = |alg: &str| {
        let mut head = head.clone();
        if let Some(head) = head.as_object_mut() {
            head.insert("alg".to_owned(), alg.into());
        }
        head
    };
    let mut forged = vec![
        jwt::none(&claims),
        jwt::hs256(&random::bytes::<32>(), &head, &claims),
        jwt::hs256(&[], &head, &claims),
        jwt::hs256(&[0; 32], &head, &claims),
    ];
    forged.push(jwt::hs256(b"secret", &head, &claims));
    forged.extend([
        Issuer::new("k")?.with_header(&with("ES256"), &claims),
        jwt::hs256(&random::bytes::<32>(), &with("HS512"), &claims),
    ]);
    forged.extend(
        [altered(&token, "sub", &json!(scene.b.owner()?.user)), altered(&token, "tid", &json!(scene.b.id))]
            .into_iter()
            .flatten(),
    );
    forged.extend([
        flipped(&token),
        token.rsplit_once('.').map(|(t, _)| format!("{t}.")).unwrap_or_default(),
        format!("{token}AAAA"),
    ]);
    for (i, forged) in forged.iter().enumerate() {
        let status = call(scene, a, forged).await?;
        if status != 401 {
            return broken(
                format!("forged token {} (alg none, other keys, altered claims)", i + 1),
                "401",
                format!("{status}"),
            );
        }
    }
    if call(scene, a, &token).await? != 200 {
        return unclear("the honest token is refused too");
    }
    let in_query = scene.stage.gate(a).send(Ask::get(format!("/api/v1/me?access_token={token}"))).await?.decided()?;
    if in_query.good() {
        return broken("the token in the query", "refused", format!("{}", in_query.status));
    }
    Ok(Evidence::new()
        .word("algorithm", alg)
        .count("forged tokens refused with 401", forged.len())
        .and(short_key(scene).await?))
}

/// A session key below the declared length: the server must not start with it.
async fn short_key(scene: &Scene) -> Outcome {
    let Some(manifest::Pointer::Env(name)) = &scene.app.sessions.key else { return Ok(Evidence::new()) };
    let code = super::host::refused_start(scene, &[(name, "736f73686f7274")], None).await?;
    match code {
        Some(2) => Ok(Evidence::new().word("a short session key", "refused at start")),
        other => broken(
            "starting with a session key of 56 bits",
            "exit 2",
            other.map_or_else(|| "it started".to_owned(), |c| format!("exit {c}")),
        ),
    }
}

async fn external_jwt(scene: &Scene) -> Outcome {
    let (a, b) = (&scene.a, &scene.b);
    let Some(declared) = &scene.app.auth.issuer else {
        // Without an outside issuer the app's own tokens are the only ones: a foreign one opens nothing.
        return own_issuer(scene).await;
    };
    let owner = a.owner()?;
    let ours = &scene.stage.instance.issuer;
    let good = scene.stage.claims(a, owner);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        if let Some(claims) = claims.as_object_mut() {
            if value.is_null() {
                claims.remove(name);
            } else {
                claims.insert(name.to_owned(), value);
            }
        }
        claims
    };
    if call(scene, a, &ours.token(&good)).await? != 200 {
        return unclear("the issuer's honest token is refused");
    }
    let now = scene.stage.now().seconds();
    let stranger = Issuer::new("verify-1")?;
    let head = json!({"alg": "HS256", "typ": "JWT", "kid": "verify-1"});
    let bad: Vec<(&str, String)> = vec![
        ("another issuer's key under the same kid", stranger.token(&good)),
        ("an unknown kid", Issuer::new("verify-9")?.token(&good)),
        ("alg none", jwt::none(&good)),
        ("HS256 with the public key", jwt::hs256(&ours.public, &head, &good)),
        ("expired", ours.token(&with("exp", json!(now - 120)))),
        ("without exp", ours.token(&with("exp", Value::Null))),
        ("not yet valid", ours.token(&with("nbf", json!(now + 600)))),
        ("wrong issuer", ours.token(&with("iss", json!("https://evil.example")))),
        ("without issuer", ours.token(&with("iss", Value::Null))),
        ("wrong audience", ours.token(&with("aud", json!("another")))),
        ("without audience", ours.token(&with("aud", Value::Null))),
        ("without subject", ours.token(&with("sub", Value::Null))),
        ("flipped signature", flipped(&ours.token(&good))),
    ];
    for (what, token) in &bad {
        let status = call(scene, a, token).await?;
        if status != 401 {
            return broken(format!("a token: {what}"), "401", format!("{status}"));
        }
    }
    for token in
        [ours.token(&with(&declared.tenant_claim, Value::Null)), ours.token(&with(&declared.tenant_claim, json!(b.id)))]
    {
        let status = call(scene, a, &token).await?;
        if status == 200 && scene.stage.at(a).send(Ask::get("/api/v1/tenant").bearer(&token)).await?.good() {
            return broken("a token without this tenant's claim", "a stranger's answer", "200");
        }
    }
    let in_query = scene
        .stage
        .gate(a)
        .send(Ask::get(format!("/api/v1/me?access_token={}", ours.token(&good))))
        .await?
        .decided()?;
    if in_query.good() {
        return broken("the token in the query", "401", format!("{}", in_query.status));
    }
    Ok(Evidence::new()
        .count("bad tokens refused with 401", bad.len() + 1)
        .count("tokens of another tenant's claim let in", 0))
}

async fn own_issuer(scene: &Scene) -> Outcome {
    let (a, b) = (&scene.a, &scene.b);
    let owner = a.owner()?;
    let token = scene.stage.token(a, owner).await?;
    let (head, claims) = jwt::open(&token).ok_or_else(|| Miss::Unclear("the access token is no JWT".to_owned()))?;
    let foreign = [
        Issuer::new("k")?.token(&claims),
        jwt::hs256(&random::bytes::<32>(), &head, &claims),
        jwt::none(&claims),
        altered(&token, "iss", &json!("https://evil.example")).unwrap_or_default(),
        altered(&token, "exp", &json!(scene.stage.now().seconds() - 60)).unwrap_or_default(),
        "nonsense".to_owned(),
        "a.b.c".to_owned(),
    ];
    for token in &foreign {
        let status = call(scene, a, token).await?;
        if status != 401 {
            return broken("a foreign, unsigned or altered token", "401", format!("{status}"));
        }
    }
    let none = scene.stage.gate(a).send(Ask::get("/api/v1/me")).await?.decided()?;
    if none.status != 401 {
        return broken("no token", "401", format!("{}", none.status));
    }
    // A token made for one tenant at another's host: a stranger's answer on every route that holds data.
    if a.host != b.host {
        let stranger = scene.stage.gate(b).send(Ask::get("/api/v1/members").bearer(&token)).await?.decided()?;
        if stranger.status != 404 {
            return broken("A's token at B's host", "404, as a stranger's", format!("{}", stranger.status));
        }
    }
    Ok(Evidence::new().count("bad tokens refused with 401", foreign.len() + 1).word("issuer", "our own"))
}

async fn delegated_mode(scene: &Scene) -> Outcome {
    if scene.stage.door() != Door::Delegated {
        return Err(Miss::Absent("the app keeps identities itself"));
    }
    let a = &scene.a;
    let secret = format!("Rowan-{}", random::hex(10));
    let doors = [
        "/api/v1/auth/sign-in",
        "/api/v1/auth/sign-up",
        "/api/v1/auth/password",
        "/api/v1/auth/reset-request",
        "/api/v1/auth/reset",
        "/api/v1/auth/magic-link",
        "/api/v1/auth/magic",
        "/api/v1/auth/verify",
        "/scim/v2/Users",
        "/sign-in",
        "/dev/sign-in",
    ];
    let api = scene.stage.openapi(a).await?;
    if let Some(door) = api.operations.iter().find(|o| o.path.contains("password") || o.path.contains("/reset")) {
        return broken("reading the OpenAPI document", "no password route", door.path.clone());
    }
    let mut tried = 0;
    for host in scene.stage.hosts(a) {
        for door in doors {
            let email = format!("someone-{}@canary.example", random::hex(4));
            let body = json!({"email": email, "password": secret, "new": secret, "old": secret, "token": secret});
            let answer = scene.stage.client(&host, "").at_root(Ask::post(door, &body)).await?.decided()?;
            tried += 1;
            if !matches!(answer.status, 404 | 405) {
                return broken(format!("POST {door} with a password"), "404", format!("{}", answer.status));
            }
        }
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let (found, files) = leaks(scene, &secret).await?;
    if found > 0 {
        return broken(
            "searching every file for the password that was tried",
            "0 hits",
            format!("{found} of {files} files"),
        );
    }
    let rows = super::host::count_like(scene, &["$argon2", "$2a$", "$2b$", "$2y$"]).await?;
    if rows > 0 {
        return broken("searching control.db for password hashes", "0", format!("{rows}"));
    }
    Ok(Evidence::new()
        .count("password doors refused", tried)
        .count("password rows", rows)
        .count("files with the tried password", found))
}
