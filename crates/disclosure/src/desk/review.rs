//! "Their list is gone through every quarter": who may act from inside and who holds powerful roles, a decision about each
//! operator, and a signature under exactly that.

use std::collections::BTreeMap;

use access::register::{self, Operator};
use encryption::hash::sha256;
use kernel::{DAY, Failure, Mode, Rng, Time, Write};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Batch, Control, Receipt, Tx};
use tenancy::roster;

use super::sql;
use crate::{Attestation, Disclosure, Wish, results::attestation};

/// What a review is signed for.
pub(crate) const CHECK: &str = "gov.access_review";
/// The longest that a review counts, in milliseconds: a quarter.
pub(crate) const QUARTER: i64 = 92 * DAY;

/// A decision about each operator, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Who may go on.
    pub keep: Vec<String>,
    /// Who may not.
    pub remove: Vec<String>,
}

/// How many hold powerful roles at one tenant: counts, no names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Its id.
    pub tenant: String,
    /// Its name in addresses.
    #[serde(skip)]
    pub slug: String,
    /// Role and how many.
    pub roles: BTreeMap<String, i64>,
}

/// What is gone through.
#[derive(Clone, Debug)]
pub struct Reviewable {
    /// The register.
    pub operators: Vec<Operator>,
    /// Roles that decide about people or about the tenant itself.
    pub powerful: Vec<&'static str>,
    /// By tenant.
    pub held: Vec<Held>,
    /// When it was read.
    pub at: Time,
}

/// A review that is done.
#[derive(Clone, Debug, Serialize)]
pub struct Reviewed {
    /// Names.
    pub kept: Vec<String>,
    /// Names.
    pub removed: Vec<String>,
    /// SHA-256 of the document of the review, as hex.
    pub digest: String,
    /// Until when the signature counts; none: the page makes no such promise, so nothing was signed.
    pub signed_until: Option<String>,
}

impl Reviewable {
    /// Holders of one role, and at how many tenants.
    #[must_use]
    pub fn of(&self, role: &str) -> (i64, usize) {
        let counts = self.held.iter().filter_map(|h| h.roles.get(role));
        (counts.clone().sum(), counts.count())
    }
    fn holders(&self) -> i64 {
        self.powerful.iter().map(|role| self.of(role).0).sum()
    }
    /// As it is shown.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut told = self.document();
        if let Some(tenants) = told.get_mut("tenants").and_then(Value::as_array_mut) {
            for (tenant, held) in tenants.iter_mut().zip(&self.held) {
                tenant.as_object_mut().map(|members| members.insert("slug".to_owned(), held.slug.clone().into()));
            }
        }
        told
    }
    /// As it is kept and digested: without names of tenants, for it outlives them.
    fn document(&self) -> Value {
        let line = |o: &Operator| {
            json!({
                "name": o.name, "reason": o.reason, "owner": o.owner, "added_by": o.added_by,
                "added_at": o.added_at.to_string(), "expires": o.expires.to_string(),
                "state": if o.in_force(self.at) { "in force" } else { "expired" },
            })
        };
        json!({
            "operators": self.operators.iter().map(line).collect::<Vec<_>>(),
            "powerful_roles": self.powerful,
            "tenants": self.held,
        })
    }
}

impl Decisions {
    /// # Errors
    /// `Invalid`: somebody of the register without a decision or with two, or somebody who is not in it.
    fn checked(&self, operators: &[Operator]) -> Result<(), Failure> {
        let wrong = |name: &str, code, why: &'static str| {
            let at = operators.iter().position(|o| o.name == name);
            Failure::field(at.map_or("decisions".to_owned(), |at| format!("decide-{at}")), code, why)
        };
        if operators.is_empty() {
            return Err(Failure::Conflict("the register is empty: there is nothing to go through".into()));
        }
        for (at, name) in self.keep.iter().chain(&self.remove).enumerate() {
            if !operators.iter().any(|o| o.name == *name) {
                return Err(wrong(name, "unknown", "a name that is not in the register"));
            }
            if self.keep.iter().chain(&self.remove).skip(at + 1).any(|other| other == name) {
                return Err(wrong(name, "twice", "one decision for each operator"));
            }
        }
        if kernel::sabotage::off(CHECK) {
            return Ok(());
        }
        let open = operators.iter().find(|o| !self.keep.contains(&o.name) && !self.remove.contains(&o.name));
        match open {
            Some(o) => Err(wrong(&o.name, "required", "keep or remove: each operator needs a decision")),
            None => Ok(()),
        }
    }
}

impl Disclosure {
    /// What a review goes through.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn reviewable<M: Mode>(&self, tx: &Tx<M>) -> Result<Reviewable, Failure> {
        let powerful = access::powerful(self.app());
        let mut held: Vec<Held> = Vec::new();
        for one in roster::holders(tx).await?.into_iter().filter(|h| powerful.contains(&h.role.as_str())) {
            let tenant = one.tenant.to_string();
            match held.last_mut().filter(|last| last.tenant == tenant) {
                Some(last) => drop(last.roles.insert(one.role, one.count)),
                None => held.push(Held { tenant, slug: one.slug, roles: BTreeMap::from([(one.role, one.count)]) }),
            }
        }
        let operators = register::all(tx).await?;
        Ok(Reviewable { operators, powerful, held, at: tx.permit().principal().at() })
    }

    /// When the last one was done.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn last_review<M: Mode>(&self, tx: &Tx<M>) -> Result<Option<Time>, Failure> {
        Ok(tx.all(&sql::REVIEWS, (1,)).await?.first().map(|(_, at, ..)| *at))
    }

    /// Keeps the decisions, takes out whom they remove, and signs. The permit's event is `access.reviewed`.
    ///
    /// # Errors
    /// `Invalid`: an operator without a decision; `Conflict`: the register is empty. Those of the store.
    pub async fn review(&self, tx: Tx<Write>, by: &str, decisions: Decisions) -> Result<(Receipt, Reviewed), Failure> {
        let seen = self.reviewable(&tx).await?;
        decisions.checked(&seen.operators)?;
        let (now, id) = (seen.at, self.rng().id(seen.at));
        let Decisions { keep, remove } = decisions;
        let document = json!({
            "v": 1, "app": self.app().id, "at": now.to_string(), "by": by,
            "seen": seen.document(), "kept": keep, "removed": remove,
        })
        .to_string();
        let digest = hex::encode(sha256(document.as_bytes()));
        let row = (id, now, by.to_owned(), digest.clone(), document);
        let (names, told) = (remove.clone(), digest.clone());
        let more = |batch: Batch<Control>| {
            let batch =
                batch.rows(1, &sql::REVIEWED, row).fact("digest", told).fact("removed", names.len().to_string());
            names
                .iter()
                .fold(batch, |batch, name| departed(register::remove(batch, name, by, now), self.rng(), name, now))
        };
        let promised = self.page().claims.iter().any(|claim| claim.checks.contains(&CHECK));
        let (receipt, signed) = if promised {
            let wish = self.review_wish(&seen, by, (keep.len(), remove.len()), &digest);
            let (receipt, made) = self.attest_with(tx, wish, |batch, _| more(batch)).await?;
            (receipt, Some(made))
        } else {
            (more(tx.batch::<Control>(format!("access_review/{id}"))).commit().await?, None)
        };
        self.forget();
        let signed_until = signed.map(|made: Attestation| made.expires_at);
        Ok((receipt, Reviewed { kept: keep, removed: remove, digest, signed_until }))
    }

    fn review_wish(&self, seen: &Reviewable, by: &str, (kept, removed): (usize, usize), digest: &str) -> Wish {
        let tenants = seen.held.len();
        let statement = format!(
            "I went through the register of operators and the holders of powerful roles. Operators kept: {kept}; removed: \
             {removed}. Holders: {} at {tenants} tenants. SHA-256 of what was reviewed: {digest}",
            seen.holders()
        );
        let allowed = attestation::subject(self.app(), self.page(), CHECK).map_or(QUARTER, |(_, longest)| longest);
        let lasts = self.app().operators.review.0.min(allowed);
        let expires = Some(seen.at.plus(lasts));
        Wish { subject: CHECK.to_owned(), name: by.to_owned(), statement, evidence: None, expires }
    }
}

/// Whoever leaves the register may have seen secrets: the clocks of those run from now on, in the same batch.
#[must_use]
pub fn departed(batch: Batch<Control>, rng: &dyn Rng, name: &str, now: Time) -> Batch<Control> {
    batch.rows(1, &sql::LEFT, (rng.id(now), name.to_owned(), now, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(name: &str) -> Operator {
        let text = String::new;
        Operator {
            name: name.into(),
            reason: text(),
            owner: text(),
            added_by: text(),
            added_at: Time(0),
            expires: Time(1),
        }
    }

    #[test]
    fn each_operator_needs_one_decision() {
        let all = [operator("ann"), operator("bob")];
        let decide = |keep: &[&str], remove: &[&str]| {
            let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect();
            Decisions { keep: names(keep), remove: names(remove) }.checked(&all)
        };
        assert!(decide(&["ann", "bob"], &[]).is_ok());
        assert!(decide(&["ann"], &["bob"]).is_ok());
        for (keep, remove) in [
            (&["ann"][..], &[][..]),
            (&["ann", "bob"], &["bob"]),
            (&["ann", "ann", "bob"], &[]),
            (&["ann", "bob", "eve"], &[]),
        ] {
            assert!(matches!(decide(keep, remove), Err(Failure::Invalid(_))), "{keep:?} {remove:?}");
        }
        assert!(matches!(Decisions::default().checked(&[]), Err(Failure::Conflict(_))));
    }

    #[test]
    fn holders_are_counted_by_role() {
        let held = |slug: &str, roles: &[(&str, i64)]| Held {
            tenant: slug.into(),
            slug: slug.into(),
            roles: roles.iter().map(|(r, n)| ((*r).to_owned(), *n)).collect(),
        };
        let seen = Reviewable {
            operators: Vec::new(),
            powerful: vec!["owner", "admin"],
            held: vec![held("a", &[("owner", 1), ("admin", 3)]), held("b", &[("owner", 2)])],
            at: Time(0),
        };
        assert_eq!((seen.of("owner"), seen.of("admin"), seen.of("none")), ((3, 2), (3, 1), (0, 0)));
        assert_eq!(seen.holders(), 6);
    }
}
