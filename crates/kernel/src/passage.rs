//! The types a request moves through. Fields are private; each constructor takes its gate's key.

use std::{fmt, net::IpAddr, sync::Arc};

use crate::{Event, Mint, Outcome, RequestId, SessionId, Source, TenantId, Time, UserId};

/// Who is on the other end of the socket.
#[derive(Clone, Debug)]
pub struct Peer {
    address: IpAddr,
    request: RequestId,
    secure: bool,
    at: Time,
}
impl Peer {
    /// `address` is the client's (after declared proxies); `secure` when TLS ended here or at a declared proxy.
    #[must_use]
    pub const fn seen(_: &Mint<Self>, address: IpAddr, request: RequestId, secure: bool, at: Time) -> Self {
        Self { address, request, secure, at }
    }
    /// The client's address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }
    /// The request's id.
    #[must_use]
    pub const fn request(&self) -> RequestId {
        self.request
    }
    /// Whether the request came over TLS.
    #[must_use]
    pub const fn secure(&self) -> bool {
        self.secure
    }
    /// When the request arrived: one moment for the whole request.
    #[must_use]
    pub const fn at(&self) -> Time {
        self.at
    }
}

/// Whether a tenant is open for business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Open.
    Active,
    /// Blocked by an operator: everything answers `TenantSuspendedError`.
    Suspended,
    /// Deletion was requested: nothing answers.
    Deleted,
}

/// One tenant as the directory knows it. Shared, replaced as a whole when the row changes.
#[derive(Clone, Debug)]
pub struct Home {
    /// Its id.
    pub id: TenantId,
    /// Its name in host names or `/w/<slug>` paths.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Region id from the manifest.
    pub region: String,
    /// `scheme://host[:port]` plus `/w/<slug>` on a shared host: what links are built from, never a header.
    pub url: String,
    /// Open, suspended or deleted.
    pub status: Status,
    /// Names of the modules switched on.
    pub modules: Vec<String>,
}

/// What a host stands for.
#[derive(Clone, Debug)]
pub enum Place {
    /// The apex host: sign-up, operators, the app's own pages.
    House,
    /// One tenant's host.
    Tenant(Arc<Home>),
    /// The app's shared host: the tenant follows from the path and the caller's memberships.
    Shared,
}

/// The host a request came to.
#[derive(Clone, Debug)]
pub struct Site {
    peer: Peer,
    place: Place,
}
impl Site {
    /// Made by tenancy from the Host header.
    #[must_use]
    pub const fn at(_: &Mint<Self>, peer: Peer, place: Place) -> Self {
        Self { peer, place }
    }
    /// Who asked.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }
    /// Which place the host stands for.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

/// A verified credential, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// No credential was sent.
    None,
    /// A live session of a user.
    User {
        /// The user.
        user: UserId,
        /// The session; nil for tokens of an outside issuer.
        session: SessionId,
        /// The only tenant the token opens; `None` for a user's token on a shared host.
        tenant: Option<TenantId>,
        /// When the person last proved who they are.
        proved: Time,
        /// Whether it came in a cookie, so that cross-site rules apply.
        cookie: bool,
    },
    /// A job of the server.
    Job(&'static str),
    /// The command line, acting for the named operator.
    Operator(Arc<str>),
    /// The named operator in a browser, at the operators' pages.
    Desk(Arc<str>),
}

/// The site and the verified credential (or none).
#[derive(Clone, Debug)]
pub struct Caller {
    site: Site,
    credential: Credential,
}
impl Caller {
    /// Made by authentication; a bad credential is a failure, never `None`.
    #[must_use]
    pub const fn known(_: &Mint<Self>, site: Site, credential: Credential) -> Self {
        Self { site, credential }
    }
    /// The host they came to.
    #[must_use]
    pub const fn site(&self) -> &Site {
        &self.site
    }
    /// What they showed.
    #[must_use]
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }
}

/// A caller at the door of one tenant that exists.
#[derive(Clone, Debug)]
pub struct Tenant {
    caller: Caller,
    home: Arc<Home>,
    delivery: bool,
}
impl Tenant {
    /// Made by tenancy from the site and the caller.
    #[must_use]
    pub const fn found(_: &Mint<Self>, caller: Caller, home: Arc<Home>) -> Self {
        Self { caller, home, delivery: false }
    }
    /// Made by tenancy where a tenant's published content is delivered by its id: whoever asks is a visitor there.
    #[must_use]
    pub const fn delivered(_: &Mint<Self>, caller: Caller, home: Arc<Home>) -> Self {
        Self { caller, home, delivery: true }
    }
    /// Whether only a visitor's reading is answered here, whatever credential came along.
    #[must_use]
    pub const fn delivery(&self) -> bool {
        self.delivery
    }
    /// Who is at the door.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }
    /// The tenant.
    #[must_use]
    pub const fn home(&self) -> &Arc<Home> {
        &self.home
    }
}

/// Who acts. Opaque ids only: this goes into audit leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Nobody signed in: public routes have a principal too.
    Visitor,
    /// A member of this tenant, with the index of their role in the manifest.
    Member {
        /// The user.
        user: UserId,
        /// Index into the manifest's roles; 0 owns the tenant.
        role: u8,
    },
    /// Signed in, but not a member here (on the apex or shared host: their own account).
    Account {
        /// The user.
        user: UserId,
    },
    /// One of the SaaS team's own people.
    Operator(Arc<str>),
    /// A job: its rights are its own declared action and nothing else.
    System(&'static str),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visitor => f.write_str("visitor"),
            Self::Member { user, .. } | Self::Account { user } => write!(f, "user/{user}"),
            Self::Operator(name) => write!(f, "operator/{name}"),
            Self::System(job) => write!(f, "system/{job}"),
        }
    }
}

/// What a tenant's roster says of a member, as far as decisions need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Index of the role in the manifest.
    pub role: u8,
    /// Whether the member was deactivated here.
    pub suspended: bool,
}

/// The authenticated actor at one tenant.
#[derive(Clone, Debug)]
pub struct Principal {
    tenant: Tenant,
    actor: Actor,
    suspended: bool,
}
impl Principal {
    /// Made by authentication from the tenant's roster.
    #[must_use]
    pub const fn known(_: &Mint<Self>, tenant: Tenant, actor: Actor, suspended: bool) -> Self {
        Self { tenant, actor, suspended }
    }
    /// Who acts.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }
    /// The user's id, when a person acts.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self.actor {
            Actor::Member { user, .. } | Actor::Account { user } => Some(user),
            _ => None,
        }
    }
    /// Whether the member was deactivated.
    #[must_use]
    pub const fn suspended(&self) -> bool {
        self.suspended
    }
    /// The tenant's directory entry.
    #[must_use]
    pub const fn home(&self) -> &Arc<Home> {
        &self.tenant.home
    }
    /// The tenant's id.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant.home.id
    }
    /// The verified credential.
    #[must_use]
    pub const fn credential(&self) -> &Credential {
        &self.tenant.caller.credential
    }
    /// The other end of the socket.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.tenant.caller.site.peer
    }
    /// When the request arrived.
    #[must_use]
    pub const fn at(&self) -> Time {
        self.tenant.caller.site.peer.at
    }
    /// The host they came to.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.tenant.caller.site.place
    }
    /// Through which door they came.
    #[must_use]
    pub const fn source(&self) -> Source {
        match self.tenant.caller.credential {
            Credential::None => Source::Public,
            Credential::User { cookie: true, .. } | Credential::Desk(_) => Source::Browser,
            Credential::User { .. } => Source::Api,
            Credential::Job(_) => Source::Job,
            Credential::Operator(_) => Source::Admin,
        }
    }
    /// An event of this principal.
    #[must_use]
    pub fn event(&self, name: &'static str, target: impl Into<String>, outcome: Outcome) -> Event {
        Event {
            name,
            actor: self.actor.clone(),
            target: target.into(),
            outcome,
            source: self.source(),
            request: self.peer().request,
            fields: Vec::new(),
        }
    }
}
