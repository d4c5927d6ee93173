//! Idempotency keys: what was answered to a request is answered again for 24 hours.

use kernel::{Failure, Rows, TenantId};

use crate::{
    Args, Change, Control, Own, Query, Realm, Store,
    engine::{ONCE, Order, Step},
    tx::Refusal,
};

type Found = (Vec<u8>, Option<i64>, Option<String>, Option<Vec<u8>>);

type Kept = (i64, String, Vec<u8>, Vec<u8>);

const FIND: &str = "SELECT request, status, headers, reply FROM _once WHERE key = $1 AND at >= $2";
const KEEP: &str = "UPDATE _once SET status = $1, headers = $2, reply = $3 WHERE key = $4";

static FIND_OWN: Query<Own, (Vec<u8>, i64), Found> = Query::fixed(FIND);
static FIND_CONTROL: Query<Control, (Vec<u8>, i64), Found> = Query::fixed(FIND);
static KEEP_OWN: Change<Own, Kept> = Change::fixed(KEEP);
static KEEP_CONTROL: Change<Control, Kept> = Change::fixed(KEEP);

/// What an idempotency key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Hash of the request that used the key first.
    pub request: Vec<u8>,
    /// What it was answered; none when the answer was lost or is still on its way. The change itself is durable.
    pub reply: Option<KeptReply>,
}

/// An answer that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReply {
    /// HTTP status.
    pub status: u16,
    /// Headers, in whatever form the caller keeps them.
    pub headers: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Store {
    /// What `key` stands for, if a batch was committed with it within 24 hours: in the tenant's database or the house's.
    ///
    /// # Errors
    /// As [`Tx::all`](crate::Tx::all).
    pub async fn replay(&self, tenant: TenantId, key: &[u8]) -> Result<Option<Replay>, Failure> {
        match self.find(tenant, &FIND_OWN, key).await {
            Ok(None) | Err(Failure::NotFound) => self.find(tenant, &FIND_CONTROL, key).await,
            found => found,
        }
    }

    async fn find<W: Realm>(
        &self,
        tenant: TenantId,
        query: &Query<W, (Vec<u8>, i64), Found>,
        key: &[u8],
    ) -> Result<Option<Replay>, Failure> {
        let args = (key.to_vec(), self.now().0 - ONCE).values();
        let mut found = None;
        let with = |row: &crate::Row<'_>| {
            let (request, status, headers, body): Found = crate::FromRow::from_row(row)?;
            let reply = status.and_then(|s| u16::try_from(s).ok()).map(|status| KeptReply {
                status,
                headers: headers.unwrap_or_default(),
                body: body.unwrap_or_default(),
            });
            found = Some(Replay { request, reply });
            Ok(())
        };
        self.read::<W>(tenant, &query.0, args, &Rows::All, None, with).await?;
        Ok(found)
    }

    /// Keeps the answer for the key's next use. Called once the batch that took the key was committed.
    ///
    /// # Errors
    /// As [`Batch::commit`](crate::Batch::commit); `NotFound` when no batch took the key.
    pub async fn keep_reply(&self, tenant: TenantId, key: &[u8], reply: &KeptReply) -> Result<(), Failure> {
        match self.keep(tenant, &KEEP_OWN, key, reply).await {
            Err(Failure::NotFound) => self.keep(tenant, &KEEP_CONTROL, key, reply).await,
            kept => kept,
        }
    }

    async fn keep<W: Realm>(
        &self,
        tenant: TenantId,
        change: &Change<W, Kept>,
        key: &[u8],
        reply: &KeptReply,
    ) -> Result<(), Failure> {
        let args = (i64::from(reply.status), reply.headers.clone(), reply.body.clone(), key.to_vec()).values();
        let (sql, args) = self.prepare::<W>(&change.0, args, &Rows::All, None)?;
        let order = Order { steps: vec![Step { sql, args, rows: Some(1), keep: false }], ..Order::default() };
        match self.submit::<W>(tenant, order).await {
            Ok(_) => Ok(()),
            Err(Refusal::Step(_)) => Err(Failure::NotFound),
            Err(Refusal::Failure(failure)) => Err(failure),
        }
    }
}
