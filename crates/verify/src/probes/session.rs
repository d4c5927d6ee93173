//! Sessions: tokens, their lives and ends, cookies, magic links, outside issuers.

use serde_json::{Value, json};

use super::{password::leaks, probe};
use crate::{
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    jwt,
    plan::Probe,
    random,
    run::Scene,
    stage::{Door, Person, Tenant, Tokens},
    wire::{Answer, Ask},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("auth.magic_link", Alone, magic_link),
    probe!("auth.access_token", Alone, access_token),
    probe!("auth.refresh_rotation", Alone, refresh_rotation),
    probe!("auth.refresh_reuse", Alone, refresh_reuse),
    probe!("auth.session_revoke", Together, session_revoke),
    probe!("auth.deactivation", Together, deactivation),
    probe!("auth.session_cookie", Together, session_cookie),
];

pub(super) fn own_sessions(scene: &Scene) -> Result<(), Miss> {
    if scene.stage.door() == Door::Delegated {
        Err(Miss::Absent("identity is delegated: sessions are the issuer's"))
    } else {
        Ok(())
    }
}

/// Status of a call with a token.
pub(super) async fn call(scene: &Scene, tenant: &Tenant, token: &str) -> Result<u16, Miss> {
    Ok(scene.stage.gate(tenant).send(Ask::get("/api/v1/me").bearer(token)).await?.decided()?.status)
}

async fn refresh(scene: &Scene, tenant: &Tenant, tokens: &Tokens) -> Result<Answer, Miss> {
    let body =
        json!({"refresh_token": tokens.refresh, "device": (!tokens.device.is_empty()).then_some(&tokens.device)});
    scene.stage.gate(tenant).send(Ask::post("/api/v1/auth/refresh", &body)).await?.decided()
}

/// The tokens that follow.
async fn turn(scene: &Scene, tenant: &Tenant, tokens: &Tokens) -> Result<Tokens, Miss> {
    let answer = refresh(scene, tenant, tokens).await?.step("refresh")?;
    let next = scene.stage.tokens_in(&answer)?;
    Ok(if next.device.is_empty() { Tokens { device: tokens.device.clone(), ..next } } else { next })
}

async fn someone(scene: &Scene) -> Result<Person, Miss> {
    scene.stage.person(&scene.a, scene.a.owner()?.role).await
}

async fn magic_link(scene: &Scene) -> Outcome {
    if scene.stage.door() != Door::MagicLink {
        return Err(Miss::Absent("magic links are not among the app's methods"));
    }
    let (a, life) = (&scene.a, scene.app.auth.magic_link.0);
    let use_link = async |tenant: &Tenant, token: &str| {
        scene.stage.gate(tenant).send(Ask::post("/api/v1/auth/magic", &json!({"token": token}))).await
    };
    let person = someone(scene).await?;
    let page = scene.stage.at(a).at_root(Ask::get("/sign-in")).await?.decided()?.step("sign-in page")?;
    if page.page().contains("type=\"password\"") {
        return broken("reading the sign-in page", "the link first", "a password field");
    }
    let token = scene.stage.magic_link(a, &person).await?;
    let (leaked, files) = leaks(scene, &token).await?;
    if leaked > 0 {
        return broken("searching every file for the link's token", "0 hits", format!("{leaked} of {files} files"));
    }
    for _ in 0..3 {
        scene.stage.at(a).at_root(Ask::get(format!("/auth/magic?token={token}"))).await?;
    }
    // Fifty browsers at the same moment, each from an address of its own.
    let all = futures_util::future::join_all((0..50).map(|_| use_link(a, &token))).await;
    let mut wins = 0;
    for answer in all {
        wins += usize::from(answer?.good());
    }
    if wins != 1 {
        return broken("50 parallel uses after 3 GETs by a scanner", "1 win", format!("{wins}"));
    }
    let again = use_link(a, &token).await?.decided()?;
    if again.good() {
        return broken("the link again", "refused", format!("{}", again.status));
    }
    if a.host != scene.b.host {
        let token = scene.stage.magic_link(a, &someone(scene).await?).await?;
        let foreign = use_link(&scene.b, &token).await?.decided()?;
        if foreign.good() {
            return broken("the link at another tenant's host", "refused", format!("{}", foreign.status));
        }
    }
    for (did, wait, good) in
        [("a link 3 s before its end", life - 3_000, true), ("a link 2 s after its end", life + 2_000, false)]
    {
        let token = scene.stage.magic_link(a, &someone(scene).await?).await?;
        scene.stage.advance(wait).await?;
        let answer = use_link(a, &token).await?.decided()?;
        if answer.good() != good {
            return broken(did, if good { "signed in" } else { "refused" }, format!("{}", answer.status));
        }
    }
    Ok(Evidence::new()
        .count("parallel uses", 50)
        .count("wins", wins)
        .count("links spent by a scanner's GET", 0)
        .count("minutes", usize::try_from(life / 60_000).unwrap_or(0)))
}

async fn access_token(scene: &Scene) -> Outcome {
    own_sessions(scene)?;
    let (a, life) = (&scene.a, scene.app.sessions.access_token.0);
    let tokens = scene.stage.sign_in(a, &someone(scene).await?).await?;
    let (_, claims) = jwt::open(&tokens.access).ok_or(Miss::Unclear("the access token is no JWT".to_owned()))?;
    let number = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or(0);
    if (number("exp") - number("iat")) * 1000 != life {
        return broken(
            "reading exp and iat",
            format!("{} s", life / 1000),
            format!("{} s", number("exp") - number("iat")),
        );
    }
    // `exp` counts whole seconds: the token may have been made up to a second after its `iat`.
    scene.stage.advance(life - 4_000).await?;
    let before = call(scene, a, &tokens.access).await?;
    if before != 200 {
        return broken(format!("a call {} s after sign-in", life / 1000 - 4), "200", format!("{before}"));
    }
    scene.stage.advance(5_000).await?;
    let after = call(scene, a, &tokens.access).await?;
    if after != 401 {
        return broken(format!("a call {} s after sign-in", life / 1000 + 1), "401", format!("{after}"));
    }
    let later = altered(&tokens.access, "exp", &json!(number("exp") + 3600)).unwrap_or_default();
    let forged = call(scene, a, &later).await?;
    if forged != 401 {
        return broken("the token with a later exp", "401", format!("{forged}"));
    }
    Ok(Evidence::new()
        .count("seconds", usize::try_from(life / 1000).unwrap_or(0))
        .word("a second later", "401")
        .word("altered exp", "401"))
}

/// A token with one claim changed and the old signature.
pub(super) fn altered(token: &str, claim: &str, value: &Value) -> Option<String> {
    let mut parts = token.split('.');
    let (head, claims, tag) = (parts.next()?, parts.next()?, parts.next()?);
    let mut claims: Value = serde_json::from_slice(&jwt::unpack(claims)?).ok()?;
    claims.as_object_mut()?.insert(claim.to_owned(), value.clone());
    Some(format!("{head}.{}.{tag}", jwt::pack(claims.to_string().as_bytes())))
}

async fn refresh_rotation(scene: &Scene) -> Outcome {
    own_sessions(scene)?;
    let (a, window) = (&scene.a, scene.app.sessions.reuse_window.0);
    let first = scene.stage.sign_in(a, &someone(scene).await?).await?;
    let second = turn(scene, a, &first).await?;
    if second.refresh == first.refresh || second.refresh.is_empty() {
        return broken("a refresh", "a new refresh token", "the old one");
    }
    if call(scene, a, &second.access).await? != 200 {
        return broken("a call with the new access token", "200", "refused");
    }
    if window > 0 {
        let again = turn(scene, a, &first).await?;
        if again.refresh != second.refresh {
            return broken("the spent token within the declared window", "the same current token again", "another");
        }
        let stolen = Tokens { device: "another device".to_owned(), ..first.clone() };
        if refresh(scene, a, &stolen).await?.good() {
            return broken("the spent token within the window from another device", "refused", "accepted");
        }
    }
    // That, or reuse after the window, ends the family; a family of its own shows rotation after the window.
    let third = scene.stage.sign_in(a, &someone(scene).await?).await?;
    turn(scene, a, &third).await?;
    scene.stage.advance(window + 1_500).await?;
    let late = refresh(scene, a, &third).await?;
    if late.good() {
        return broken("the spent token after the declared window", "refused", format!("{}", late.status));
    }
    Ok(Evidence::new()
        .count("new token on each refresh", 1)
        .count("seconds of retry window", usize::try_from(window / 1000).unwrap_or(0))
        .word("spent token after it", "refused"))
}

async fn refresh_reuse(scene: &Scene) -> Outcome {
    own_sessions(scene)?;
    let (a, window) = (&scene.a, scene.app.sessions.reuse_window.0);
    let person = someone(scene).await?;
    let (stolen, other) = (scene.stage.sign_in(a, &person).await?, scene.stage.sign_in(a, &person).await?);
    let mut latest = stolen.clone();
    for _ in 0..2 {
        latest = turn(scene, a, &latest).await?;
        scene.stage.advance(window + 1_500).await?;
    }
    let replay = refresh(scene, a, &stolen).await?;
    if replay.good() {
        return broken("a token two generations old", "401", format!("{}", replay.status));
    }
    let (access, newest) = (call(scene, a, &latest.access).await?, refresh(scene, a, &latest).await?);
    if access != 401 || newest.good() {
        return broken(
            "the newest tokens of that family after the replay",
            "401",
            format!("{access} and {}", newest.status),
        );
    }
    if call(scene, a, &other.access).await? != 200 {
        return broken("another family of the same user", "200", "refused");
    }
    // At once: one generation old, within no window or after it.
    let family = scene.stage.sign_in(a, &person).await?;
    let next = turn(scene, a, &family).await?;
    scene.stage.advance(window + 1_500).await?;
    let replay = refresh(scene, a, &family).await?;
    if replay.good() || call(scene, a, &next.access).await? != 401 {
        return broken(
            "a spent token once the window is over",
            "401, and the family ends",
            format!("{}", replay.status),
        );
    }
    // A token that nobody issued changes nothing.
    let mut forged = other.clone();
    forged.refresh = flipped(&other.refresh);
    let answer = refresh(scene, a, &forged).await?;
    if answer.good() || call(scene, a, &other.access).await? != 200 {
        return broken(
            "a refresh token with one character changed",
            "401 and nothing changed",
            format!("{}", answer.status),
        );
    }
    // Sessions of a shared host are the house's, and so are their leaves.
    let leaves = if scene.app.tenant.membership_slug {
        super::host::house_leaves(scene).await?
    } else {
        scene.leaves(a).await?
    };
    let noted = leaves.iter().filter(|l| l.get("action").and_then(Value::as_str) == Some("session.reuse")).count();
    if noted == 0 {
        return broken("reading the audit log after a replay", "a leaf about it", "none");
    }
    Ok(Evidence::new()
        .count("families ended by a replay", 2)
        .count("other families ended", 0)
        .count("audit leaves", noted))
}

/// With another last character.
pub(super) fn flipped(token: &str) -> String {
    let mut chars: Vec<char> = token.chars().collect();
    if let Some(middle) = chars.get_mut(token.len() / 2) {
        *middle = if *middle == 'A' { 'B' } else { 'A' };
    }
    chars.into_iter().collect()
}

async fn session_revoke(scene: &Scene) -> Outcome {
    own_sessions(scene)?;
    let a = &scene.a;
    let person = someone(scene).await?;
    let mut old = Vec::new();
    for _ in 0..3 {
        old.push(scene.stage.sign_in(a, &person).await?);
    }
    let first = old.first().ok_or_else(|| Miss::Unclear("no session".to_owned()))?;
    let by_password = scene.stage.door() == Door::Password;
    let answer = if by_password {
        let fresh = format!("Alder-{}", random::hex(8));
        let ask =
            Ask::post("/api/v1/auth/password", &json!({"old": person.password, "new": fresh})).bearer(&first.access);
        scene.stage.gate(a).send(ask).await?.decided()?.step("change of password")?
    } else {
        let ask = Ask::post("/api/v1/auth/sign-out-everywhere", &json!({})).bearer(&first.access);
        let answer = scene.stage.gate(a).send(ask).await?.decided()?;
        if answer.status == 400 {
            scene
                .stage
                .gate(a)
                .send(Ask::new("POST", "/api/v1/auth/sign-out-everywhere").bearer(&first.access))
                .await?
                .decided()?
                .step("sign out everywhere")?
        } else {
            answer.step("sign out everywhere")?
        }
    };
    for tokens in &old {
        let (access, turned) = (call(scene, a, &tokens.access).await?, refresh(scene, a, tokens).await?);
        if access != 401 || turned.good() {
            return broken(
                "tokens from before, on the next request",
                "401 and 401",
                format!("{access} and {}", turned.status),
            );
        }
    }
    if by_password {
        let fresh = scene.stage.tokens_in(&answer)?;
        if call(scene, a, &fresh.access).await? != 200 {
            return broken("the newly issued token of the one who changed it", "200", "refused");
        }
    }
    Ok(Evidence::new()
        .count("sessions ended on the next request", old.len())
        .word("by", if by_password { "change of password" } else { "sign-out everywhere" }))
}

async fn deactivation(scene: &Scene) -> Outcome {
    let a = &scene.a;
    let person = someone(scene).await?;
    let tokens = scene.stage.sign_in(a, &person).await?;
    let before = call(scene, a, &tokens.access).await?;
    if before != 200 {
        return unclear(format!("the token answered {before} before the deactivation"));
    }
    scene.stage.instance.admin(&json!({"do": "user.deactivate", "as": "verify", "email": person.email})).await?;
    let done = std::time::Instant::now();
    let after = call(scene, a, &tokens.access).await?;
    let took = done.elapsed();
    if after == 200 {
        return broken("a call with a live token after the deactivation", "401", "200");
    }
    if !tokens.refresh.is_empty() && refresh(scene, a, &tokens).await?.good() {
        return broken("a refresh after the deactivation", "401", "200");
    }
    let again = scene.stage.sign_in(a, &person).await;
    if scene.stage.door() == Door::Password && again.is_ok() {
        return broken("signing in after the deactivation", "refused", "signed in");
    }
    Ok(Evidence::new().millis("refused after", took).count("seconds promised at most", 300))
}

async fn session_cookie(scene: &Scene) -> Outcome {
    own_sessions(scene)?;
    let a = &scene.a;
    let person = someone(scene).await?;
    let ask = match scene.stage.door() {
        Door::Password => Ask::post(
            "/api/v1/auth/sign-in",
            &json!({"email": person.email, "password": person.password, "cookies": true}),
        ),
        _ => {
            let token = scene.stage.magic_link(a, &person).await?;
            Ask::post("/api/v1/auth/magic", &json!({"token": token, "cookies": true}))
        }
    };
    let answer =
        scene.stage.gate(a).send(ask.header("origin", &a.origin())).await?.decided()?.step("sign in for cookies")?;
    let cookies: Vec<&str> = answer.all("set-cookie").collect();
    if cookies.is_empty() {
        return broken("signing in for cookies", "cookies", "none");
    }
    for cookie in &cookies {
        let lower = cookie.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split(';').map(str::trim).collect();
        let has = |name: &str| parts.contains(&name);
        let same_site = has("samesite=lax") || has("samesite=strict");
        let path = has("path=/") && !parts.iter().any(|p| p.starts_with("domain"));
        if !(cookie.starts_with("__Host-") && has("httponly") && has("secure") && same_site && path) {
            return broken(
                "reading every Set-Cookie of a sign-in",
                "__Host-, HttpOnly, Secure, SameSite, Path=/",
                "one without",
            );
        }
    }
    if !answer.text("access_token").is_empty() {
        return broken("signing in for cookies", "no token that scripts could read", "one in the body");
    }
    let session = cookies.iter().find_map(|c| c.strip_prefix("__Host-session=")?.split(';').next()).unwrap_or_default();
    let used = scene.stage.gate(a).send(Ask::get("/api/v1/me").cookie(session)).await?.decided()?;
    if !used.good() {
        return broken("a call with the session cookie", "200", format!("{}", used.status));
    }
    Ok(Evidence::new().count("cookies, each __Host-, HttpOnly, Secure, SameSite", cookies.len()))
}
