//! Declared actions: guards, sets and `ensure` in one conditional UPDATE, so that concurrent calls win at most as often as
//! the guards allow. What is read before only finds the words for a refusal; the statement decides.

use std::sync::Arc;

use kernel::{Credential, Failure, Principal, Reason, Time, intern};
use manifest::{Action, Collection, Field, Guard, Kind, Literal, Operand, Set, Test};
use regex_lite::Regex;
use serde_json::{Map, Value as Json, json};
use store::{Batch, Own, Tx, Type, Value};

use crate::{
    collect::{Errors, inputs},
    draft, refer, seal,
    shelf::column_type,
    sql::{self, Bound, quoted},
    version,
    write::{self, Before, Writer},
};

/// An action, compiled.
pub(crate) struct Plan {
    pub(crate) def: Action,
    /// The verb of the access matrix.
    pub(crate) verb: &'static str,
    patterns: Vec<Option<Regex>>,
}

impl Plan {
    /// Every action of a collection.
    pub(crate) fn all(c: &Collection) -> Vec<Arc<Self>> {
        let mut plans: Vec<Arc<Self>> = c.actions.iter().map(|a| Arc::new(Self::new(a.clone(), a.id))).collect();
        if c.drafts && c.actions.iter().all(|a| a.id != "unpublish") {
            plans.push(Arc::new(Self::new(unpublish(c), "publish")));
        }
        plans
    }

    fn new(def: Action, verb: &'static str) -> Self {
        let pattern = |f: &Field| f.pattern.as_ref().and_then(|p| Regex::new(&format!("^(?:{p})$")).ok());
        Self { patterns: def.input.iter().map(pattern).collect(), def, verb }
    }
}

/// Taking a record back needs no declaration: whoever may publish may do it.
fn unpublish(c: &Collection) -> Action {
    let publish = c.actions.iter().find(|a| a.id == "publish");
    Action {
        id: "unpublish",
        label: "Unpublish".to_owned(),
        input: Vec::new(),
        when: Vec::new(),
        set: Vec::new(),
        ensure: Vec::new(),
        published: Some(false),
        at: None,
        create: Vec::new(),
        audit: "record.unpublished",
        event: intern(&format!("{}.unpublished", c.id)),
        limit: publish.map_or("api", |p| p.limit),
        step_up: None,
        confirm: false,
    }
}

/// Whether who acts has proved lately enough who they are.
pub(crate) fn proved(plan: &Plan, principal: &Principal) -> Result<(), Failure> {
    let Some(window) = plan.def.step_up else { return Ok(()) };
    let lately = match principal.credential() {
        Credential::User { proved, .. } => principal.at().since(*proved) <= window.0,
        Credential::Job(_) | Credential::Operator(_) => true,
        Credential::None | Credential::Desk(_) => false,
    };
    if lately { Ok(()) } else { Err(Failure::Refused(Reason::StepUp)) }
}

/// One call of an action.
struct Act<'a> {
    w: &'a Writer<'a>,
    plan: &'a Plan,
    inputs: Vec<Value>,
    /// The record as the action finds it: pending changes count when it is published or taken back.
    was: Vec<Value>,
    /// Pending changes that the action makes real.
    pending: Vec<(usize, Value)>,
}

/// Runs it as the request's one batch.
pub(crate) async fn run(
    w: &Writer<'_>,
    plan: &Plan,
    tx: Tx<kernel::Write>,
    id: &str,
    given: &Map<String, Json>,
    expected: Option<i64>,
) -> Result<store::Receipt, Failure> {
    proved(plan, tx.permit().principal())?;
    let mut errors = Errors::default();
    let taken = inputs(&plan.def.input, &plan.patterns, given, w.records.app.currency, &mut errors);
    positive(plan, &taken, &mut errors);
    let before = write::before(w.shelf, &tx, id).await?;
    if expected.is_some_and(|v| v != before.version) {
        return Err(Failure::Stale);
    }
    look_up_inputs(w, plan, &tx, &taken, &mut errors).await?;
    let act = Act::new(w, plan, taken, &before);
    let mut made = Vec::new();
    for (collection, sets) in &plan.def.create {
        let Some(shelf) = w.records.shelf(*collection) else { continue };
        let given = sets.iter().map(|(at, set)| (*at, act.value(set, id))).collect();
        let there = w.elsewhere(shelf, kernel::FieldSet::ALL);
        made.push((there.complete(&tx, given, kernel::FieldSet::NONE, &mut errors).await?, Arc::clone(shelf)));
    }
    errors.settle()?;
    act.met()?;
    let payload = act.payload(id).await?;
    let sealed = act.sealed_inputs(id).await?;
    let batch = tx.batch::<Own>(format!("{}/{id}", w.shelf.def.id));
    let batch = version::keep(w, batch, id, &before);
    let mut batch = act.update(batch, id, &before, expected, &sealed);
    for (fresh, shelf) in made {
        let there = w.elsewhere(&shelf, kernel::FieldSet::ALL);
        let parent = shelf.def.part_of.and_then(|(_, at)| fresh.values.get(at)).and_then(text);
        batch = there.follow(there.insert(batch, fresh, false, false), parent.as_deref());
    }
    let parent = w.shelf.def.part_of.and_then(|(_, at)| before.values.get(at)).and_then(text);
    w.follow(batch, parent.as_deref()).emit(plan.def.event, payload).commit().await
}

/// The first guard that the record as it is does not meet, whatever the inputs will be. The statement decides again.
pub(crate) fn hindered<'p>(w: &Writer<'_>, plan: &'p Plan, before: &Before) -> Option<&'p Guard> {
    let act = Act::new(w, plan, vec![Value::Null; plan.def.input.len()], before);
    let known = |g: &&Guard| {
        let operand = match &g.is {
            Test::In(_) | Test::Set | Test::Unset => None,
            Test::Less(o) | Test::AtMost(o) | Test::More(o) | Test::AtLeast(o) => Some(o),
        };
        ![Some(&g.left), operand].into_iter().flatten().any(|o| matches!(o, Operand::Input(_)))
    };
    let failed = plan.def.when.iter().filter(known).find(|g| !act.holds(g, &act.was));
    if failed.is_some() || !plan.def.input.is_empty() {
        return failed;
    }
    let after = act.after();
    plan.def.ensure.iter().find(|g| !act.holds(g, &after))
}

fn text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

/// INVARIANT: an input that is added or taken away is more than nothing, unless its own `min` says otherwise: a sum moves
/// only the way its action is meant.
fn positive(plan: &Plan, taken: &[Value], errors: &mut Errors) {
    for (_, set) in &plan.def.set {
        let (Set::Add(Operand::Input(at)) | Set::Subtract(Operand::Input(at))) = set else { continue };
        let Some(field) = plan.def.input.get(*at).filter(|f| f.min.is_none()) else { continue };
        if matches!(taken.get(*at), Some(Value::Int(n)) if *n <= 0) {
            errors.add(field.id, "min", "must be more than zero");
        }
    }
}

async fn look_up_inputs(
    w: &Writer<'_>,
    plan: &Plan,
    tx: &Tx<kernel::Write>,
    taken: &[Value],
    errors: &mut Errors,
) -> Result<(), Failure> {
    for (field, value) in plan.def.input.iter().zip(taken).filter(|(_, v)| **v != Value::Null) {
        match field.kind {
            Kind::Reference { .. } if refer::refers(w, tx, field, value, &[]).await?.is_none() => {
                errors.add(field.id, "reference", "there is no such record to refer to");
            }
            Kind::File { .. } => errors.add(field.id, "file", "set files in the record itself"),
            _ => {}
        }
    }
    Ok(())
}

impl<'a> Act<'a> {
    fn new(w: &'a Writer<'a>, plan: &'a Plan, inputs: Vec<Value>, before: &Before) -> Self {
        let draft = before.draft.as_deref().filter(|_| plan.def.published.is_some());
        let pending = draft.map_or_else(Vec::new, |text| draft::read(w.shelf, text));
        let mut was = before.values.clone();
        for (at, value) in &pending {
            if let Some(slot) = was.get_mut(*at) {
                *slot = value.clone();
            }
        }
        was.push(Value::Int(before.published.into()));
        Self { w, plan, inputs, was, pending }
    }

    fn literal(&self, literal: &Literal) -> Value {
        sql::literal(literal, &self.w.me)
    }

    fn input(&self, at: usize) -> Value {
        self.inputs.get(at).cloned().unwrap_or_default()
    }

    /// What a set gives where no expression is needed.
    fn value(&self, set: &Set, id: &str) -> Value {
        match set {
            Set::Value(v) => self.literal(v),
            Set::Me => self.w.me.clone(),
            Set::Now => self.w.now.into(),
            Set::Record => id.into(),
            Set::Input(i) => self.input(*i),
            Set::Add(Operand::Input(i)) => self.input(*i),
            Set::Add(Operand::Value(v)) => self.literal(v),
            _ => Value::Null,
        }
    }

    /// An operand over values.
    fn operand(&self, operand: &Operand, record: &[Value]) -> Value {
        match operand {
            Operand::Field(at) => record.get(*at).cloned().unwrap_or_default(),
            Operand::Published => record.last().cloned().unwrap_or_default(),
            Operand::Input(i) => self.input(*i),
            Operand::Value(v) => self.literal(v),
            Operand::Now => self.w.now.into(),
        }
    }

    fn holds(&self, guard: &Guard, record: &[Value]) -> bool {
        let left = self.operand(&guard.left, record);
        let order = |right: &Operand| match (&left, &self.operand(right, record)) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            _ => None,
        };
        match &guard.is {
            Test::In(any) => left != Value::Null && any.iter().any(|l| self.literal(l) == left),
            Test::Set => left != Value::Null,
            Test::Unset => left == Value::Null,
            Test::Less(right) => order(right).is_some_and(|o| o.is_lt()),
            Test::AtMost(right) => order(right).is_some_and(|o| o.is_le()),
            Test::More(right) => order(right).is_some_and(|o| o.is_gt()),
            Test::AtLeast(right) => order(right).is_some_and(|o| o.is_ge()),
        }
    }

    /// The record as it would be after, as far as guards look at it.
    fn after(&self) -> Vec<Value> {
        let mut after = self.was.clone();
        let number = |v: &Value| if let Value::Int(n) = v { *n } else { 0 };
        let simple = self.plan.def.set.iter().filter(|(_, s)| !matches!(s, Set::ValueIf(..)));
        for (at, set) in simple {
            let Some(slot) = after.get_mut(*at) else { continue };
            *slot = match set {
                Set::Add(by) | Set::Subtract(by) if *slot != Value::Null => {
                    let by = number(&self.operand(by, &self.was));
                    let old = number(slot);
                    Value::Int(if matches!(set, Set::Add(_)) { old.saturating_add(by) } else { old.saturating_sub(by) })
                }
                Set::Add(_) | Set::Subtract(_) => Value::Null,
                set => self.value(set, ""),
            };
        }
        for (at, set) in &self.plan.def.set {
            if let Set::ValueIf(value, a, b) = set
                && after.get(*a) == after.get(*b)
                && after.get(*a) != Some(&Value::Null)
                && let Some(slot) = after.get_mut(*at)
            {
                *slot = self.literal(value);
            }
        }
        after
    }

    /// Says which guard is not met, by its name when the caller may read what it is about.
    fn met(&self) -> Result<(), Failure> {
        let failed = self.plan.def.when.iter().find(|g| !self.holds(g, &self.was));
        let after = self.after();
        let failed = failed.or_else(|| self.plan.def.ensure.iter().find(|g| !self.holds(g, &after)));
        let Some(guard) = failed else { return Ok(()) };
        let name = match guard.left {
            Operand::Field(at) if self.w.allowed.read.has(at) => self.w.shelf.field(at).map(|f| f.id),
            Operand::Published => Some("published"),
            Operand::Input(at) => self.plan.def.input.get(at).map(|f| f.id),
            _ => None,
        };
        Err(Failure::Conflict(match name {
            Some(name) => format!("`{name}` does not allow this now").into(),
            None => "a condition of this action is not met".into(),
        }))
    }

    /// Inputs that go into sealed fields, sealed: (field, value).
    async fn sealed_inputs(&self, id: &str) -> Result<Vec<(usize, Value)>, Failure> {
        let sets = self.plan.def.set.iter().filter(|(at, _)| self.w.shelf.sealed.has(*at));
        let mut values: Vec<(usize, Value)> = sets.map(|(at, set)| (*at, self.value(set, id))).collect();
        let pairs = values.iter_mut().map(|(at, v)| (*at, v));
        seal::seal(self.w.records, self.w.shelf, &self.w.home, id, pairs).await?;
        Ok(values)
    }

    /// What the outbox tells of it, sealed.
    async fn payload(&self, id: &str) -> Result<Vec<u8>, Failure> {
        let event = self.plan.def.event;
        let mut input = Map::new();
        for (field, value) in self.plan.def.input.iter().zip(&self.inputs).filter(|(f, _)| f.kind != Kind::Secret) {
            let mut shown = Vec::new();
            let (digits, currency) = (self.w.records.digits, self.w.records.app.currency);
            crate::json::value(&mut shown, field, crate::json::Seen::value(value), digits, currency);
            input.insert(field.id.to_owned(), serde_json::from_slice(&shown).unwrap_or_default());
        }
        let body = json!({
            "type": event,
            "timestamp": self.w.now.to_string(),
            "data": { "collection": self.w.shelf.def.id, "id": id, "action": self.plan.def.id, "input": input },
        });
        let home = &self.w.home;
        let spot =
            encryption::Spot { tenant: home.id, region: &home.region, collection: "_outbox", field: event, row: "" };
        self.w.records.vault.seal(&spot, body.to_string().as_bytes()).await
    }

    /// The one conditional statement.
    fn update(
        &self,
        batch: Batch<Own>,
        id: &str,
        before: &Before,
        expected: Option<i64>,
        sealed: &[(usize, Value)],
    ) -> Batch<Own> {
        let (shelf, def) = (self.w.shelf, &self.plan.def);
        let mut bound = Bound::default();
        bound.put(id);
        let mut sets =
            vec![format!("\"updated_at\" = {}", bound.put(self.w.now)), "\"version\" = \"version\" + 1".to_owned()];
        let mut now: Vec<String> = shelf.def.fields.iter().map(|f| quoted(f.id)).collect();
        for (at, value) in &self.pending {
            if let (Some(field), Some(slot)) = (shelf.field(*at), now.get_mut(*at)) {
                *slot = bound.typed(column_type(field), value.clone());
            }
        }
        let mut only: Vec<String> = def.when.iter().map(|g| self.guard(g, &now, &mut bound)).collect();
        let after = self.sets(&now, sealed, &mut bound);
        for (at, expression) in after.iter().enumerate() {
            if let Some(field) = shelf.field(at).filter(|f| *expression != quoted(f.id)) {
                sets.push(format!("{} = {expression}", quoted(field.id)));
            }
        }
        only.extend(def.ensure.iter().map(|g| self.guard(g, &after, &mut bound)));
        if def.published.is_some() {
            sets.extend(self.publication(before, &mut bound));
        }
        let pinned =
            expected.or_else(|| before.draft.as_ref().filter(|_| def.published.is_some()).map(|_| before.version));
        only.extend(pinned.map(|v| format!("\"version\" = {}", bound.put(v))));
        let statement = self.w.records.shapes.write(sql::update(&shelf.def, &shelf.sql, &sets, &only));
        let failure = if expected.is_some() {
            Failure::Stale
        } else {
            Failure::Conflict("another request came first; a condition of this action is no longer met".into())
        };
        batch.returning(1, &statement, bound.into_values(), failure)
    }

    /// Expressions of every field after the change.
    fn sets(&self, now: &[String], sealed: &[(usize, Value)], bound: &mut Bound) -> Vec<String> {
        let shelf = self.w.shelf;
        let mut after = now.to_vec();
        for (at, set) in &self.plan.def.set {
            let (Some(field), Some(old)) = (shelf.field(*at), now.get(*at)) else { continue };
            let kind = column_type(field);
            let expression = match set {
                Set::ValueIf(..) => continue,
                Set::Add(by) => format!("({old} + {})", self.expression(by, now, Type::Int, bound)),
                Set::Subtract(by) => format!("({old} - {})", self.expression(by, now, Type::Int, bound)),
                set => {
                    let hidden = sealed.iter().find(|(s, _)| s == at).map(|(_, v)| v.clone());
                    bound.typed(kind, hidden.unwrap_or_else(|| self.value(set, "")))
                }
            };
            if let Some(slot) = after.get_mut(*at) {
                *slot = expression;
            }
        }
        let settled = after.clone();
        for (at, set) in &self.plan.def.set {
            if let (Set::ValueIf(value, a, b), Some(field)) = (set, shelf.field(*at))
                && let (Some(a), Some(b)) = (settled.get(*a), settled.get(*b))
                && let Some(slot) = after.get_mut(*at)
            {
                let value = bound.typed(column_type(field), self.literal(value));
                *slot = format!("(CASE WHEN {a} = {b} THEN {value} ELSE {slot} END)");
            }
        }
        for (at, field) in shelf.fields() {
            let Some(product) = crate::derive::product(&shelf.def, field, &after) else { continue };
            let plain: Vec<String> = shelf.def.fields.iter().map(|f| quoted(f.id)).collect();
            if crate::derive::product(&shelf.def, field, &plain).as_ref() != Some(&product)
                && let Some(slot) = after.get_mut(at)
            {
                *slot = product;
            }
        }
        after
    }

    /// Columns of publication.
    fn publication(&self, before: &Before, bound: &mut Bound) -> Vec<String> {
        let now = || self.w.now;
        let later = self.plan.def.at.and_then(|at| self.after().get(at).cloned()).and_then(|v| match v {
            Value::Int(n) if Time(n) > now() && !before.published => Some(n),
            _ => None,
        });
        let null = |name: &str| format!("\"{name}\" = NULL");
        let mut sets = vec![null("draft"), null("draft_key")];
        match (self.plan.def.published, later) {
            (Some(true), Some(later)) => sets.push(format!("\"publish_at\" = {}", bound.put(later))),
            (Some(true), None) => {
                sets.extend(["\"published\" = 1".to_owned(), null("publish_at")]);
                sets.push(format!("\"published_at\" = {}", bound.put(now())));
            }
            _ => sets.extend(["\"published\" = 0".to_owned(), null("publish_at"), null("published_at")]),
        }
        sets
    }

    fn kind(&self, operand: &Operand) -> Type {
        let of = |f: Option<&Field>| f.map_or(Type::Text, column_type);
        match operand {
            Operand::Field(at) => of(self.w.shelf.field(*at)),
            Operand::Input(at) => of(self.plan.def.input.get(*at)),
            Operand::Published | Operand::Now | Operand::Value(Literal::Int(_)) => Type::Int,
            Operand::Value(_) => Type::Text,
        }
    }

    fn expression(&self, operand: &Operand, columns: &[String], kind: Type, bound: &mut Bound) -> String {
        match operand {
            Operand::Field(at) => columns.get(*at).cloned().unwrap_or_else(|| "NULL".to_owned()),
            Operand::Published => "\"published\"".to_owned(),
            Operand::Input(i) => bound.typed(kind, self.input(*i)),
            Operand::Value(v) => bound.typed(kind, self.literal(v)),
            Operand::Now => bound.typed(Type::Int, self.w.now),
        }
    }

    fn guard(&self, guard: &Guard, columns: &[String], bound: &mut Bound) -> String {
        let kind = self.kind(&guard.left);
        let left = self.expression(&guard.left, columns, kind, bound);
        let mut compared = |sign: &str, right: &Operand| {
            let right = self.expression(right, columns, kind, bound);
            format!("{left} {sign} {right}")
        };
        match &guard.is {
            Test::Less(right) => compared("<", right),
            Test::AtMost(right) => compared("<=", right),
            Test::More(right) => compared(">", right),
            Test::AtLeast(right) => compared(">=", right),
            Test::Set => format!("{left} IS NOT NULL"),
            Test::Unset => format!("{left} IS NULL"),
            Test::In(any) => {
                let any: Vec<String> = any.iter().map(|l| bound.typed(kind, self.literal(l))).collect();
                format!("{left} IN ({})", any.join(", "))
            }
        }
    }
}
