//! The words every section shares, as types. No IO.
//!
//! A request moves `Peer -> Site -> Caller -> Tenant -> Principal -> Permit`. Each is made in one place, the *gate*
//! that owns its [`Mint`], and demanded by the next, so no stage can be skipped and none can be invented.

mod clock;
mod event;
mod failure;
mod id;
pub mod mint;
mod passage;
mod permit;
mod rng;
pub mod sabotage;
mod secret;

pub use clock::{Clock, DAY, Steered, Time};
pub use event::{Claim, Event, Outcome, Source};
pub use failure::{Failure, FieldError, Reason};
pub use id::{Id, RequestId, SessionId, TenantId, UserId};
pub use mint::{Keys, Mint, Permits};
pub use passage::{Actor, Caller, Credential, Home, Peer, Place, Principal, Site, Standing, Status, Tenant};
pub use permit::{Action, Bind, Cell, FieldSet, Grant, Mode, Permit, Read, RowSet, Rows, Write, intern, may};
pub use rng::Rng;
pub use secret::Secret;
