//! Keys to the gates: neither `Clone` nor `Default`. `server` makes one set and moves each key into its gate.
//! `forge` is public because privacy ends at the crate; `clippy.toml` bans every other call.

use std::marker::PhantomData;

use crate::{Caller, Peer, Principal, Site, Tenant};

/// The right to make values of one kind, and to read what must be read before a permit exists.
pub struct Mint<T>(PhantomData<fn() -> T>);

/// Stands for permits of either mode.
pub enum Permits {}

/// One key for each gate of the passage.
pub struct Keys {
    /// For `transport`: who is at the other end of the socket.
    pub peer: Mint<Peer>,
    /// For `tenancy`: which host a request came to.
    pub site: Mint<Site>,
    /// For `authentication`: which credential was verified.
    pub caller: Mint<Caller>,
    /// For `tenancy`: which tenant the site and the caller pick.
    pub tenant: Mint<Tenant>,
    /// For `authentication`: who acts there.
    pub principal: Mint<Principal>,
    /// For `access`: what they may do.
    pub permit: Mint<Permits>,
}

impl Keys {
    /// Makes a set of keys. Called by `server` at start and by test benches; nowhere else.
    #[must_use]
    pub const fn forge() -> Self {
        Self {
            peer: Mint(PhantomData),
            site: Mint(PhantomData),
            caller: Mint(PhantomData),
            tenant: Mint(PhantomData),
            principal: Mint(PhantomData),
            permit: Mint(PhantomData),
        }
    }
}
