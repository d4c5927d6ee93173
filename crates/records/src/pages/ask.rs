//! What a page of records is asked with: path, query, and a form's members.

use kernel::Failure;
use route::{Input, Intake, Raw, form};
use serde_json::Value;

/// Path and query, read as they are; and a form's members, in order, where there is a form.
pub(crate) struct Asked {
    params: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) form: Vec<(String, String)>,
    /// A script asked, for a part of the page.
    pub(crate) fragment: bool,
}

impl Input for Asked {
    const INTAKE: Intake = Intake::Whole(super::FORM);
    fn read(raw: Raw) -> Result<Self, Failure> {
        let restored = raw.header("hx-history-restore-request").is_some();
        let fragment = raw.header("hx-request") == Some("true") && !restored;
        let form = match raw.media_type().as_deref() {
            _ if raw.body.is_empty() => Vec::new(),
            Some("application/x-www-form-urlencoded") => form(&raw.body)?,
            _ => return Err(Failure::UnsupportedType("application/x-www-form-urlencoded".into())),
        };
        Ok(Self { params: raw.params, query: raw.query, form, fragment })
    }
    fn schema() -> Value {
        Value::Null
    }
}

impl Asked {
    /// The record's id, as the path names it. Anything else names no record.
    pub(crate) fn id(&self) -> Result<String, Failure> {
        let text = self.params.iter().find(|(n, _)| *n == "id").map_or("", |(_, v)| v.as_str());
        text.parse::<kernel::Id>().map(|_| text.to_owned()).map_err(|()| Failure::NotFound)
    }
    /// A query member that says something.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty())
    }
    /// A form's member.
    pub(crate) fn sent(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// The version that the form was drawn from.
    ///
    /// # Errors
    /// `BadInput` when it is not there: such a form was not ours.
    pub(crate) fn version(&self) -> Result<i64, Failure> {
        let found = self.sent(super::form::VERSION).and_then(|t| t.parse().ok());
        found.ok_or_else(|| Failure::bad("this form is not whole; open the record again"))
    }
}
