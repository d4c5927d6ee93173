//! The one table from a failure to a status and the words of the answer (RFC 9457).

use http::StatusCode;
use kernel::{Failure, FieldError, Reason};

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// A stable name of the kind of problem, as a relative reference.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The same words for every occurrence.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// A machine-readable word, such as `TenantSuspendedError`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// What is wrong with this request. Repeats no input and no internals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Members of the input that are not acceptable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds to wait, where waiting helps: the `Retry-After` header.
    #[serde(skip)]
    pub retry_after: Option<u32>,
    /// The `Allow` header.
    #[serde(skip)]
    pub allow: Option<String>,
}

/// The status alone.
#[must_use]
pub const fn status(failure: &Failure) -> StatusCode {
    match failure {
        Failure::BadInput(_) => StatusCode::BAD_REQUEST,
        Failure::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Failure::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
        Failure::SignInNeeded | Failure::WrongCredentials => StatusCode::UNAUTHORIZED,
        Failure::Locked(_) => StatusCode::LOCKED,
        Failure::NotFound => StatusCode::NOT_FOUND,
        Failure::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
        Failure::Refused(_) | Failure::Filtered(_) => StatusCode::FORBIDDEN,
        Failure::ModuleOff(_) => StatusCode::PAYMENT_REQUIRED,
        Failure::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Failure::Conflict(_) | Failure::Unique(_) | Failure::Reference => StatusCode::CONFLICT,
        Failure::Stale => StatusCode::PRECONDITION_FAILED,
        Failure::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Failure::Gone => StatusCode::GONE,
        Failure::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Failure::UnsupportedType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Failure::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Failure::Busy(_) | Failure::Unknown => StatusCode::SERVICE_UNAVAILABLE,
        Failure::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        Failure::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The document.
#[must_use]
pub fn problem(failure: Failure) -> Problem {
    let number = status(&failure).as_u16();
    let plain = |kind, title| Problem {
        kind,
        title,
        status: number,
        code: None,
        detail: None,
        errors: Vec::new(),
        retry_after: None,
        allow: None,
    };
    match failure {
        Failure::BadInput(why) => {
            Problem { detail: Some(why.into_owned()), ..plain("bad-input", "The request is malformed") }
        }
        Failure::Invalid(errors) => Problem { errors, ..plain("invalid", "Some values are not acceptable") },
        Failure::UnknownHost => plain("unknown-host", "No site answers to this host"),
        Failure::SignInNeeded => plain("sign-in-needed", "Sign in first"),
        Failure::WrongCredentials => plain("wrong-credentials", "The name or the password is wrong"),
        Failure::Locked(seconds) => {
            Problem { retry_after: Some(seconds), ..plain("locked", "Too many failed attempts; try again later") }
        }
        Failure::NotFound => plain("not-found", "There is nothing here"),
        Failure::MethodNotAllowed(allow) => {
            Problem { allow: Some(allow), ..plain("method-not-allowed", "This method is not possible here") }
        }
        Failure::Filtered(rule) => {
            Problem { code: Some(rule), ..plain("filtered", "A rule of the request filter refuses this") }
        }
        Failure::Refused(reason) => Problem { code: Some(reason.code()), ..plain("refused", refusal(reason)) },
        Failure::ModuleOff(module) => Problem {
            code: Some("Module"),
            detail: Some(format!("module `{module}` is off")),
            ..plain("module-off", "This belongs to a module that is off")
        },
        Failure::TooMany { retry_after, tier } => Problem {
            retry_after: Some(retry_after),
            detail: Some(format!("limit `{tier}` is spent; one request passes in {retry_after} s")),
            ..plain("too-many-requests", "Too many requests")
        },
        Failure::Conflict(why) => {
            Problem { detail: Some(why.into_owned()), ..plain("conflict", "The change does not fit the present state") }
        }
        Failure::Unique(columns) => Problem {
            errors: columns
                .split(',')
                .map(|c| FieldError { field: c.trim().to_owned(), code: "unique", detail: "is taken already".into() })
                .collect(),
            ..plain("conflict", "The change does not fit the present state")
        },
        Failure::Reference => Problem {
            detail: Some("a record it refers to does not exist, or another record still refers to it".to_owned()),
            ..plain("conflict", "The change does not fit the present state")
        },
        Failure::Stale => plain("stale", "The record has changed since you read it"),
        Failure::PreconditionRequired => plain("precondition-required", "Send If-Match with the record's ETag"),
        Failure::Gone => plain("gone", "This was used already, or has expired"),
        Failure::TooLarge(limit) => {
            Problem { detail: Some(format!("at most {limit} bytes")), ..plain("too-large", "The body is too large") }
        }
        Failure::UnsupportedType(expected) => Problem {
            detail: Some(format!("expected: {expected}")),
            ..plain("unsupported-type", "This type of content is not accepted")
        },
        Failure::TooSlow => plain("too-slow", "The request took too long to arrive"),
        Failure::Busy(seconds) => {
            Problem { retry_after: Some(seconds), ..plain("busy", "No capacity at the moment; nothing was done") }
        }
        Failure::Unknown => Problem {
            retry_after: Some(5),
            ..plain("unknown-outcome", "The outcome is unknown; retry with the same idempotency key")
        },
        Failure::DiskFull => plain("disk-full", "The disk is full; nothing was done"),
        Failure::Internal(_) => plain("internal", "Something went wrong on our side"),
    }
}

const fn refusal(reason: Reason) -> &'static str {
    match reason {
        Reason::TenantSuspended => "This account is suspended",
        Reason::UserSuspended => "This member is deactivated",
        Reason::Module => "This belongs to a module that is off",
        Reason::Scope => "The key's scope does not cover this",
        Reason::Ceiling | Reason::NotGranted => "Your role does not allow this",
        Reason::CrossSite => "The request came from another site",
        Reason::StepUp => "Prove again who you are first",
        Reason::LastOwner => "The last owner cannot leave",
    }
}
