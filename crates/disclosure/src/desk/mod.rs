//! The desk: how outsiders reach the team about weaknesses, and what the team keeps of it.

mod business_days;
mod channel;
mod http;
mod incident;
mod inventory;
mod operator;
mod pages;
mod policies;
mod report;
mod secret_age;
mod sql;
mod supply;

use std::sync::Arc;

use encryption::{TextKey, Vault};
use kernel::{Failure, Rng};
use route::page::Frame;

pub(crate) use http::routes;
pub use inventory::Stores;
pub use policies::{Policy, missing};
pub use secret_age::{Age, Setting};
pub(crate) use sql::tables;
pub use supply::{Advisories, advisories};

use crate::Disclosure;

/// What the desk needs of the running server.
pub struct Setup {
    /// The look of pages.
    pub frame: Arc<Frame>,
    /// Where things are kept, from the settings in force.
    pub stores: Stores,
    /// Texts under `legal/`.
    pub policies: Vec<Policy>,
    /// What is known against this build; none: no list is configured.
    pub advisories: Option<Advisories>,
}

impl Disclosure {
    /// Once, before anything is served.
    pub fn set_desk(&self, setup: Setup) {
        drop(self.desk.set(setup));
    }
    /// What is known against this build, where a list is configured.
    #[must_use]
    pub fn advisories(&self) -> Option<&Advisories> {
        self.desk.get()?.advisories.as_ref()
    }
    fn setup(&self) -> Result<&Setup, Failure> {
        self.desk.get().ok_or(Failure::internal("disclosure: the desk is not set up"))
    }
    fn vault(&self) -> &Vault {
        &self.means.vault
    }
    fn rng(&self) -> &dyn Rng {
        &*self.means.rng
    }
    fn build(&self) -> &str {
        &self.means.build
    }
    /// The key that signs `security.txt`.
    fn text_key(&self) -> Result<TextKey, Failure> {
        let signer = self.vault().signer(None, "security-txt", &[])?;
        Ok(TextKey::new(signer, format!("{} security <{}>", self.app().name, self.app().disclosure.contact)))
    }
}
