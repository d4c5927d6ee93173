//! The server's own description of its routes: where the prober learns which doors there are to try.

use serde_json::Value;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Upper case.
    pub method: &'static str,
    /// Template with `{name}` segments.
    pub path: String,
    /// `resource.verb`, as the server says.
    pub action: String,
    /// Limit tier.
    pub tier: String,
    /// Name of the audit leaf; empty when it changes nothing.
    pub event: String,
    /// Whether the server says that a credential is needed.
    pub signed: bool,
}

impl Operation {
    /// The path with every segment filled in by `fill(name)`.
    #[must_use]
    pub fn at(&self, fill: impl Fn(&str) -> String) -> String {
        let part = |s: &str| match s.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some(name) => fill(name),
            None => s.to_owned(),
        };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
    /// Names of the path's segments.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'))
    }
    /// Whether it may change something.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.method != "GET"
    }
}

/// All operations.
#[derive(Clone, Debug, Default)]
pub struct OpenApi {
    /// In the document's order.
    pub operations: Vec<Operation>,
}

impl OpenApi {
    /// Reads the document.
    #[must_use]
    pub fn read(document: &Value) -> Option<Self> {
        let mut operations = Vec::new();
        for (path, methods) in document.get("paths")?.as_object()? {
            for (method, operation) in methods.as_object()? {
                let Some(method) =
                    ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|m| m.eq_ignore_ascii_case(method))
                else {
                    continue;
                };
                let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                let signed = operation.get("security").and_then(Value::as_array).is_some_and(|s| !s.is_empty());
                operations.push(Operation {
                    method,
                    path: path.clone(),
                    action: text("x-action"),
                    tier: text("x-limit"),
                    event: text("x-audit"),
                    signed,
                });
            }
        }
        Some(Self { operations })
    }
    /// Whether there is such a route; segments count as equal whatever their names.
    #[must_use]
    pub fn has(&self, method: &str, path: &str) -> bool {
        self.find(method, path).is_some()
    }
    /// The route with this method and path template.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        let same = |a: &str, b: &str| {
            a.split('/').count() == b.split('/').count()
                && a.split('/').zip(b.split('/')).all(|(x, y)| x == y || (x.starts_with('{') && y.starts_with('{')))
        };
        self.operations.iter().find(|o| o.method == method && same(&o.path, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn routes_are_read() {
        let api = OpenApi::read(
            &json!({"paths": {"/api/v1/a/{id}": {"get": {"x-action": "a.read", "security": [{"bearer": []}]}}}}),
        )
        .unwrap();
        assert!(api.has("GET", "/api/v1/a/{other}") && !api.has("POST", "/api/v1/a/{id}"));
        let operation = &api.operations[0];
        assert_eq!(
            (operation.at(|_| "7".to_owned()), operation.signed, operation.changes()),
            ("/api/v1/a/7".to_owned(), true, false)
        );
    }
}
