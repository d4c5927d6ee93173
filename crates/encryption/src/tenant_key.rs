//! A tenant's key, wrapped by its region's root.

use std::sync::Arc;

use kernel::{Failure, Rng, Secret, TenantId, Time};
use serde::{Deserialize, Serialize};
use store::{Batch, Control};

use crate::{
    kms::{Binding, Kms},
    sql,
};

/// A tenant's key as it is stored: useless without the region's root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrapped {
    pub(crate) v: u8,
    pub(crate) tenant: TenantId,
    pub(crate) version: u32,
    pub(crate) region: String,
    /// Name of the root that wrapped it, so that a wrong root is told from damage.
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

/// Draws a key and has it wrapped.
pub(crate) async fn wrap_new(
    binding: Binding<'_>,
    holder: &dyn Kms,
    now: Time,
    rng: &dyn Rng,
) -> Result<(Wrapped, Secret), Failure> {
    let key = Secret::new(rng.array::<32>());
    let wrapped = wrap(&key, binding, holder, now).await?;
    Ok((wrapped, key))
}

/// A key, wrapped.
pub(crate) async fn wrap(
    key: &Secret,
    binding: Binding<'_>,
    holder: &dyn Kms,
    created_at: Time,
) -> Result<Wrapped, Failure> {
    Ok(Wrapped {
        v: 1,
        tenant: binding.tenant,
        version: binding.version,
        region: binding.region.to_owned(),
        root: holder.name().to_owned(),
        wrapped: holder.wrap(key, binding).await?,
        created_at,
    })
}

/// The key, by whichever of the region's holders wrapped it.
pub(crate) async fn unwrap(wrapped: &Wrapped, holders: &[Arc<dyn Kms>]) -> Result<Secret, Failure> {
    let Some(holder) = holders.iter().find(|h| h.name() == wrapped.root) else {
        let region = &wrapped.region;
        let words =
            format!("encryption: region {region}'s keys were wrapped by another root key than the one configured");
        return Err(Failure::Internal(words.into()));
    };
    let binding = Binding { region: &wrapped.region, tenant: wrapped.tenant, version: wrapped.version };
    let damaged = || Failure::internal("encryption: a wrapped tenant key is damaged or another tenant's");
    let key = holder.unwrap(&wrapped.wrapped, binding).await?.ok_or_else(damaged)?;
    if key.expose().len() == 32 { Ok(key) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use kernel::Id;

    use super::*;
    use crate::{OsRng, kms::Local};

    fn holder(n: u8) -> Arc<dyn Kms> {
        Arc::new(Local::new("eu", Secret::new([n; 32])).unwrap())
    }

    async fn made() -> (Arc<dyn Kms>, Wrapped) {
        let binding = Binding { region: "eu", tenant: TenantId(Id::v7(Time(5), [7; 10])), version: 1 };
        let root = holder(1);
        let wrapped = wrap_new(binding, root.as_ref(), Time(5), &OsRng).await.unwrap().0;
        (root, wrapped)
    }

    #[tokio::test]
    async fn a_wrapped_key_unwraps_only_as_itself() {
        let (root, wrapped) = made().await;
        let with = async |change: fn(&mut Wrapped)| {
            let mut other = wrapped.clone();
            change(&mut other);
            unwrap(&other, std::slice::from_ref(&root)).await
        };
        assert_eq!(with(|_| ()).await.unwrap().expose().len(), 32);
        assert!(with(|w| w.version = 2).await.is_err());
        assert!(with(|w| w.tenant = TenantId::HOUSE).await.is_err());
        assert!(with(|w| w.region = "us".into()).await.is_err());
        assert!(with(|w| w.wrapped[30] ^= 1).await.is_err());
        assert!(with(|w| w.wrapped.truncate(20)).await.is_err());
    }

    #[tokio::test]
    async fn another_root_is_named_as_such() {
        let (_, wrapped) = made().await;
        let Err(Failure::Internal(words)) = unwrap(&wrapped, &[holder(2)]).await else { panic!() };
        assert!(words.contains("another root key"), "{words}");
        assert!(unwrap(&wrapped, &[holder(2), holder(1)]).await.is_ok());
    }

    #[tokio::test]
    async fn keys_are_drawn_afresh_and_do_not_print() {
        let ((root, a), (_, b)) = (made().await, made().await);
        let key = unwrap(&a, std::slice::from_ref(&root)).await.unwrap();
        assert_ne!(key, unwrap(&b, &[root]).await.unwrap());
        assert!(!format!("{a:?}").contains(&hex::encode(key.expose())));
    }
}
