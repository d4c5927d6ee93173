//! Tables as data: the store renders each engine's DDL from them, and finds out what an older file lacks.

use std::borrow::Cow;

/// A name from a constant or from the manifest (checked there: `[a-z][a-z0-9_]{0,39}`).
pub type Name = Cow<'static, str>;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// 64-bit integer.
    Int,
    /// UTF-8 text, compared byte by byte.
    Text,
    /// Bytes.
    Blob,
}

/// What happens to a row when the row it refers to goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnDelete {
    /// The deletion is refused.
    Refuse,
    /// The row goes too.
    Cascade,
    /// The reference is emptied.
    Clear,
}

/// A foreign key to another table's `id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Foreign {
    /// Table referred to.
    pub table: Name,
    /// What deleting that row does.
    pub on_delete: OnDelete,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub kind: Type,
    /// Whether it may be empty.
    pub null: bool,
    /// Foreign key.
    pub to: Option<Foreign>,
}

/// A table as data; what `rights` does with it is mandatory, so none is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// Its name.
    pub name: Name,
    /// In control.db (`true`) or in each tenant's database. On PostgreSQL a tenant table is led by `tenant_id`.
    pub control: bool,
    /// Columns; the first `key` of them are the primary key.
    pub slots: Vec<Slot>,
    /// How many columns, from the first, are the primary key.
    pub key: usize,
    /// Unique keys.
    pub unique: Vec<Vec<Name>>,
    /// Other indexes.
    pub index: Vec<Vec<Name>>,
    /// Columns of sealed values, indexed by so many of their first bytes: how they are sealed, by which key version.
    pub sealed: Vec<(Name, usize)>,
    /// What an export does with it.
    pub export: &'static str,
    /// When its rows go.
    pub purge: &'static str,
}

impl Table {
    /// A table of each tenant's database; its first column is the primary key unless [`Table::key`] says otherwise.
    #[must_use]
    pub fn own(name: impl Into<Name>, export: &'static str, purge: &'static str) -> Self {
        Self {
            name: name.into(),
            control: false,
            slots: Vec::new(),
            key: 1,
            unique: Vec::new(),
            index: Vec::new(),
            sealed: Vec::new(),
            export,
            purge,
        }
    }
    /// A table of control.db.
    #[must_use]
    pub fn control(name: impl Into<Name>, export: &'static str, purge: &'static str) -> Self {
        Self { control: true, ..Self::own(name, export, purge) }
    }
    fn slot(mut self, name: impl Into<Name>, kind: Type, null: bool) -> Self {
        self.slots.push(Slot { name: name.into(), kind, null, to: None });
        self
    }
    /// A text column that has a value.
    #[must_use]
    pub fn text(self, name: impl Into<Name>) -> Self {
        self.slot(name, Type::Text, false)
    }
    /// A text column that may be empty.
    #[must_use]
    pub fn opt_text(self, name: impl Into<Name>) -> Self {
        self.slot(name, Type::Text, true)
    }
    /// An integer column that has a value.
    #[must_use]
    pub fn int(self, name: impl Into<Name>) -> Self {
        self.slot(name, Type::Int, false)
    }
    /// An integer column that may be empty.
    #[must_use]
    pub fn opt_int(self, name: impl Into<Name>) -> Self {
        self.slot(name, Type::Int, true)
    }
    /// A column of bytes that has a value.
    #[must_use]
    pub fn blob(self, name: impl Into<Name>) -> Self {
        self.slot(name, Type::Blob, false)
    }
    /// A column of bytes that may be empty.
    #[must_use]
    pub fn opt_blob(self, name: impl Into<Name>) -> Self {
        self.slot(name, Type::Blob, true)
    }
    /// The last column holds sealed values: an index of their first 6 bytes tells how many are left under which key.
    #[must_use]
    pub fn sealed(self) -> Self {
        self.headed(6)
    }
    /// The last column's values begin with a blind index of 16 bytes.
    #[must_use]
    pub fn blind(self) -> Self {
        self.headed(16)
    }
    fn headed(mut self, bytes: usize) -> Self {
        if let Some(slot) = self.slots.last() {
            self.sealed.push((slot.name.clone(), bytes));
        }
        self
    }
    /// The last column refers to `table`'s `id`.
    #[must_use]
    pub fn refers(mut self, table: impl Into<Name>, on_delete: OnDelete) -> Self {
        if let Some(slot) = self.slots.last_mut() {
            slot.to = Some(Foreign { table: table.into(), on_delete });
        }
        self
    }
    /// The first `columns` columns are the primary key.
    #[must_use]
    pub const fn key(mut self, columns: usize) -> Self {
        self.key = columns;
        self
    }
    /// A unique key. Empty values do not collide.
    #[must_use]
    pub fn unique<N: Into<Name>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.unique.push(columns.into_iter().map(Into::into).collect());
        self
    }
    /// An index.
    #[must_use]
    pub fn index<N: Into<Name>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.index.push(columns.into_iter().map(Into::into).collect());
        self
    }
}
