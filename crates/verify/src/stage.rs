//! The people and tenants of a run: ordinary tenants with ordinary members, made over the admin socket.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Instant,
};

use kernel::Time;
use manifest::{App, Method};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    checked::Place,
    evidence::{Miss, unclear},
    instance::Instance,
    openapi::OpenApi,
    random,
    wire::{Answer, Ask, Client},
};

/// How an app's people sign in, as far as the prober can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Password.
    Password,
    /// Mailed link.
    MagicLink,
    /// A token of the outside issuer.
    Delegated,
}

/// One member of a canary tenant.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// Mail address.
    pub email: String,
    /// User id.
    pub user: String,
    /// Role id.
    pub role: &'static str,
    /// Password, where there are any.
    pub password: String,
    /// `sub` at the outside issuer.
    pub subject: String,
}

/// A canary tenant.
#[derive(Clone, Debug, Serialize)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its host with the port.
    pub host: String,
    /// Path before every path.
    pub prefix: String,
    /// `https`, or `http` on a development server.
    pub scheme: &'static str,
    /// One person per role, in the manifest's order.
    pub people: Vec<Person>,
}

impl Tenant {
    /// The person of the first role.
    ///
    /// # Errors
    /// Unclear when the server made no people.
    pub fn owner(&self) -> Result<&Person, Miss> {
        self.people.first().ok_or_else(|| Miss::Unclear("the canary has no people".to_owned()))
    }
    /// The origin that browsers see.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }
}

/// What a sign-in gives.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Access token.
    pub access: String,
    /// Refresh token; empty in delegated mode.
    pub refresh: String,
    /// The device secret, if one was given.
    pub device: String,
    pub(crate) made: (Instant, i64),
}

/// A running instance with the means to act on it.
pub struct Stage {
    /// The app.
    pub app: Arc<App>,
    /// The server.
    pub instance: Instance,
    /// When the run began.
    pub began: (Time, Instant),
    door: Door,
    next: AtomicU32,
    /// On another machine: the system picks our address.
    abroad: bool,
    moved: AtomicI64,
    tokens: Mutex<BTreeMap<String, Tokens>>,
    tenants: Mutex<Vec<String>>,
    openapi: OnceCell<OpenApi>,
}

/// How long a kept token is used, in milliseconds: well below any access token's life.
const FRESH: i64 = 120_000;

impl Stage {
    /// A stage on a ready instance.
    #[must_use]
    pub fn new(app: Arc<App>, instance: Instance, now: Time) -> Self {
        let door = match () {
            () if app.auth.issuer.is_some() => Door::Delegated,
            () if app.auth.methods.contains(&Method::Password) => Door::Password,
            () => Door::MagicLink,
        };
        Self {
            app,
            instance,
            began: (now, Instant::now()),
            door,
            next: AtomicU32::new(0),
            abroad: false,
            moved: AtomicI64::new(0),
            tokens: Mutex::default(),
            tenants: Mutex::default(),
            openapi: OnceCell::new(),
        }
    }
    /// The same for a server on another machine, unless it is this one.
    #[must_use]
    pub(crate) fn abroad(mut self) -> Self {
        self.abroad = !self.instance.net.address.ip().is_loopback();
        self
    }
    /// How people sign in.
    #[must_use]
    pub const fn door(&self) -> Door {
        self.door
    }
    /// The instance's time.
    #[must_use]
    pub fn now(&self) -> Time {
        let real = i64::try_from(self.began.1.elapsed().as_millis()).unwrap_or(0);
        self.began.0.plus(real + self.moved.load(Ordering::SeqCst))
    }
    /// The time outside, which no steering moves.
    #[must_use]
    pub fn real(&self) -> Time {
        self.began.0.plus(i64::try_from(self.began.1.elapsed().as_millis()).unwrap_or(0))
    }
    /// Moves the instance's clock on.
    ///
    /// # Errors
    /// Unclear when it cannot be moved.
    pub async fn advance(&self, millis: i64) -> Result<(), Miss> {
        self.instance.advance(millis).await?;
        self.moved.fetch_add(millis, Ordering::SeqCst);
        Ok(())
    }
    /// A loopback address nobody has used yet, so that no probe spends another's budget.
    pub fn source(&self) -> Ipv4Addr {
        if self.abroad {
            return Ipv4Addr::UNSPECIFIED;
        }
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let [_, a, b, c] = (n + 2).to_be_bytes();
        Ipv4Addr::new(127, a.wrapping_add(1), b, c)
    }
    /// Someone at a fresh address on any host.
    #[must_use]
    pub fn client(&self, host: &str, prefix: &str) -> Client {
        Client::new(self.instance.net.clone(), host.to_owned(), prefix.to_owned(), self.source())
    }
    /// Someone at a fresh address on a tenant's host.
    #[must_use]
    pub fn at(&self, tenant: &Tenant) -> Client {
        self.client(&tenant.host, &tenant.prefix)
    }
    /// Someone at a fresh address where people of a tenant sign in: its host, or the root of the shared one.
    #[must_use]
    pub fn gate(&self, tenant: &Tenant) -> Client {
        self.client(&tenant.host, "")
    }
    /// The apex host with the port.
    #[must_use]
    pub fn apex(&self) -> String {
        self.on(&self.instance.apex)
    }
    /// A host with the port.
    #[must_use]
    pub fn on(&self, name: &str) -> String {
        self.instance.on(name)
    }
    /// One host of each class: a tenant's (or the shared one), and the apex.
    #[must_use]
    pub fn hosts(&self, tenant: &Tenant) -> Vec<String> {
        vec![tenant.host.clone(), self.apex()]
    }
    /// Makes a canary tenant with one person of each role.
    ///
    /// # Errors
    /// Unclear with the server's words.
    pub async fn canary(&self) -> Result<Tenant, Miss> {
        let roles: Vec<&'static str> = self.app.roles.iter().map(|r| r.id).collect();
        self.canary_named(&format!("canary-{}", random::hex(5)), &roles).await
    }
    /// Makes a canary tenant with its owner alone: hashing a password is dear.
    ///
    /// # Errors
    /// Unclear with the server's words.
    pub async fn lone_canary(&self) -> Result<Tenant, Miss> {
        let roles: Vec<&'static str> = self.app.roles.iter().take(1).map(|r| r.id).collect();
        self.canary_named(&format!("canary-{}", random::hex(5)), &roles).await
    }
    /// Makes a canary tenant with a slug and roles of the caller's.
    ///
    /// # Errors
    /// Unclear with the server's words.
    pub async fn canary_named(&self, slug: &str, roles: &[&'static str]) -> Result<Tenant, Miss> {
        self.canary_made(slug, roles, None).await
    }
    /// Makes a canary tenant in one of the app's regions.
    ///
    /// # Errors
    /// Unclear with the server's words.
    pub async fn canary_in(&self, region: &str) -> Result<Tenant, Miss> {
        let roles: Vec<&'static str> = self.app.roles.iter().take(1).map(|r| r.id).collect();
        self.canary_made(&format!("canary-{}", random::hex(5)), &roles, Some(region)).await
    }
    async fn canary_made(&self, slug: &str, roles: &[&'static str], region: Option<&str>) -> Result<Tenant, Miss> {
        let people: Vec<Person> = roles.iter().map(|role| self.invent(role)).collect();
        let listed: Vec<Value> = people.iter().map(|p| self.described(p)).collect();
        let order = json!({"do": "tenant.create", "as": "verify", "slug": slug, "name": slug, "canary": true, "region": region, "people": listed});
        let made = self.instance.admin(&order).await?;
        let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, url) = (text(&made, "id"), text(&made, "url"));
        let (host, prefix) = place(&url);
        let told: Vec<Value> = made.get("people").and_then(Value::as_array).cloned().unwrap_or_default();
        let user_of =
            |email: &str| told.iter().find(|p| text(p, "email") == email).map(|p| text(p, "user")).unwrap_or_default();
        let people = people.into_iter().map(|p| Person { user: user_of(&p.email), ..p }).collect();
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).push(id.clone());
        let scheme = self.instance.scheme;
        Ok(Tenant { id, slug: slug.to_owned(), host, prefix, scheme, people })
    }
    /// Adds one more person to a tenant.
    ///
    /// # Errors
    /// Unclear with the server's words.
    pub async fn person(&self, tenant: &Tenant, role: &'static str) -> Result<Person, Miss> {
        let person = self.invent(role);
        self.join(tenant, &person, role).await
    }
    /// Adds someone who exists to a tenant.
    ///
    /// # Errors
    /// Unclear with the server's words.
    pub async fn join(&self, tenant: &Tenant, person: &Person, role: &'static str) -> Result<Person, Miss> {
        let mut order = self.described(person);
        if let Some(order) = order.as_object_mut() {
            order.insert("do".to_owned(), "member.add".into());
            order.insert("as".to_owned(), "verify".into());
            order.insert("tenant".to_owned(), tenant.id.as_str().into());
            order.insert("role".to_owned(), role.into());
        }
        let made = self.instance.admin(&order).await?;
        let user = made.get("user").and_then(Value::as_str).map_or_else(|| person.user.clone(), str::to_owned);
        Ok(Person { user, role, ..person.clone() })
    }
    fn invent(&self, role: &'static str) -> Person {
        let tag = random::hex(6);
        // A live server keeps this mail back; our own instance sends it to our sink.
        let domain = if self.instance.place == Place::Live { "sink.canary.example" } else { "canary.example" };
        let password = if self.door == Door::Password {
            format!("Rowan-{}-{}", random::hex(4), random::hex(4))
        } else {
            String::new()
        };
        Person {
            email: format!("{role}-{tag}@{domain}").replace('_', "-"),
            user: String::new(),
            role,
            password,
            subject: format!("sub-{tag}"),
        }
    }
    fn described(&self, p: &Person) -> Value {
        let password = if p.password.is_empty() { Value::Null } else { p.password.as_str().into() };
        let mut member = json!({"email": p.email, "name": "Canary", "role": p.role, "password": password});
        if self.door == Door::Delegated
            && let Some(member) = member.as_object_mut()
        {
            member.insert("subject".to_owned(), p.subject.as_str().into());
        }
        member
    }
    /// A live access token of a person at a tenant, kept for a while.
    ///
    /// # Errors
    /// Unclear when they cannot sign in.
    pub async fn token(&self, tenant: &Tenant, person: &Person) -> Result<String, Miss> {
        let key = format!("{} {}", tenant.id, person.email);
        let now = (Instant::now(), self.moved.load(Ordering::SeqCst));
        let kept = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(kept) = kept {
            let age =
                i64::try_from(now.0.duration_since(kept.made.0).as_millis()).unwrap_or(i64::MAX) + now.1 - kept.made.1;
            if (0..FRESH).contains(&age) {
                return Ok(kept.access);
            }
        }
        let tokens = self.sign_in(tenant, person).await?;
        let access = tokens.access.clone();
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(key, tokens);
        Ok(access)
    }
    /// Signs in anew, from a fresh address.
    ///
    /// # Errors
    /// Unclear when it does not work.
    pub async fn sign_in(&self, tenant: &Tenant, person: &Person) -> Result<Tokens, Miss> {
        let made = (Instant::now(), self.moved.load(Ordering::SeqCst));
        match self.door {
            Door::Delegated => {
                let access = self.instance.issuer.token(&self.claims(tenant, person));
                Ok(Tokens { access, refresh: String::new(), device: String::new(), made })
            }
            Door::Password => {
                let answer = self.password(&self.gate(tenant), &person.email, &person.password).await?;
                self.tokens_of(&answer.decided()?.step("sign in")?, made)
            }
            Door::MagicLink => {
                let link = self.magic_link(tenant, person).await?;
                let answer = self.gate(tenant).send(Ask::post("/api/v1/auth/magic", &json!({"token": link}))).await?;
                self.tokens_of(&answer.decided()?.step("magic link")?, made)
            }
        }
    }
    /// Asks for a magic link and takes its token out of the mail.
    ///
    /// # Errors
    /// Unclear when no mail comes.
    pub async fn magic_link(&self, tenant: &Tenant, person: &Person) -> Result<String, Miss> {
        let before = self.instance.mail.count(&person.email);
        let ask = Ask::post("/api/v1/auth/magic-link", &json!({"email": person.email}));
        self.gate(tenant).send(ask).await?.decided()?.step("magic link request")?;
        let mail = self.instance.mail.wait(&person.email, before).await?;
        token_in(&mail.links())
    }
    /// A try to sign in with a password, whatever comes of it.
    ///
    /// # Errors
    /// Unclear when no answer comes.
    pub async fn password(&self, client: &Client, email: &str, password: &str) -> Result<Answer, Miss> {
        client.send(Ask::post("/api/v1/auth/sign-in", &json!({"email": email, "password": password}))).await
    }
    /// Tokens out of an answer.
    ///
    /// # Errors
    /// Unclear when there are none.
    pub fn tokens_in(&self, answer: &Answer) -> Result<Tokens, Miss> {
        self.tokens_of(answer, (Instant::now(), self.moved.load(Ordering::SeqCst)))
    }
    fn tokens_of(&self, answer: &Answer, made: (Instant, i64)) -> Result<Tokens, Miss> {
        let access = answer.text("access_token");
        if access.is_empty() {
            return unclear("the answer to a sign-in has no access token");
        }
        let device = answer.all("set-cookie").find_map(|c| c.strip_prefix("__Host-device=")?.split(';').next());
        let device = device.map_or_else(|| answer.text("device"), str::to_owned);
        Ok(Tokens { access, refresh: answer.text("refresh_token"), device, made })
    }
    /// What a token of the outside issuer says about a person at a tenant.
    #[must_use]
    pub fn claims(&self, tenant: &Tenant, person: &Person) -> Value {
        let now = self.now().seconds();
        let (url, audience, claim) =
            self.app.auth.issuer.as_ref().map_or(("", "", "tenant"), |i| (&i.url, &i.audience, &i.tenant_claim));
        let mut claims = json!({
            "iss": url, "aud": audience, "sub": person.subject, "email": person.email, "amr": ["pwd", "mfa"], "auth_time": now - 1,
            "iat": now - 5, "nbf": now - 5, "exp": now + 600,
        });
        if let Some(claims) = claims.as_object_mut() {
            claims.insert(claim.to_owned(), tenant.id.as_str().into());
        }
        claims
    }
    /// The server's own description of its routes, with the canary's id in its place.
    ///
    /// # Errors
    /// Unclear when it cannot be read.
    pub async fn openapi(&self, tenant: &Tenant) -> Result<&OpenApi, Miss> {
        self.openapi
            .get_or_try_init(|| async {
                let answer =
                    self.gate(tenant).send(Ask::get("/api/v1/openapi.json")).await?.decided()?.step("openapi")?;
                OpenApi::read(&answer.json())
                    .ok_or_else(|| Miss::Unclear("the OpenAPI document has no paths".to_owned()))
            })
            .await
    }
    /// Stops a probe whose control has no route yet.
    ///
    /// # Errors
    /// Unbuilt when the route is not in the OpenAPI document.
    pub async fn needs(&self, tenant: &Tenant, method: &str, path: &str) -> Result<(), Miss> {
        if self.openapi(tenant).await?.has(method, path) {
            Ok(())
        } else {
            Err(Miss::Unbuilt("its route is not built yet"))
        }
    }
    /// A host without a tenant that we could enter.
    pub(crate) fn nobody(&self, host: String) -> Tenant {
        let scheme = self.instance.scheme;
        Tenant { id: String::new(), slug: String::new(), host, prefix: String::new(), scheme, people: Vec::new() }
    }
    /// A canary tenant that a stranger's server lends us. Roles are the server's, and of no use here.
    pub(crate) fn lent(&self, told: &Value) -> Option<Tenant> {
        let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).map(str::to_owned);
        let url = text(told, "url")?;
        let (host, prefix) = place(&url);
        let person = |p: &Value| {
            Some(Person {
                email: text(p, "email")?,
                user: text(p, "user")?,
                role: "member",
                password: text(p, "password").unwrap_or_default(),
                subject: String::new(),
            })
        };
        Some(Tenant {
            id: text(told, "id")?,
            slug: text(told, "slug")?,
            host,
            prefix,
            scheme: self.instance.scheme,
            people: told.get("people")?.as_array()?.iter().map(person).collect::<Option<_>>()?,
        })
    }
    /// A canary tenant of an earlier round, as it was told.
    pub(crate) fn known(&self, told: &Value) -> Option<Tenant> {
        let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).map(str::to_owned);
        let person = |p: &Value| {
            let role = text(p, "role")?;
            Some(Person {
                email: text(p, "email")?,
                user: text(p, "user")?,
                role: self.app.roles.iter().find(|r| r.id == role)?.id,
                password: text(p, "password")?,
                subject: text(p, "subject")?,
            })
        };
        Some(Tenant {
            id: text(told, "id")?,
            slug: text(told, "slug")?,
            host: text(told, "host")?,
            prefix: text(told, "prefix")?,
            scheme: self.instance.scheme,
            people: told.get("people")?.as_array()?.iter().map(person).collect::<Option<_>>()?,
        })
    }
    /// Asks the server to delete every canary made here, but for those that are to wait for the next round.
    pub async fn clear_but(&self, kept: &[String]) {
        let ids = std::mem::take(&mut *self.tenants.lock().unwrap_or_else(PoisonError::into_inner));
        for id in ids.into_iter().filter(|id| !kept.contains(id)) {
            let _gone = self.instance.admin(&json!({"do": "tenant.delete", "as": "verify", "tenant": id})).await;
        }
    }
}

/// Host and path prefix of a tenant's url.
fn place(url: &str) -> (String, String) {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.trim_end_matches('/');
    rest.split_once('/').map_or((rest.to_owned(), String::new()), |(h, p)| (h.to_owned(), format!("/{p}")))
}

/// The token of the first link that has one.
///
/// # Errors
/// Unclear when there is none.
pub fn token_in(links: &[String]) -> Result<String, Miss> {
    let token = |link: &String| {
        let (_, query) = link.split_once(['?', '#'])?;
        let token = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
        (token.len() >= 16).then(|| token.to_owned())
    };
    let last = |link: &String| link.rsplit('/').next().filter(|t| t.len() >= 32).map(str::to_owned);
    links
        .iter()
        .find_map(token)
        .or_else(|| links.iter().find_map(last))
        .ok_or_else(|| Miss::Unclear("the mail has no link with a token".to_owned()))
}
