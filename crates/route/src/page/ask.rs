//! What a page is asked with.

use kernel::Failure;
use serde_json::Value;

use crate::{Body, Input, Intake, Raw, Reply};

/// A page's input: path and query as `T`, and how it was asked for.
pub struct Ask<T> {
    /// Path and query.
    pub input: T,
    /// A script asked, for a part of the page (`HX-Request`).
    pub fragment: bool,
    /// A word about what was just done (`?said=saved`): pages look it up, and never print it.
    pub said: Option<String>,
}

impl<T: Input> Input for Ask<T> {
    const INTAKE: Intake = Intake::None;

    fn read(mut raw: Raw) -> Result<Self, Failure> {
        let fragment = raw.header("hx-request") == Some("true") && raw.header("hx-history-restore-request").is_none();
        let at = raw.query.iter().position(|(name, _)| name == "said");
        let said = at.map(|at| raw.query.remove(at).1);
        Ok(Self { input: T::read(raw)?, fragment, said })
    }
    fn schema() -> Value {
        T::schema()
    }
}

/// 303: a form's answer, so that reloading the next page does not send it again.
#[must_use]
pub fn see_other(location: impl AsRef<str>) -> Reply {
    Reply::new(http::StatusCode::SEE_OTHER, Body::Empty).with(http::header::LOCATION, location.as_ref())
}
