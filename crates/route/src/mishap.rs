//! A form that was refused: what is wrong, and what the person had typed.

use std::borrow::Cow;

use crate::{Problem, page::Notice};

/// Members of a form as they were sent, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept(pub Vec<(String, String)>);

impl Kept {
    /// The first member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
    /// Every member of that name.
    pub fn all<'k>(&'k self, name: &'k str) -> impl Iterator<Item = &'k str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What went wrong with a form.
#[derive(Clone, Debug)]
pub struct Mishap {
    /// As a program would be told it.
    pub problem: Problem,
    /// What was typed; empty when the body was not read.
    pub kept: Kept,
}

impl Mishap {
    /// What is wrong with one field.
    #[must_use]
    pub fn error(&self, field: &str) -> Option<&str> {
        self.problem.errors.iter().find(|e| e.field == field).map(|e| e.detail.as_ref())
    }
    /// The whole as one sentence for the top of the form.
    #[must_use]
    pub fn words(&self) -> Cow<'static, str> {
        let problem = &self.problem;
        let title = problem.title.split(';').next().unwrap_or_default();
        match (&problem.detail, problem.retry_after, problem.errors.len()) {
            (_, Some(seconds), _) => format!("{title}. {}", wait(seconds)).into(),
            (_, _, 1) => "One field needs another look.".into(),
            (_, _, n) if n > 1 => format!("{n} fields need another look.").into(),
            (Some(detail), _, _) => format!("{title}: {detail}.").into(),
            (None, _, _) => format!("{title}.").into(),
        }
    }
    /// The same as a notice.
    #[must_use]
    pub fn notice(&self) -> Notice {
        Notice::bad(self.words())
    }
}

/// "Try again in 2 minutes."; never less than what is left.
#[must_use]
pub fn wait(seconds: u32) -> String {
    let (count, unit) = match seconds {
        0..=90 => (seconds.max(1), "second"),
        91..=5400 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3600), "hour"),
    };
    format!("Try again in {count} {unit}{}.", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use kernel::Failure;

    use super::*;
    use crate::problem;

    #[test]
    fn the_wait_is_never_understated() {
        for (seconds, words) in [
            (0, "Try again in 1 second."),
            (1, "Try again in 1 second."),
            (90, "Try again in 90 seconds."),
            (91, "Try again in 2 minutes."),
            (121, "Try again in 3 minutes."),
            (900, "Try again in 15 minutes."),
            (5401, "Try again in 2 hours."),
        ] {
            assert_eq!(wait(seconds), words);
        }
    }

    #[test]
    fn words_for_people() {
        let of = |failure| Mishap { problem: problem(failure), kept: Kept::default() }.words().into_owned();
        assert_eq!(of(Failure::WrongCredentials), "The name or the password is wrong.");
        assert_eq!(of(Failure::Locked(900)), "Too many failed attempts. Try again in 15 minutes.");
        assert_eq!(of(Failure::field("a", "required", "a text")), "One field needs another look.");
    }
}
