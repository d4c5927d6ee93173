//! How people, machines and operators prove who they are.

use super::{Millis, Pointer};

/// Sign-in methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Password.
    Password,
    /// WebAuthn.
    Passkey,
    /// Time-based codes.
    Totp,
    /// Mailed links.
    MagicLink,
    /// Google.
    Google,
    /// SAML.
    Saml,
}

impl Method {
    /// Its name in the manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Passkey => "passkey",
            Self::Totp => "totp",
            Self::MagicLink => "magic_link",
            Self::Google => "google",
            Self::Saml => "saml",
        }
    }
}

/// `[auth]`.
#[derive(Clone, Debug)]
pub struct Auth {
    /// In the file's order; empty in delegated mode.
    pub methods: Vec<Method>,
    /// Delegated mode.
    pub issuer: Option<Issuer>,
    /// Second factor.
    pub mfa: Mfa,
    /// Scheme of password hashes.
    pub password: PasswordScheme,
    /// At sign-in a hidden member `website` must stay empty.
    pub honeypot: bool,
    /// What an outage of the breach list does.
    pub breach_closed: bool,
    /// Lockout.
    pub lockout: Lockout,
    /// Life of a magic link.
    pub magic_link: Millis,
    /// Life of a reset token.
    pub reset: Millis,
    /// Life of a verification token.
    pub verify: Millis,
    /// A passkey is offered only after the first sign-in.
    pub passkey_later: bool,
    /// SAML.
    pub saml: Saml,
    /// Module that gates SCIM.
    pub scim: Option<&'static str>,
    /// Google's client id and secret.
    pub google: Option<(Pointer, Pointer)>,
}

/// `saml`.
#[derive(Clone, Copy, Debug)]
pub struct Saml {
    /// Module that gates it.
    pub module: Option<&'static str>,
    /// Clock skew allowed.
    pub skew: Millis,
    /// Whether sign-in may start at the identity provider.
    pub idp_initiated: bool,
}

/// An outside issuer.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `iss`.
    pub url: String,
    /// `aud`.
    pub audience: String,
    /// Claim that names the tenant.
    pub tenant_claim: String,
}

/// Whether a second factor is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mfa {
    /// Each decides.
    Optional,
    /// The tenant decides.
    Tenant,
    /// Always.
    Required,
}

/// Scheme of password hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordScheme {
    /// argon2id, 19 MiB, t=2, p=1.
    Argon2id,
    /// bcrypt, cost 12.
    Bcrypt,
}

/// `lockout`.
#[derive(Clone, Copy, Debug)]
pub struct Lockout {
    /// Consecutive failures.
    pub failures: u32,
    /// For how long.
    pub lasts: Millis,
}

/// `[sessions]`.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// Life of an access token.
    pub access_token: Millis,
    /// Window in which the last spent refresh token is answered again.
    pub reuse_window: Millis,
    /// A session unused for so long ends.
    pub idle: Millis,
    /// Every session ends after so long.
    pub absolute: Millis,
    /// Where the signing key comes from; none: derived from the region's root.
    pub key: Option<Pointer>,
    /// Least length of that key, in bits.
    pub min_bits: u32,
    /// Access tokens are signed with Ed25519 instead of HMAC.
    pub eddsa: bool,
}

/// `[keys]`.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    /// Text before the key.
    pub prefix: String,
    /// Scope of a new key.
    pub default: &'static str,
    /// Calls a minute.
    pub minute: u64,
    /// Calls a month.
    pub month: u64,
    /// Scope -> verbs; `all` stands for every verb, `actions` for the declared ones.
    pub scopes: Vec<(&'static str, Vec<&'static str>)>,
}

/// `[operators]`.
#[derive(Clone, Debug)]
pub struct Operators {
    /// Their mail addresses.
    pub names: Vec<String>,
    /// Longest elevation.
    pub elevate: Millis,
    /// Longest time between reviews.
    pub review: Millis,
}
