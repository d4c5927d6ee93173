//! The gates `Site -> Caller` and `Tenant -> Principal`, and what they remember.

use std::sync::Arc;

use encryption::{Vault, hash};
use http::HeaderMap;
use kernel::{
    Actor, Caller, Credential, Failure, Id, Mint, Place, Principal, Rng, Secret, SessionId, Site, Standing, Tenant,
    TenantId, Time, UserId,
};
use limits::Strikes;
use manifest::App;
use route::page::Frame;
use store::{Lookup, Revoke};
use tenancy::{Memory, Tenancy, roster};

use crate::{
    access_token::AccessTokens,
    browser::{self, Shown},
    issuer::Issuer,
    jwks::Fetch,
    password::Passwords,
    refresh_token::RefreshTokens,
    session::{Live, Minting, Person},
    sql,
};

/// Sessions, users and memberships remembered at most, each.
const CAPACITY: usize = 1 << 16;

/// People of a development server, who sign in with one password.
#[derive(Clone, Debug)]
pub struct DemoPeople {
    /// It.
    pub password: Secret,
    /// Address and slug of the tenant they belong to.
    pub people: Vec<(String, String)>,
}

/// What authentication needs to begin.
pub struct Means {
    /// Key of the gate `Site -> Caller`.
    pub caller: Mint<Caller>,
    /// Key of the gate `Tenant -> Principal`.
    pub principal: Mint<Principal>,
    /// Reads before a permit.
    pub lookup: Lookup,
    /// The app.
    pub app: Arc<App>,
    /// Keys.
    pub vault: Vault,
    /// The gate before.
    pub tenancy: Arc<Tenancy>,
    /// Lockout.
    pub strikes: Arc<Strikes>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Keys of access tokens: the one that signs, then those that still verify. Empty: derived from the region's root.
    pub session_keys: Vec<Secret>,
    /// How an outside issuer's keys are fetched; none on a development server, which has an issuer of its own.
    pub fetch: Option<Fetch>,
    /// Demo people; only on a development server.
    pub demo: Option<DemoPeople>,
    /// What every page shares.
    pub frame: Arc<Frame>,
}

/// Who is asking. One per server.
pub struct Authentication {
    caller: Mint<Caller>,
    principal: Mint<Principal>,
    pub(crate) lookup: Lookup,
    pub(crate) app: Arc<App>,
    pub(crate) vault: Vault,
    pub(crate) tenancy: Arc<Tenancy>,
    pub(crate) strikes: Arc<Strikes>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) minting: Minting,
    pub(crate) passwords: Passwords,
    pub(crate) issuer: Option<Issuer>,
    pub(crate) demo: Option<DemoPeople>,
    pub(crate) frame: Arc<Frame>,
    sessions: Memory<SessionId, Live>,
    people: Memory<UserId, Person>,
    standings: Memory<(TenantId, UserId), Option<Standing>>,
}

/// The id of a person whom an outside issuer knows by `subject`: the same on every server, without a look-up.
#[must_use]
pub fn external_id(issuer: &str, subject: &str) -> UserId {
    let mut framed = hash::Sha256::new();
    framed.framed(b"vouchsafe external user");
    framed.framed(issuer.as_bytes());
    framed.framed(subject.as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(framed.finish()).for_each(|(to, from)| *to = from);
    // UUID version 8 (RFC 9562): our own scheme, never equal to a random one.
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x80;
    *variant = (*variant & 0x3f) | 0x80;
    UserId(Id::from_bytes(bytes))
}

impl Authentication {
    /// [`Authentication::forget`] is to be called on each revocation.
    ///
    /// # Errors
    /// Internal, with words for the log: a session key that is too short, no root key.
    pub fn new(means: Means) -> Result<Self, Failure> {
        let app = means.app;
        let region = app.regions.first().map_or("", |r| r.id);
        let keys = if means.session_keys.is_empty() {
            vec![means.vault.root_key(region, "session", &[])?]
        } else {
            means.session_keys
        };
        let minting = Minting {
            access: AccessTokens::new(app.id, keys)?,
            refresh: RefreshTokens::new(means.vault.root_key(region, "refresh", &[])?),
            rules: app.sessions.clone(),
        };
        let issuer = app.auth.issuer.as_ref().map(|declared| Issuer::new(declared, means.fetch)).transpose()?;
        Ok(Self {
            caller: means.caller,
            principal: means.principal,
            lookup: means.lookup,
            vault: means.vault,
            tenancy: means.tenancy,
            strikes: means.strikes,
            minting,
            passwords: Passwords::new(app.auth.password, Arc::clone(&means.rng)),
            rng: means.rng,
            issuer,
            demo: means.demo,
            frame: means.frame,
            app,
            sessions: Memory::new(CAPACITY),
            people: Memory::new(CAPACITY),
            standings: Memory::new(CAPACITY),
        })
    }

    /// The credential a request shows, verified. A bearer token that does not hold is a failure. A cookie that does not hold
    /// is no credential: a browser sends it along unasked, and must still reach the sign-in page.
    ///
    /// # Errors
    /// `SignInNeeded`; those of the store.
    pub async fn caller(&self, site: Site, headers: &HeaderMap) -> Result<Caller, Failure> {
        let credential = match browser::shown(headers)? {
            Shown::Nothing => Credential::None,
            Shown::Bearer(token) => self.verify(&site, token, false).await?.ok_or(Failure::SignInNeeded)?,
            Shown::Cookie(token) => self.verify(&site, token, true).await?.unwrap_or(Credential::None),
        };
        Ok(Caller::known(&self.caller, site, credential))
    }

    /// The caller that is a job of the server.
    #[must_use]
    pub fn job(&self, site: Site, name: &'static str) -> Caller {
        Caller::known(&self.caller, site, Credential::Job(name))
    }

    /// The caller at the admin socket, acting for the named operator.
    #[must_use]
    pub fn operator(&self, site: Site, name: &str) -> Caller {
        Caller::known(&self.caller, site, Credential::Operator(name.into()))
    }

    /// Whose session at the operators' pages a request shows. Whether they still stand in the register is not known here.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn at_desk(&self, headers: &HeaderMap, now: Time) -> Result<Option<String>, Failure> {
        let Some(hash) = crate::operator::shown(headers) else { return Ok(None) };
        let found = self.lookup.maybe(TenantId::HOUSE, &sql::DESK, (hash, now)).await?;
        Ok(found.map(|(name,)| name))
    }

    /// The caller at the operators' pages; none: whoever asks is nobody there, whatever else they show.
    #[must_use]
    pub fn desk(&self, site: Site, name: Option<&str>) -> Caller {
        let credential = name.map_or(Credential::None, |name| Credential::Desk(name.into()));
        Caller::known(&self.caller, site, credential)
    }

    /// Who acts at a tenant, by its roster as it is now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn principal(&self, tenant: Tenant) -> Result<Principal, Failure> {
        let (actor, suspended) = self.actor(&tenant).await?;
        Ok(Principal::known(&self.principal, tenant, actor, suspended))
    }

    async fn actor(&self, tenant: &Tenant) -> Result<(Actor, bool), Failure> {
        let id = tenant.home().id;
        let (user, bound) = match tenant.caller().credential() {
            Credential::Job(name) => return Ok((Actor::System(name), false)),
            Credential::Operator(name) => return Ok((Actor::Operator(Arc::clone(name)), false)),
            Credential::Desk(name) if id == TenantId::HOUSE => return Ok((Actor::Operator(Arc::clone(name)), false)),
            Credential::User { user, tenant: bound, .. } if !tenant.delivery() => (*user, *bound),
            _ => return Ok((Actor::Visitor, false)),
        };
        let account = (Actor::Account { user }, false);
        // A token opens the tenant it was made for; one that was made on a shared host opens any of its user's there.
        let opens = match bound {
            Some(bound) => bound == id,
            None => matches!(tenant.caller().site().place(), Place::Shared),
        };
        if id == TenantId::HOUSE || !opens {
            return Ok(account);
        }
        Ok(match self.standing(id, user).await? {
            Some(standing) => (Actor::Member { user, role: standing.role }, standing.suspended),
            None => account,
        })
    }

    /// Drops what a commit revoked.
    pub fn forget(&self, what: &Revoke) {
        match what {
            Revoke::Session(session) => self.sessions.forget(session),
            Revoke::User(user) => self.people.forget(user),
            Revoke::Member(..) if kernel::sabotage::off("access.roster") => {}
            Revoke::Member(tenant, user) => self.standings.forget(&(*tenant, *user)),
            Revoke::Tenant(_) => {}
        }
    }

    /// Whether identities are kept here, and not by an outside issuer.
    #[must_use]
    pub fn keeps_identities(&self) -> bool {
        self.issuer.is_none()
    }

    /// What every page shares.
    #[must_use]
    pub const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// The hash of a password that is acceptable, for [`crate::people::enrol`].
    ///
    /// # Errors
    /// `Invalid` for the member `password`; `Busy`.
    pub async fn hash(&self, password: &Secret) -> Result<String, Failure> {
        crate::password::acceptable(password, self.passwords.scheme())?;
        self.passwords.slot().await?.hash(password).await
    }

    async fn verify(&self, site: &Site, token: &str, cookie: bool) -> Result<Option<Credential>, Failure> {
        let now = site.peer().at();
        if let Some(issuer) = &self.issuer {
            return self.outside(issuer, site, token, cookie).await;
        }
        let Some(claims) = self.minting.access.verify(token, now) else { return Ok(None) };
        let Some(live) = self.live(claims.session).await? else { return Ok(None) };
        let Some(person) = self.person(claims.user).await? else { return Ok(None) };
        Ok(live.opens(claims.user, person, &self.minting.rules, now).then_some(Credential::User {
            user: claims.user,
            session: claims.session,
            tenant: claims.tenant,
            proved: claims.proved,
            cookie,
        }))
    }

    async fn outside(
        &self,
        issuer: &Issuer,
        site: &Site,
        token: &str,
        cookie: bool,
    ) -> Result<Option<Credential>, Failure> {
        let Some(identity) = issuer.verify(token, site.peer().at()).await? else { return Ok(None) };
        let bound = match (site.place(), &identity.tenant) {
            (Place::Tenant(home), Some(named)) if *named == home.slug || *named == home.id.to_string() => Some(home.id),
            (Place::Tenant(home), _) if kernel::sabotage::off("auth.external_jwt") => Some(home.id),
            (Place::Tenant(_), _) => return Ok(None),
            // Where no host says which tenant is meant, the claim must name one by its id.
            (Place::Shared, Some(named)) => match named.parse() {
                Ok(id) => Some(id),
                Err(()) => return Ok(None),
            },
            (Place::House | Place::Shared, _) => None,
        };
        let user = external_id(issuer.url(), &identity.subject);
        // Nobody knows them yet: an account without memberships.
        let person = self.person(user).await?.unwrap_or(Person { active: true, epoch: 0, not_before: Time(0) });
        let active = person.active || kernel::sabotage::off("auth.deactivation");
        let current = identity.issued >= person.not_before || kernel::sabotage::off("auth.session_revoke");
        Ok((active && current).then_some(Credential::User {
            user,
            session: SessionId(Id::NIL),
            tenant: bound,
            proved: identity.proved,
            cookie,
        }))
    }

    async fn live(&self, session: SessionId) -> Result<Option<Live>, Failure> {
        if let Some(live) = self.sessions.get(&session) {
            return Ok(Some(live));
        }
        let seen = self.sessions.seen(&session);
        let row = self.lookup.maybe(TenantId::HOUSE, &sql::SESSION_LIVE, (session,)).await?;
        let Some((user, epoch, created_at, ended_at)) = row else { return Ok(None) };
        let live = Live { user, epoch, created_at, ended: ended_at.is_some() };
        self.sessions.keep(session, live, seen);
        Ok(Some(live))
    }

    async fn person(&self, user: UserId) -> Result<Option<Person>, Failure> {
        if let Some(person) = self.people.get(&user) {
            return Ok(Some(person));
        }
        let seen = self.people.seen(&user);
        let row = self.lookup.maybe(TenantId::HOUSE, &sql::PERSON, (user,)).await?;
        let Some((status, epoch, not_before)) = row else { return Ok(None) };
        let person = Person { active: status == "active", epoch, not_before };
        self.people.keep(user, person, seen);
        Ok(Some(person))
    }

    async fn standing(&self, tenant: TenantId, user: UserId) -> Result<Option<Standing>, Failure> {
        let key = (tenant, user);
        if let Some(known) = self.standings.get(&key) {
            return Ok(known);
        }
        let seen = self.standings.seen(&key);
        let standing = roster::standing(&self.lookup, &self.app, tenant, user).await?;
        self.standings.keep(key, standing, seen);
        Ok(standing)
    }
}
