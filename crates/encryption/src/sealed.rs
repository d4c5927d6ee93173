//! Where sealed values lie: sections say it as data, and the sweeper seals anew whatever is left under an older key. It can
//! be stopped anywhere: what is left to do is read from the values themselves.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::{Failure, TenantId, Write};
use serde_json::{Map, Value as Json};
use store::{Name, Own, Tx, Value};

use crate::{
    Spot, Vault,
    blind::{self, key_version},
    sql::{Found, Sweep},
};

/// Rows of one slice: few, so that no writer waits long.
const SLICE: i64 = 100;

/// One part of a value's place.
#[derive(Clone, Debug)]
pub enum Part {
    /// The same in every row.
    Fixed(Name),
    /// A column's text.
    Column(Name),
    /// A column's bytes as hex digits.
    Hex(Name),
    /// The name of the JSON member.
    Member,
}

/// How a column holds sealed values.
#[derive(Clone, Debug)]
pub enum Form {
    /// It is one, perhaps behind a blind index.
    Blob {
        /// Whether a blind index is kept.
        blind: bool,
    },
    /// Members of a JSON object, `{"sealed": base64}`; the column `version` says the oldest key version among them.
    Json {
        /// That column.
        version: Name,
    },
}

/// A column of sealed values in tenants' databases.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its table.
    pub table: Name,
    /// The table's primary key, at most three columns.
    pub key: Vec<Name>,
    /// The column.
    pub value: Name,
    /// What it holds.
    pub form: Form,
    /// Where its values say they stand: collection, field, row.
    pub place: [Part; 3],
    /// For what they were sealed.
    pub purpose: &'static str,
    /// Whether the sweeper seals them anew; not, when they are only passing through.
    pub renews: bool,
}

impl Column {
    /// What lies below these bounds is sealed under an older key than `version`.
    fn bounds(&self, version: u32) -> Vec<Value> {
        let [a, b, c, d] = version.to_be_bytes();
        match self.form {
            Form::Blob { blind: false } => vec![Value::Blob(vec![1, 1, a, b, c, d]), Value::Blob(vec![0x80])],
            Form::Blob { blind: true } => vec![Value::Blob(blind::least(version).to_vec())],
            Form::Json { .. } => vec![Value::Int(version.into())],
        }
    }
    /// A part of the place, in a row.
    fn part(&self, part: &Part, row: &Found) -> Option<String> {
        let column = |name: &Name| {
            let at = self.key.iter().position(|k| k == name);
            match at {
                Some(0) => &row.0,
                Some(1) => &row.1,
                Some(2) => &row.2,
                _ => &row.3,
            }
        };
        match part {
            Part::Fixed(text) => Some(text.to_string()),
            Part::Column(name) => match column(name) {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            },
            Part::Hex(name) => match column(name) {
                Value::Blob(bytes) => Some(hex::encode(bytes)),
                _ => None,
            },
            Part::Member => None,
        }
    }
}

/// Every column of sealed values, with its statements.
#[derive(Default)]
pub struct Columns(Vec<(Column, Sweep)>);

impl Columns {
    /// Compiled once, at start.
    #[must_use]
    pub fn new(columns: Vec<Column>) -> Self {
        Self(
            columns
                .into_iter()
                .map(|c| {
                    let sweep = Sweep::new(&c);
                    (c, sweep)
                })
                .collect(),
        )
    }
}

impl Vault {
    /// How many stored values are sealed under `version` or an older one: counted by index, now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn left(&self, tenant: TenantId, columns: &Columns, version: u32) -> Result<i64, Failure> {
        let mut left = 0;
        for (column, sweep) in &columns.0 {
            let found = self.0.lookup.maybe(tenant, &sweep.count, column.bounds(version.saturating_add(1))).await?;
            left += found.map_or(0, |(n,)| n);
        }
        Ok(left)
    }

    /// Seals one slice of older values anew, in one batch. A value that somebody changes meanwhile stays as they made it.
    /// Returns how many were sealed anew, and how many do not open and stay as they are.
    ///
    /// # Errors
    /// Those of the store; internal when a key is gone.
    pub async fn renew(&self, tx: Tx<Write>, columns: &Columns) -> Result<(usize, usize), Failure> {
        let home = std::sync::Arc::clone(tx.permit().principal().home());
        let live = self.ring(home.id, &home.region).await?.live;
        let mut damaged = 0;
        for (column, sweep) in columns.0.iter().filter(|(c, _)| c.renews) {
            let mut bounds = column.bounds(live);
            bounds.push(Value::Int(SLICE));
            let rows = self.0.lookup.all(home.id, &sweep.older, bounds).await?;
            let mut changes = Vec::with_capacity(rows.len());
            for row in &rows {
                match self.renewed(column, (home.id, &home.region), row, live).await {
                    Ok(values) => changes.push(values),
                    Err(_) => damaged += 1,
                }
            }
            if changes.is_empty() {
                continue;
            }
            let done = changes.len();
            let batch = tx.batch::<Own>(format!("key/{live}")).fact("values", done.to_string());
            let batch = changes.into_iter().fold(batch, |batch, values| batch.any(&sweep.renew, values));
            batch.commit().await?;
            return Ok((done, damaged));
        }
        Ok((0, damaged))
    }

    /// The arguments of one row's update.
    async fn renewed(
        &self,
        column: &Column,
        (tenant, region): (TenantId, &str),
        row: &Found,
        live: u32,
    ) -> Result<Vec<Value>, Failure> {
        let unknown = || Failure::internal("encryption: a sealed value's place cannot be told");
        let [collection, field, own] = &column.place;
        let collection = column.part(collection, row).ok_or_else(unknown)?;
        let own = column.part(own, row).ok_or_else(unknown)?;
        let spot = |field| Spot { tenant, region, collection: &collection, field, row: &own };
        let mut args = match (&column.form, &row.4) {
            (Form::Blob { blind }, Value::Blob(old)) => {
                let field = column.part(field, row).ok_or_else(unknown)?;
                vec![Value::Blob(self.anew(column.purpose, &spot(&field), old, *blind).await?)]
            }
            (Form::Json { .. }, Value::Text(old)) => {
                let mut members: Map<String, Json> = serde_json::from_str(old).map_err(|_| unknown())?;
                for (name, member) in &mut members {
                    let Some(Json::String(text)) = member.get_mut("sealed") else { continue };
                    let blob = STANDARD.decode(text.as_str()).map_err(|_| unknown())?;
                    let blind = blind::split(&blob).0.is_some();
                    *text = STANDARD.encode(self.anew(column.purpose, &spot(name), &blob, blind).await?);
                }
                vec![Value::Text(Json::Object(members).to_string()), Value::Int(live.into())]
            }
            _ => return Err(unknown()),
        };
        args.push(row.4.clone());
        args.extend([&row.0, &row.1, &row.2].into_iter().take(column.key.len()).cloned());
        Ok(args)
    }

    async fn anew(&self, purpose: &str, spot: &Spot<'_>, old: &[u8], blind: bool) -> Result<Vec<u8>, Failure> {
        let opened = self.opened(purpose, spot, old).await?;
        match opened.expose_str().filter(|_| blind) {
            Some(text) => self.seal_indexed(spot, text).await,
            None => self.seal_as(purpose, spot, opened.expose()).await,
        }
    }
}

/// The oldest key version among sealed values; `None` when there are none.
#[must_use]
pub fn oldest<'v>(values: impl IntoIterator<Item = &'v Value>) -> Option<u32> {
    let version = |value: &Value| if let Value::Blob(blob) = value { key_version(blob) } else { None };
    values.into_iter().filter_map(version).min()
}
