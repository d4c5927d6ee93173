//! Statements are values with typed arguments and rows. One SQL text for both engines: `$1`, `$2`, ... for arguments,
//! `{rows}` where the permit's row predicate goes (demanded for every statement on a collection).
//!
//! Both engines read the same text, so: quote an identifier that may be a reserved word; `table.column` on the right side
//! of `DO UPDATE SET`; `CAST($1 AS TEXT)` where an argument stands alone (`$1 IS NULL`), because PostgreSQL must know its
//! type; `CAST(.. AS BIGINT)` around divisions; `x = 1`, not `x`, for stored booleans; `NULLS LAST` with every descending
//! order of a column that may be empty; never `SELECT *`, `INSERT OR ..`, or a name of either engine's own functions.

use std::{borrow::Cow, marker::PhantomData, sync::OnceLock};

use crate::Value;

/// Which database a statement is for. A batch has one realm: two files do not commit together.
pub trait Realm: Send + Sync + 'static {
    /// Whether it is the house's own database.
    const CONTROL: bool;
}
/// The tenant's own database.
pub enum Own {}
/// `control.db`, which is also the house's own database.
pub enum Control {}
impl Realm for Own {
    const CONTROL: bool = false;
}
impl Realm for Control {
    const CONTROL: bool = true;
}

/// SQL with what an engine made of it, once.
pub(crate) struct Text {
    pub(crate) sql: Cow<'static, str>,
    pub(crate) compiled: OnceLock<crate::text::Compiled>,
}

impl Text {
    const fn new(sql: Cow<'static, str>) -> Self {
        Self { sql, compiled: OnceLock::new() }
    }
}

/// A statement that reads: realm, arguments, row.
pub struct Query<W: Realm, A, R>(pub(crate) Text, PhantomData<fn(W, A) -> R>);
/// A statement that changes: realm, arguments.
pub struct Change<W: Realm, A>(pub(crate) Text, PhantomData<fn(W, A)>);

impl<W: Realm, A, R> Query<W, A, R> {
    /// From a constant; use [`statements!`](crate::statements).
    #[must_use]
    pub const fn fixed(sql: &'static str) -> Self {
        Self(Text::new(Cow::Borrowed(sql)), PhantomData)
    }
    /// From a text made at start out of manifest identifiers, or composed from registered columns and operators.
    #[must_use]
    pub const fn made(sql: String) -> Self {
        Self(Text::new(Cow::Owned(sql)), PhantomData)
    }
}
impl<W: Realm, A> Change<W, A> {
    /// From a constant; use [`statements!`](crate::statements).
    #[must_use]
    pub const fn fixed(sql: &'static str) -> Self {
        Self(Text::new(Cow::Borrowed(sql)), PhantomData)
    }
    /// From a text made at start out of manifest identifiers.
    #[must_use]
    pub const fn made(sql: String) -> Self {
        Self(Text::new(Cow::Owned(sql)), PhantomData)
    }
}

/// Statements of a section's `sql.rs`: `statements! { NAME: Query<Own, (i64,), Note> = "SELECT ..."; }`
#[macro_export]
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident: $kind:ident<$($t:ty),*> = $sql:expr;)*) => {
        $($(#[$doc])* pub(crate) static $name: $crate::$kind<$($t),*> = $crate::$kind::fixed($sql);)*
    };
}

/// Arguments of a statement, in the order of `$1`, `$2`, ...
pub trait Args: Send {
    /// As values.
    fn values(self) -> Vec<Value>;
}
impl Args for Vec<Value> {
    fn values(self) -> Vec<Value> {
        self
    }
}
impl Args for () {
    fn values(self) -> Vec<Value> {
        Vec::new()
    }
}
macro_rules! args {
    ($(($($t:ident $i:tt)*))*) => {$(
        impl<$($t: Into<Value> + Send),*> Args for ($($t,)*) {
            fn values(self) -> Vec<Value> {
                vec![$(self.$i.into()),*]
            }
        }
    )*};
}
args! {
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
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11)
}
