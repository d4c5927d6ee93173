//! Which entries are asked for.

use kernel::{DAY, Failure, Time};
use maud::{Markup, html};
use route::page::{Button, Field, form_get};
use schemars::JsonSchema;
use serde::Deserialize;

use super::People;
use crate::leaf::Leaf;

/// The form's members; empty ones ask for nothing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sieve {
    #[serde(default)]
    actor: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    /// Only entries before this place.
    #[serde(default)]
    before: String,
}

impl Sieve {
    /// Whether entries are left out between others: then no link is shown between them.
    pub(super) fn picks(&self) -> bool {
        [&self.actor, &self.action, &self.target].iter().any(|text| !text.is_empty())
    }
    pub(super) fn any(&self) -> bool {
        self.picks() || !self.from.is_empty() || !self.to.is_empty()
    }
    pub(super) fn matches(&self, leaf: &Leaf<'_>) -> bool {
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let holds = |wanted: &str, found: &str| wanted.is_empty() || found.contains(wanted.trim());
        is(&self.actor, &leaf.actor) && holds(&self.action, &leaf.action) && holds(&self.target, &leaf.target)
    }
    /// From when on.
    pub(super) fn since(&self) -> Result<Option<Time>, Failure> {
        day("from", &self.from)
    }
    /// Until when; the last day is inside.
    pub(super) fn until(&self) -> Result<Option<Time>, Failure> {
        Ok(day("to", &self.to)?.map(|at| at.plus(DAY)))
    }
    pub(super) fn before(&self) -> Result<i64, Failure> {
        match self.before.as_str() {
            "" => Ok(i64::MAX),
            text => text
                .parse()
                .ok()
                .filter(|n| *n >= 0)
                .ok_or_else(|| Failure::field("before", "type", "a place in the log")),
        }
    }
    /// The same question, further back.
    pub(super) fn older(&self, before: i64) -> String {
        let all = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("target", &self.target),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let given = all.into_iter().filter(|(_, value)| !value.is_empty());
        let mut query: String = given.map(|(name, value)| format!("{name}={}&", escaped(value))).collect();
        query.push_str(&format!("before={before}"));
        query
    }
    pub(super) fn form(&self, action: &str, people: &People) -> Markup {
        let mut actors = vec![(String::new(), "Anybody".to_owned())];
        actors.extend(people.0.iter().map(|(id, name)| (format!("user/{id}"), name.clone())));
        actors.push(("visitor".to_owned(), "A visitor".to_owned()));
        let other = !self.actor.is_empty() && !actors.iter().any(|(value, _)| *value == self.actor);
        actors.extend(other.then(|| (self.actor.clone(), people.name(&self.actor))));
        html! {
            details.more open[self.any()] {
                summary { "Look for something" }
                (form_get(action, html! {
                (Field::select("actor", "Who", actors).value(self.actor.clone()))
                (Field::text("action", "What").value(self.action.clone()).placeholder("record.created"))
                (Field::text("target", "On what").value(self.target.clone()).placeholder("member/"))
                (Field::text("from", "From").kind("date").value(self.from.clone()))
                (Field::text("to", "To").kind("date").value(self.to.clone()))
                (Button::submit("Show"))
                @if self.any() { a href=(action) { "Show everything" } }
            }))
            }
        }
    }
}

fn day(field: &str, text: &str) -> Result<Option<Time>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Failure::field(field, "type", "a day, such as 2026-05-04");
    Time::day(text).map(Some).ok_or_else(wrong)
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(b)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_is_inside() {
        let sieve = Sieve { from: "2026-05-04".into(), to: "2026-05-04".into(), ..Sieve::default() };
        let (from, to) = (sieve.since().unwrap().unwrap(), sieve.until().unwrap().unwrap());
        assert_eq!(to.since(from), DAY);
        for bad in ["x", "2026-5-4", "2026-02-30", "2026-05-04T00:00:00Z"] {
            assert!(Sieve { from: bad.into(), ..Sieve::default() }.since().is_err(), "{bad}");
        }
    }

    #[test]
    fn going_back_keeps_the_question() {
        let sieve = Sieve { action: "a b&c".into(), before: "9".into(), ..Sieve::default() };
        assert_eq!(sieve.older(3), "action=a%20b%26c&before=3");
        assert!(Sieve { before: "-1".into(), ..Sieve::default() }.before().is_err());
        assert_eq!(Sieve::default().before().unwrap(), i64::MAX);
    }
}
