//! Records that no person asked for: those an app comes with, and those whose moment has come.

use kernel::{Failure, FieldSet, Id, Time, Write};
use serde_json::{Map, Value as Json};
use store::{Own, Receipt, Tx};

use crate::{
    collect::{Allowed, Errors},
    shelf::{Records, Shelf},
    sql,
    write::Writer,
};

/// A record that comes with an app.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Position of its collection.
    pub collection: usize,
    /// Fields as an API call would give them, read-only ones included; derived ones follow.
    pub fields: Map<String, Json>,
    /// Whether it is published at once.
    pub publish: bool,
}

impl Records {
    /// Inserts a record under the permit of a system job; the id it was given.
    ///
    /// # Errors
    /// `Invalid` naming what is wrong; those of the store.
    pub async fn seed(&self, tx: Tx<Write>, seed: Seed) -> Result<Id, Failure> {
        let shelf = self.shelf(seed.collection).ok_or(Failure::NotFound)?;
        let mut w = Writer::new(self, shelf, tx.permit());
        w.allowed = Allowed { read: FieldSet::ALL, write: FieldSet::ALL, inside: true };
        let mut errors = Errors::default();
        let fresh = w.fresh(&tx, &seed.fields, &mut errors).await?;
        errors.settle()?;
        let (id, parent) = (fresh.id.clone(), crate::change::parent(shelf, &fresh.values));
        let mut batch = w.insert(tx.batch::<Own>(format!("{}/{id}", shelf.def.id)), fresh, false, false);
        if seed.publish && shelf.def.drafts {
            batch = batch.any(&shelf.sql.publish, vec![id.as_str().into(), w.now.into()]);
        }
        w.follow(batch, parent.as_deref()).commit().await?;
        id.parse().map_err(|()| Failure::internal("records: an id of our own"))
    }

    fn scheduled(&self) -> impl Iterator<Item = &Shelf> {
        self.shelves.iter().map(AsRef::as_ref).filter(|s| s.def.actions.iter().any(|a| a.at.is_some()))
    }

    /// How many records wait to be published whose moment has come, in the permit's tenant. While it is 0, nothing needs
    /// doing and no leaf is due.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn due<M: kernel::Mode>(&self, tx: &Tx<M>) -> Result<i64, Failure> {
        let now: Time = self.clock.now();
        let mut found = 0;
        for shelf in self.scheduled() {
            let query = self.shapes.read(sql::count_due(&shelf.def));
            tx.each(&query, vec![now.into()], |row| {
                found += row.int(0)?;
                Ok(())
            })
            .await?;
        }
        Ok(found)
    }

    /// Publishes them; to be run by a job for each tenant.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn publish_due(&self, tx: Tx<Write>) -> Result<Receipt, Failure> {
        let now = self.clock.now();
        let batch = tx.batch::<Own>("records/due");
        self.scheduled()
            .fold(batch, |b, s| b.any(&self.shapes.write(sql::due(&s.def)), vec![now.into()]))
            .commit()
            .await
    }
}
