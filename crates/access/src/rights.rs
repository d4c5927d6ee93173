//! What somebody may do, as a list: for consoles.

use std::collections::BTreeMap;

use kernel::{Action, Grant, Rows, may};

use crate::{compile, gate::Policy, matrix::TENANT};

/// Rights on one collection or tenant resource.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Right {
    /// A collection, or a tenant resource such as `members`.
    pub resource: &'static str,
    /// Verb -> `all` rows or `some`.
    pub verbs: BTreeMap<&'static str, &'static str>,
    /// Fields that may be read.
    pub read: Vec<&'static str>,
    /// Fields that may be changed.
    pub write: Vec<&'static str>,
    /// Fields that may be set in a new record.
    pub create: Vec<&'static str>,
}

/// Everything `held` answers for, without what is empty.
pub(crate) fn list(policy: &Policy, held: impl Fn(Action) -> Option<Grant>) -> Vec<Right> {
    let mut all = Vec::new();
    for collection in &policy.app.collections {
        let verbs = compile::verbs(&policy.app, collection);
        let grants: Vec<_> = verbs.into_iter().filter_map(|v| Some((v, held(may(collection.id, v))?))).collect();
        let Some((_, any)) = grants.first() else { continue };
        let named = |set: kernel::FieldSet| {
            collection.fields.iter().enumerate().filter(|(at, _)| set.has(*at)).map(|(_, f)| f.id).collect()
        };
        let create = grants.iter().find(|(verb, _)| *verb == "create").map_or_else(Vec::new, |(_, g)| named(g.write));
        let write = grants.iter().find(|(verb, _)| *verb == "write").map_or_else(Vec::new, |(_, g)| named(g.write));
        let read = named(any.read);
        let reach = |rows: &Rows| if *rows == Rows::All { "all" } else { "some" };
        let verbs = grants.iter().map(|(verb, grant)| (*verb, reach(&grant.rows))).collect();
        all.push(Right { resource: collection.id, verbs, read, write, create });
    }
    for resource in TENANT {
        let held = ["read", "manage"].into_iter().filter(|verb| held(may(resource, verb)).is_some());
        let verbs: BTreeMap<_, _> = held.map(|verb| (verb, "all")).collect();
        if !verbs.is_empty() {
            all.push(Right { resource, verbs, read: Vec::new(), write: Vec::new(), create: Vec::new() });
        }
    }
    all
}
