//! Cursors: the sort keys of the last row shown, with a MAC over them and the question they belong to.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use encryption::{Vault, hash};
use kernel::{Failure, Home, Secret};
use store::Value;

const MAC: usize = 16;

/// Keys by region, derived once.
#[derive(Default)]
pub(crate) struct Keys(RwLock<HashMap<String, Secret>>);

impl Keys {
    fn get(&self, vault: &Vault, region: &str) -> Result<Secret, Failure> {
        if let Some(key) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(region) {
            return Ok(key.clone());
        }
        let key = vault.root_key(region, "cursor", &[])?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(region.to_owned(), key.clone());
        Ok(key)
    }
}

/// The question a cursor answers.
pub(crate) struct Question<'q> {
    pub(crate) home: &'q Home,
    pub(crate) collection: &'q str,
    pub(crate) filter: &'q str,
    pub(crate) sort: &'q str,
}

impl Question<'_> {
    fn mac(&self, keys: &Keys, vault: &Vault, values: &[u8]) -> Result<[u8; 32], Failure> {
        let mut text = Vec::with_capacity(128);
        let tenant = self.home.id.to_string();
        for part in
            [tenant.as_bytes(), self.collection.as_bytes(), self.filter.as_bytes(), self.sort.as_bytes(), values]
        {
            text.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            text.extend_from_slice(part);
        }
        Ok(hash::hmac_sha256(keys.get(vault, &self.home.region)?.expose(), &text))
    }

    /// The cursor behind a row with these sort keys.
    pub(crate) fn write(&self, keys: &Keys, vault: &Vault, values: &[Value]) -> Result<String, Failure> {
        let mut bytes = Vec::with_capacity(96);
        for value in values {
            match value {
                Value::Int(n) => {
                    bytes.push(b'i');
                    bytes.extend(n.to_be_bytes());
                }
                Value::Text(text) => {
                    bytes.push(b't');
                    bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
                Value::Null | Value::Blob(_) => bytes.push(b'n'),
            }
        }
        let mac = self.mac(keys, vault, &bytes)?;
        bytes.extend_from_slice(mac.get(..MAC).unwrap_or(&mac));
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The values of a cursor.
    ///
    /// # Errors
    /// `BadInput`: it was changed, or belongs to another question.
    pub(crate) fn read(&self, keys: &Keys, vault: &Vault, text: &str, count: usize) -> Result<Vec<Value>, Failure> {
        let bad = || Failure::bad("cursor: not one of ours, or it belongs to another filter or sort");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (values, mac) = bytes.split_at_checked(bytes.len().saturating_sub(MAC)).ok_or_else(bad)?;
        let wanted = self.mac(keys, vault, values)?;
        if !hash::same(mac, wanted.get(..MAC).unwrap_or(&wanted)) {
            return Err(bad());
        }
        let values = decode(values).ok_or_else(bad)?;
        if values.len() == count { Ok(values) } else { Err(bad()) }
    }
}

fn decode(mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        bytes = match tag {
            b'n' => {
                values.push(Value::Null);
                rest
            }
            b'i' => {
                let (number, rest) = rest.split_first_chunk::<8>()?;
                values.push(Value::Int(i64::from_be_bytes(*number)));
                rest
            }
            b't' => {
                let (length, rest) = rest.split_first_chunk::<4>()?;
                let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
                values.push(Value::Text(std::str::from_utf8(text).ok()?.to_owned()));
                rest
            }
            _ => return None,
        };
    }
    Some(values)
}
