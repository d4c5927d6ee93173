//! Creating, changing and deleting records: what a batch is made of.

use std::sync::Arc;

use kernel::{Failure, FieldSet, Home, Mode, Permit, Time};
use manifest::Derived;
use serde_json::{Map, Value as Json};
use store::{Batch, Own, Tx, Value};

use crate::{
    collect::{Allowed, Errors, members},
    derive, reach, refer, seal,
    shelf::{Records, Shelf, column_type},
    sql::{self, Bound, quoted},
};

/// Who writes where, and when.
pub(crate) struct Writer<'w> {
    pub(crate) records: &'w Records,
    pub(crate) shelf: &'w Shelf,
    pub(crate) home: Arc<Home>,
    /// The acting user's id.
    pub(crate) me: Value,
    pub(crate) now: Time,
    pub(crate) allowed: Allowed,
}

/// A record that is not there yet.
pub(crate) struct Fresh {
    pub(crate) id: String,
    /// Every field, by position.
    pub(crate) values: Vec<Value>,
    files: Vec<String>,
}

impl<'w> Writer<'w> {
    /// Under a permit, by its field sets.
    pub(crate) fn new<M: Mode>(records: &'w Records, shelf: &'w Shelf, permit: &Permit<M>) -> Self {
        let (principal, grant) = (permit.principal(), permit.reach());
        let allowed = Allowed { read: crate::answer::readable(shelf, grant), write: grant.write, inside: false };
        Self {
            records,
            shelf,
            home: Arc::clone(principal.home()),
            me: principal.user().into(),
            now: principal.at(),
            allowed,
        }
    }

    /// The same person writing to another collection, where a declaration says which fields.
    pub(crate) fn elsewhere(&self, shelf: &'w Shelf, fields: FieldSet) -> Self {
        let allowed = Allowed { read: fields, write: fields, inside: false };
        Self { records: self.records, shelf, home: Arc::clone(&self.home), me: self.me.clone(), now: self.now, allowed }
    }

    /// A record of these members: checked, completed, sealed.
    pub(crate) async fn fresh<M: Mode>(
        &self,
        tx: &Tx<M>,
        given: &Map<String, Json>,
        errors: &mut Errors,
    ) -> Result<Fresh, Failure> {
        let taken = members(self.shelf, &self.allowed, given, self.records.app.currency, errors);
        self.complete(tx, taken, FieldSet::NONE, errors).await
    }

    /// The same under an id that was drawn before: a form sent twice makes one record.
    pub(crate) async fn named<M: Mode>(
        &self,
        tx: &Tx<M>,
        id: String,
        given: &Map<String, Json>,
        errors: &mut Errors,
    ) -> Result<Fresh, Failure> {
        let taken = members(self.shelf, &self.allowed, given, self.records.app.currency, errors);
        self.filled(tx, id, taken, FieldSet::NONE, errors).await
    }

    /// Completes values given in stored form. `trusted` references point at records of the same batch.
    pub(crate) async fn complete<M: Mode>(
        &self,
        tx: &Tx<M>,
        given: Vec<(usize, Value)>,
        trusted: FieldSet,
        errors: &mut Errors,
    ) -> Result<Fresh, Failure> {
        self.filled(tx, self.records.rng.id(self.now).to_string(), given, trusted, errors).await
    }

    async fn filled<M: Mode>(
        &self,
        tx: &Tx<M>,
        id: String,
        mut given: Vec<(usize, Value)>,
        trusted: FieldSet,
        errors: &mut Errors,
    ) -> Result<Fresh, Failure> {
        let told: Vec<String> = errors.list.iter().map(|e| e.field.clone()).collect();
        let found = refer::look_up(self, tx, &mut given, trusted, &id, errors).await?;
        let mut values: Vec<Value> = vec![Value::Null; self.shelf.def.fields.len()];
        for (at, field) in self.shelf.fields() {
            if let (Some(default), Some(slot)) = (&field.default, values.get_mut(at)) {
                *slot = sql::literal(default, &self.me);
            }
        }
        for (at, value) in given.into_iter().chain(found.copies) {
            if let Some(slot) = values.get_mut(at) {
                *slot = value;
            }
        }
        for (at, field) in self.shelf.fields() {
            let missing = field.required && field.derived.is_none() && values.get(at) == Some(&Value::Null);
            if missing && !told.contains(&format!("{}{}", errors.prefix, field.id)) {
                errors.add(field.id, "required", "is needed");
            }
            let computed = match field.derived {
                Some(Derived::Product(..)) => derive::multiplied(&self.shelf.def, field, &values),
                Some(Derived::Sum(..)) if values.get(at) == Some(&Value::Null) => Some(Ok(Value::Int(0))),
                _ => None,
            };
            match (computed, values.get_mut(at)) {
                (Some(Ok(value)), Some(slot)) => *slot = value,
                (Some(Err((code, detail))), _) => errors.add(field.id, code, detail),
                _ => {}
            }
        }
        seal::seal(self.records, self.shelf, &self.home, &id, values.iter_mut().enumerate()).await?;
        Ok(Fresh { id, values, files: found.files })
    }

    /// Whether the permit's own rows will hold the new record. A part's are demanded by its statement.
    pub(crate) fn within(&self, rows: &kernel::Rows, fresh: &Fresh) -> bool {
        let me = if let Value::Text(me) = &self.me { me.parse().ok() } else { None };
        self.shelf.def.part_of.is_some()
            || reach::holds(rows, me, |name| match name {
                "created_by" => Some(self.me.clone()),
                "published" => Some(Value::Int(0)),
                _ => self.shelf.def.position(name).and_then(|at| fresh.values.get(at)).cloned(),
            })
    }

    /// The steps that insert it; `kept`: the receipt shall hold the row. `scoped`: a part only below a parent that the
    /// permit reaches.
    pub(crate) fn insert(&self, mut batch: Batch<Own>, fresh: Fresh, kept: bool, scoped: bool) -> Batch<Own> {
        let shelf = self.shelf;
        if let Some(number) = &shelf.sql.number {
            batch = batch.any(number, vec![shelf.def.id.into()]);
        }
        let parent = shelf.def.part_of.and_then(|(_, at)| fresh.values.get(at)).cloned();
        let Fresh { id, values, files } = fresh;
        let mut args = vec![id.as_str().into(), self.now.into(), self.me.clone(), Value::Int(1)];
        let numbered = |at: usize| shelf.sequence == Some(at);
        args.extend(values.into_iter().enumerate().filter(|(at, _)| !numbered(*at)).map(|(_, v)| v));
        let (statement, failure) = match (&shelf.sql.insert_under, &parent, scoped) {
            (Some(under), Some(parent), true) => {
                args.push(parent.clone());
                let reference = shelf.def.part_of.and_then(|(_, at)| shelf.field(at)).map_or("", |f| f.id);
                (under, Failure::field(reference, "reference", "there is no such record to refer to"))
            }
            _ => (&shelf.sql.insert, Failure::internal("records: nothing was inserted")),
        };
        batch =
            if kept { batch.returning(1, statement, args, failure) } else { batch.expect(1, statement, args, failure) };
        self.attach(batch, &id, files)
    }

    /// Files become the record's, or nothing happens.
    fn attach(&self, batch: Batch<Own>, record: &str, files: Vec<String>) -> Batch<Own> {
        let taken = || Failure::Conflict("an upload was used for another record meanwhile".into());
        files.into_iter().fold(batch, |b, file| b.expect(1, &sql::FILE_ATTACH, (file, record.to_owned()), taken()))
    }

    /// What follows from a change of a part.
    pub(crate) fn follow(&self, batch: Batch<Own>, parent: Option<&str>) -> Batch<Own> {
        match parent {
            Some(parent) => derive::recompute(self.records, self.shelf, batch, parent, self.now),
            None => batch,
        }
    }

    /// A change of an existing record, checked and sealed: values by position, files that become its.
    pub(crate) async fn change<M: Mode>(
        &self,
        tx: &Tx<M>,
        id: &str,
        given: &Map<String, Json>,
        errors: &mut Errors,
    ) -> Result<Change, Failure> {
        let mut values = members(self.shelf, &self.allowed, given, self.records.app.currency, errors);
        if let Some((_, parent)) = self.shelf.def.part_of
            && values.iter().any(|(at, _)| *at == parent)
        {
            errors.add(self.shelf.field(parent).map_or("", |f| f.id), "read_only", "a part stays where it was made");
        }
        let found = refer::look_up(self, tx, &mut values, FieldSet::NONE, id, errors).await?;
        seal::seal(self.records, self.shelf, &self.home, id, values.iter_mut().map(|(at, v)| (*at, v))).await?;
        Ok(Change { values, files: found.files })
    }

    /// The steps of a direct change.
    pub(crate) fn update(
        &self,
        batch: Batch<Own>,
        id: &str,
        change: Change,
        expected: Option<i64>,
        kept: bool,
    ) -> Batch<Own> {
        let mut bound = Bound::default();
        bound.put(id);
        let mut sets =
            vec![format!("\"updated_at\" = {}", bound.put(self.now)), "\"version\" = \"version\" + 1".to_owned()];
        let mut after: Vec<String> = self.shelf.def.fields.iter().map(|f| quoted(f.id)).collect();
        for (at, value) in change.values {
            if let (Some(field), Some(slot)) = (self.shelf.field(at), after.get_mut(at)) {
                *slot = bound.typed(column_type(field), value);
                sets.push(format!("{} = {slot}", quoted(field.id)));
            }
        }
        for (at, field) in self.shelf.fields() {
            let factors = matches!(field.derived, Some(Derived::Product(a, b)) if [a, b].iter().any(|i| moved(&after, *i, self.shelf)));
            if let (true, Some(product)) = (factors, derive::product(&self.shelf.def, field, &after)) {
                sets.push(format!("{} = {product}", quoted(field.id)));
                if let Some(slot) = after.get_mut(at) {
                    *slot = product;
                }
            }
        }
        let only: Vec<String> = expected.map(|v| format!("\"version\" = {}", bound.put(v))).into_iter().collect();
        let text = sql::update(&self.shelf.def, &self.shelf.sql, &sets, &only);
        let statement = self.records.shapes.write(text);
        let failure = if expected.is_some() { Failure::Stale } else { crate::answer::absent(id) };
        let args = bound.into_values();
        let batch = if kept {
            batch.returning(1, &statement, args, failure)
        } else {
            batch.expect(1, &statement, args, failure)
        };
        self.attach(batch, id, change.files)
    }

    /// A change of a published record waits in its draft.
    pub(crate) fn pend(
        &self,
        batch: Batch<Own>,
        id: &str,
        (draft, oldest): (&str, Option<u32>),
        change: Change,
        expected: i64,
    ) -> Batch<Own> {
        let mut bound = Bound::default();
        bound.put(id);
        let sets = vec![
            format!("\"updated_at\" = {}", bound.put(self.now)),
            "\"version\" = \"version\" + 1".to_owned(),
            format!("\"draft\" = {}", bound.put(draft)),
            format!("\"draft_key\" = {}", bound.typed(store::Type::Int, oldest)),
        ];
        let only = vec![format!("\"version\" = {}", bound.put(expected))];
        let statement = self.records.shapes.write(sql::update(&self.shelf.def, &self.shelf.sql, &sets, &only));
        let batch = batch.returning(1, &statement, bound.into_values(), Failure::Stale);
        self.attach(batch, id, change.files)
    }
}

/// Whether a field's expression is no longer its column.
fn moved(after: &[String], at: usize, shelf: &Shelf) -> bool {
    after.get(at).zip(shelf.field(at)).is_some_and(|(now, f)| *now != quoted(f.id))
}

/// A change, checked.
pub(crate) struct Change {
    pub(crate) values: Vec<(usize, Value)>,
    pub(crate) files: Vec<String>,
}

/// A record as it is, before a change: every column of the full layout.
pub(crate) struct Before {
    pub(crate) values: Vec<Value>,
    pub(crate) version: i64,
    pub(crate) published: bool,
    pub(crate) draft: Option<String>,
}

/// Reads it under the permit's rows.
pub(crate) async fn before<M: Mode>(shelf: &Shelf, tx: &Tx<M>, id: &str) -> Result<Before, Failure> {
    let layout = &shelf.sql.all;
    let mut found = None;
    tx.each(&shelf.sql.whole, vec![id.into()], |row| {
        let column = |at: usize| row.get::<Value>(at);
        let mut values = vec![Value::Null; shelf.def.fields.len()];
        for (at, column_at) in &layout.fields {
            if let Some(slot) = values.get_mut(*at) {
                *slot = column(*column_at)?;
            }
        }
        found = Some(Before {
            values,
            version: row.int(3)?,
            published: layout.drafts && row.int(4)? != 0,
            draft: match layout.draft {
                Some(at) => row.opt_text(at)?.map(str::to_owned),
                None => None,
            },
        });
        Ok(())
    })
    .await?;
    found.ok_or_else(|| crate::answer::absent(id))
}
