//! What a handler answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use kernel::Failure;
use serde_json::Value;

use crate::BodyStream;

/// An answer's body.
pub enum Body {
    /// None.
    Empty,
    /// Whole.
    Bytes(Bytes),
    /// Piece by piece.
    Stream(BodyStream),
    /// HTML that needs the response's CSP nonce.
    Page(Box<dyn FnOnce(&str) -> String + Send>),
}

/// An answer before the edge adds its headers.
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers of this answer; the edge adds its own.
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
}

impl Reply {
    /// JSON text that is ready.
    #[must_use]
    pub fn json(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self::new(status, Body::Bytes(text.into())).with(header::CONTENT_TYPE, "application/json")
    }
    /// Any body, no headers.
    #[must_use]
    pub fn new(status: StatusCode, body: Body) -> Self {
        Self { status, headers: HeaderMap::new(), body }
    }
    /// With one more header; a value that is not a legal header value is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }
}

/// What a handler gives. Every `Serialize` type with a schema is one, as JSON.
pub trait Output: Send + 'static {
    /// As an answer; `status` is what the route would give.
    ///
    /// # Errors
    /// Internal, when it cannot be written as JSON.
    fn reply(self, status: StatusCode) -> Result<Reply, Failure>;
    /// JSON Schema, for OpenAPI; `Null` when the answer is not JSON.
    fn schema() -> Value;
}

impl<T: serde::Serialize + schemars::JsonSchema + Send + 'static> Output for T {
    fn reply(self, status: StatusCode) -> Result<Reply, Failure> {
        let text = serde_json::to_vec(&self).map_err(|_| Failure::internal("route: answer is not JSON"))?;
        if text == b"null" {
            return Ok(Reply::new(if status == StatusCode::OK { StatusCode::NO_CONTENT } else { status }, Body::Empty));
        }
        Ok(Reply::json(status, text))
    }
    fn schema() -> Value {
        schemars::schema_for!(T).to_value()
    }
}

/// An answer made by hand: streams, cookies, files.
impl Output for Reply {
    fn reply(self, _: StatusCode) -> Result<Reply, Failure> {
        Ok(self)
    }
    fn schema() -> Value {
        Value::Null
    }
}

/// A page. The function gets the response's nonce for its script and style tags.
pub struct Html(pub Box<dyn FnOnce(&str) -> String + Send>);

impl Output for Html {
    fn reply(self, status: StatusCode) -> Result<Reply, Failure> {
        Ok(Reply::new(status, Body::Page(self.0)).with(header::CONTENT_TYPE, "text/html; charset=utf-8"))
    }
    fn schema() -> Value {
        Value::Null
    }
}
