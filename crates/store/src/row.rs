use kernel::{Failure, Id, RequestId, SessionId, TenantId, Time, UserId};
use rusqlite::types::ValueRef;

use crate::Value;

/// One row of an answer, columns by position. Borrows from the engine: texts are not copied unless you do.
pub struct Row<'r>(pub(crate) Source<'r>);

pub(crate) enum Source<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
    Kept(&'r [Value]),
}

/// One column, whatever the engine.
pub(crate) enum Cell<'r> {
    Null,
    Int(i64),
    Text(&'r str),
    Blob(&'r [u8]),
}

fn wrong() -> Failure {
    Failure::internal("store: a column is missing or of another type")
}

impl Row<'_> {
    fn cell(&self, column: usize) -> Result<Cell<'_>, Failure> {
        match &self.0 {
            Source::Sqlite(row) => Ok(match row.get_ref(column).map_err(|_| wrong())? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(i) => Cell::Int(i),
                ValueRef::Text(t) => Cell::Text(std::str::from_utf8(t).map_err(|_| wrong())?),
                ValueRef::Blob(b) => Cell::Blob(b),
                ValueRef::Real(_) => return Err(wrong()),
            }),
            Source::Postgres(row) => row.try_get(column).map_err(|_| wrong()),
            Source::Kept(values) => Ok(match values.get(column).ok_or_else(wrong)? {
                Value::Null => Cell::Null,
                Value::Int(i) => Cell::Int(*i),
                Value::Text(t) => Cell::Text(t),
                Value::Blob(b) => Cell::Blob(b),
            }),
        }
    }
    /// An integer, or none.
    ///
    /// # Errors
    /// Internal, when the column is missing or of another type; the same for the others here.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, Failure> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Int(i) => Ok(Some(i)),
            _ => Err(wrong()),
        }
    }
    /// A text, or none.
    ///
    /// # Errors
    /// As [`Row::opt_int`].
    pub fn opt_text(&self, column: usize) -> Result<Option<&str>, Failure> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Text(t) => Ok(Some(t)),
            _ => Err(wrong()),
        }
    }
    /// Bytes, or none.
    ///
    /// # Errors
    /// As [`Row::opt_int`].
    pub fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, Failure> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Blob(b) => Ok(Some(b)),
            _ => Err(wrong()),
        }
    }
    /// An integer.
    ///
    /// # Errors
    /// As [`Row::opt_int`], and when there is no value.
    pub fn int(&self, column: usize) -> Result<i64, Failure> {
        self.opt_int(column)?.ok_or_else(wrong)
    }
    /// A text.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn text(&self, column: usize) -> Result<&str, Failure> {
        self.opt_text(column)?.ok_or_else(wrong)
    }
    /// Bytes.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn blob(&self, column: usize) -> Result<&[u8], Failure> {
        self.opt_blob(column)?.ok_or_else(wrong)
    }
    /// Any column type.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn get<T: Column>(&self, column: usize) -> Result<T, Failure> {
        T::take(self, column)
    }
}

/// A type that a column can be read as.
pub trait Column: Sized + Send {
    /// Reads it.
    ///
    /// # Errors
    /// Internal, when the column is of another type.
    fn take(row: &Row<'_>, column: usize) -> Result<Self, Failure>;
}

macro_rules! columns {
    ($($t:ty => |$row:ident, $i:ident| $e:expr;)*) => {$(
        impl Column for $t {
            fn take($row: &Row<'_>, $i: usize) -> Result<Self, Failure> {
                $e
            }
        }
        impl Column for Option<$t> {
            fn take($row: &Row<'_>, $i: usize) -> Result<Self, Failure> {
                if $row.empty($i)? { Ok(None) } else { <$t>::take($row, $i).map(Some) }
            }
        }
    )*};
}

columns! {
    i64 => |row, i| row.int(i);
    bool => |row, i| row.int(i).map(|v| v != 0);
    u32 => |row, i| row.int(i).and_then(|v| u32::try_from(v).map_err(|_| wrong()));
    u8 => |row, i| row.int(i).and_then(|v| u8::try_from(v).map_err(|_| wrong()));
    Time => |row, i| row.int(i).map(Time);
    String => |row, i| row.text(i).map(str::to_owned);
    Vec<u8> => |row, i| row.blob(i).map(<[u8]>::to_vec);
    Id => |row, i| row.text(i)?.parse().map_err(|()| wrong());
    TenantId => |row, i| row.text(i)?.parse().map_err(|()| wrong());
    UserId => |row, i| row.text(i)?.parse().map_err(|()| wrong());
    SessionId => |row, i| row.text(i)?.parse().map_err(|()| wrong());
    RequestId => |row, i| row.text(i)?.parse().map_err(|()| wrong());
}

impl Column for Value {
    fn take(row: &Row<'_>, column: usize) -> Result<Self, Failure> {
        Ok(match row.cell(column)? {
            Cell::Null => Self::Null,
            Cell::Int(i) => Self::Int(i),
            Cell::Text(t) => Self::Text(t.to_owned()),
            Cell::Blob(b) => Self::Blob(b.to_vec()),
        })
    }
}

impl Row<'_> {
    fn empty(&self, column: usize) -> Result<bool, Failure> {
        Ok(matches!(self.cell(column)?, Cell::Null))
    }
}

/// A type made from a row. Tuples of [`Column`]s are; name a struct when a tuple would not explain itself.
pub trait FromRow: Sized + Send {
    /// Reads it.
    ///
    /// # Errors
    /// Internal, when the row has another shape.
    fn from_row(row: &Row<'_>) -> Result<Self, Failure>;
}

macro_rules! rows {
    ($(($($t:ident $i:tt)*))*) => {$(
        impl<$($t: Column),*> FromRow for ($($t,)*) {
            fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
                Ok(($(row.get::<$t>($i)?,)*))
            }
        }
    )*};
}
rows! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9)
}
