use std::borrow::Cow;

/// What is wrong with one member of an input.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Name of the member, or a JSON pointer below it: `order_lines/3/count`.
    pub field: String,
    /// A short machine-readable word: `unknown`, `required`, `type`, `too_long`, `pattern`, `derived`, `forbidden`, `unique`, ...
    pub code: &'static str,
    /// What is expected, for people. Never repeats the value.
    pub detail: Cow<'static, str>,
}

/// Why access said no; insiders learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The tenant is suspended; API code `TenantSuspendedError`.
    TenantSuspended,
    /// The user is deactivated.
    UserSuspended,
    /// The feature belongs to a module that is off.
    Module,
    /// The API key's scope does not hold it.
    Scope,
    /// Nobody of this role can hold it.
    Ceiling,
    /// The role does not hold it.
    NotGranted,
    /// The request was sent from another site.
    CrossSite,
    /// A second factor or the password is wanted again.
    StepUp,
    /// The tenant would be left without an owner.
    LastOwner,
}

impl Reason {
    /// The `code` member of the problem document.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TenantSuspended => "TenantSuspendedError",
            Self::UserSuspended => "UserSuspended",
            Self::Module => "Module",
            Self::Scope => "Scope",
            Self::Ceiling => "Ceiling",
            Self::NotGranted => "NotGranted",
            Self::CrossSite => "CrossSite",
            Self::StepUp => "StepUp",
            Self::LastOwner => "LastOwner",
        }
    }
}

/// Every way a request can end badly; `route::problem` maps each to a status and words (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 400: the request is malformed; the text is for the caller and repeats no input.
    BadInput(Cow<'static, str>),
    /// 422: well-formed, but these members are not acceptable.
    Invalid(Vec<FieldError>),
    /// 421: no site answers to this host.
    UnknownHost,
    /// 401: no credential, or one that does not hold.
    SignInNeeded,
    /// 401: wrong name or password; the same words for every cause.
    WrongCredentials,
    /// 423 with Retry-After in seconds: too many failed attempts. Said for unknown accounts too.
    Locked(u32),
    /// 403 before anything was looked up: a rule of the request filter, by its id.
    Filtered(&'static str),
    /// 404: outsiders learn nothing.
    NotFound,
    /// 405: the path exists, not with this method; the `Allow` header's value.
    MethodNotAllowed(String),
    /// 403: insiders learn the reason.
    Refused(Reason),
    /// 402: needs a module that is off; its name.
    ModuleOff(&'static str),
    /// 429: seconds until the same request would pass, and the tier's name.
    TooMany {
        /// Whole seconds, rounded up, after which one request passes.
        retry_after: u32,
        /// Name of the tier that is spent.
        tier: &'static str,
    },
    /// 409: a guard was not met or a unique value exists; the text is for the caller.
    Conflict(Cow<'static, str>),
    /// 409 from the store: a unique key stands in the way; its columns, comma-separated.
    Unique(String),
    /// 409 from the store: a referenced row does not exist, or is still referred to.
    Reference,
    /// 412: the record changed since the version named in If-Match.
    Stale,
    /// 428: an If-Match is required here.
    PreconditionRequired,
    /// 410: it existed and is used up or expired.
    Gone,
    /// 413: larger than the limit, in bytes.
    TooLarge(u64),
    /// 415: content type is not one of those accepted.
    UnsupportedType(Cow<'static, str>),
    /// 408: the client was too slow.
    TooSlow,
    /// 503 with Retry-After in seconds: no capacity now; nothing was done.
    Busy(u32),
    /// 503: the outcome is unknown; the idempotency key decides a retry.
    Unknown,
    /// 507: the disk is full; nothing was done.
    DiskFull,
    /// 500: the detail goes to the log, never to a body.
    Internal(Cow<'static, str>),
}

impl Failure {
    /// An internal failure with a fixed detail for the log.
    #[must_use]
    pub const fn internal(detail: &'static str) -> Self {
        Self::Internal(Cow::Borrowed(detail))
    }
    /// A 400 with fixed words.
    #[must_use]
    pub const fn bad(words: &'static str) -> Self {
        Self::BadInput(Cow::Borrowed(words))
    }
    /// One invalid member.
    #[must_use]
    pub fn field(field: impl Into<String>, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), code, detail: detail.into() }])
    }
}
