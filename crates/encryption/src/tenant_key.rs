//! A tenant's key, wrapped by its region's root.

use kernel::{Failure, Rng, Secret, TenantId, Time};
use serde::{Deserialize, Serialize};
use store::{Batch, Control};

use crate::{
    blob::{self, Blob},
    derive::{Key, derive},
    sql,
};

/// Version of the root key a wrapped key names; a root in a KMS will count on.
const ROOT_VERSION: u32 = 1;

/// A tenant's key as it is stored: useless without the region's root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrapped {
    pub(crate) v: u8,
    pub(crate) tenant: TenantId,
    pub(crate) version: u32,
    pub(crate) region: String,
    /// Name of the root that wrapped it: 16 hex digits derived from the root, so that a wrong root is told from damage.
    pub(crate) root: String,
    #[serde(with = "hex")]
    pub(crate) wrapped: Vec<u8>,
    pub(crate) created_at: Time,
}

impl Wrapped {
    /// Whose key it is.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }
    /// Its version, from 1.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }
    /// Adds its row to the batch that makes the tenant, so that neither exists without the other.
    #[must_use]
    pub fn put(self, batch: Batch<Control>) -> Batch<Control> {
        let row = vec![
            self.tenant.into(),
            self.version.into(),
            self.region.into(),
            self.root.into(),
            self.wrapped.into(),
            self.created_at.into(),
        ];
        batch.rows(1, &sql::ADD, row)
    }
}

/// A root's public name.
pub(crate) fn root_name(region: &str, root: &Secret) -> Result<String, Failure> {
    let key = derive(root, "root-name", region, &[])?;
    Ok(hex::encode(key.get(..8).unwrap_or_default()))
}

fn wrapping(region: &str, root: &Secret) -> Result<Key, Failure> {
    derive(root, "wrap", region, &[])
}

/// Draws a tenant's key and wraps it.
pub(crate) fn wrap_new(
    tenant: TenantId,
    version: u32,
    (region, root): (&str, &Secret),
    now: Time,
    rng: &dyn Rng,
) -> Result<Wrapped, Failure> {
    let mut kek = Key::default();
    rng.fill(kek.as_mut());
    let (id, number) = (tenant.to_string(), version.to_be_bytes());
    let context: [&[u8]; 3] = [region.as_bytes(), id.as_bytes(), &number];
    let wrapped = blob::seal(&wrapping(region, root)?, ROOT_VERSION, &context, kek.as_slice(), rng)?;
    Ok(Wrapped {
        v: 1,
        tenant,
        version,
        region: region.to_owned(),
        root: root_name(region, root)?,
        wrapped,
        created_at: now,
    })
}

/// The tenant's key.
pub(crate) fn unwrap(wrapped: &Wrapped, root: &Secret) -> Result<Secret, Failure> {
    if wrapped.root != root_name(&wrapped.region, root)? {
        return Err(Failure::Internal(
            format!(
                "encryption: region {}'s keys were wrapped by another root key than the one configured",
                wrapped.region
            )
            .into(),
        ));
    }
    let (id, number) = (wrapped.tenant.to_string(), wrapped.version.to_be_bytes());
    let context: [&[u8]; 3] = [wrapped.region.as_bytes(), id.as_bytes(), &number];
    let key = wrapping(&wrapped.region, root)?;
    let damaged = || Failure::internal("encryption: a wrapped tenant key is damaged or another tenant's");
    let kek =
        Blob::parse(&wrapped.wrapped).map(|b| b.open(&key, &context)).transpose()?.flatten().ok_or_else(damaged)?;
    if kek.expose().len() == 32 { Ok(kek) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use kernel::Id;

    use super::*;
    use crate::OsRng;

    fn made() -> (Secret, Wrapped) {
        let root = Secret::new([1; 32]);
        let tenant = TenantId(Id::v7(Time(5), [7; 10]));
        let wrapped = wrap_new(tenant, 1, ("eu", &root), Time(5), &OsRng).unwrap();
        (root, wrapped)
    }

    #[test]
    fn a_wrapped_key_unwraps_only_as_itself() {
        let (root, wrapped) = made();
        assert_eq!(unwrap(&wrapped, &root).unwrap().expose().len(), 32);
        let with = |change: fn(&mut Wrapped)| {
            let mut other = wrapped.clone();
            change(&mut other);
            unwrap(&other, &root)
        };
        assert!(with(|_| ()).is_ok());
        assert!(with(|w| w.version = 2).is_err());
        assert!(with(|w| w.tenant = TenantId::HOUSE).is_err());
        assert!(with(|w| w.region = "us".into()).is_err());
        assert!(with(|w| w.wrapped[40] ^= 1).is_err());
        assert!(with(|w| w.wrapped.truncate(20)).is_err());
    }

    #[test]
    fn another_root_is_named_as_such() {
        let (_, wrapped) = made();
        let Err(Failure::Internal(words)) = unwrap(&wrapped, &Secret::new([2; 32])) else { panic!() };
        assert!(words.contains("another root key"), "{words}");
    }

    #[test]
    fn keys_are_drawn_afresh() {
        let (root, a) = made();
        let (_, b) = made();
        assert_ne!(unwrap(&a, &root).unwrap(), unwrap(&b, &root).unwrap());
    }

    #[test]
    fn the_key_does_not_print() {
        let (root, wrapped) = made();
        assert!(!format!("{wrapped:?}").contains(&hex::encode(unwrap(&wrapped, &root).unwrap().expose())));
    }
}
