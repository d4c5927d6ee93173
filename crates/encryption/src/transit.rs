//! A root key inside Vault or OpenBao: the transit engine wraps and unwraps over HTTP, and the root never leaves it.
//!
//! `POST /v1/MOUNT/encrypt/KEY {plaintext, associated_data}` and `POST /v1/MOUNT/decrypt/KEY {ciphertext,
//! associated_data}`, all base64; the binding is the associated data (JSON), so the key must be of an AEAD type
//! (`aes256-gcm96`, the default). `POST /v1/MOUNT/keys/KEY/rotate` when the root has reached its age: the policy of the
//! token allows `update` on these three paths and nothing else.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::{Failure, Secret};
use serde_json::{Value, json};
use tokio_rustls::rustls;

use crate::{
    kms::{Answer, Binding, Kms},
    post::{Post, plain_name},
};

/// How to reach a transit key.
pub struct Transit {
    name: String,
    post: Post,
    mount: String,
    key: String,
    token: Secret,
    namespace: Option<String>,
}

/// What does not stand in the address: `VAULT_TOKEN`, `VAULT_NAMESPACE`, and the authorities of `VAULT_CACERT` (DER).
#[derive(Clone, Default)]
pub struct Credentials {
    /// Token of the holder's own policy: encrypt, decrypt and rotate on the one key.
    pub token: Secret,
    /// Namespace, where there are any.
    pub namespace: Option<String>,
    /// Certificates of the authorities that are believed; needed for `https:`.
    pub authorities: Vec<Vec<u8>>,
}

fn words(text: impl std::fmt::Display) -> Failure {
    Failure::Internal(format!("encryption: key service: {text}").into())
}

impl Transit {
    /// From `https://HOST[:PORT]/MOUNT/KEY`; `http:` is for a service on the same machine.
    ///
    /// # Errors
    /// Internal, with words: an address of another shape, no authority for `https:`.
    pub fn new(address: &str, credentials: Credentials) -> Result<Self, Failure> {
        let post = Post::new(address, 8200, || believing(&credentials.authorities)).map_err(words)?;
        let (mount, key) = match post.path().rsplit_once('/') {
            Some((mount, key)) if plain_name(key) => (mount.to_owned(), key.to_owned()),
            _ => return Err(words("the address must be https://HOST[:PORT]/MOUNT/KEY")),
        };
        let (token, namespace) = (credentials.token, credentials.namespace);
        Ok(Self { name: format!("{mount}/{key}"), post, mount, key, token, namespace })
    }

    /// The member `data` of the answer; `None` when the service says that the request does not fit (400). `path` is below
    /// the mount.
    async fn call(&self, path: &str, body: &Value) -> Result<Option<Value>, Failure> {
        let path = format!("/v1/{}/{path}", self.mount);
        let mut headers = vec![
            ("content-type", "application/json"),
            ("x-vault-request", "true"),
            ("x-vault-token", self.token.expose_str().unwrap_or_default()),
        ];
        headers.extend(self.namespace.as_deref().map(|namespace| ("x-vault-namespace", namespace)));
        let answer = self.post.send(&path, &headers, body.to_string().into()).await;
        let answer = answer.map_err(|why| {
            words(format!("{}, which holds the root key, cannot be reached: {why}", self.post.authority()))
        })?;
        match answer.status {
            200 => {
                let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                Ok(Some(told.get("data").cloned().unwrap_or_default()))
            }
            204 => Ok(Some(Value::Null)),
            400 => Ok(None),
            // The service's own words may name paths and policies: they stay there.
            other => Err(words(format!("{path} answered {other}"))),
        }
    }
}

fn believing(authorities: &[Vec<u8>]) -> Result<Arc<rustls::ClientConfig>, String> {
    let mut roots = rustls::RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone().into()).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() {
        return Err("https: needs VAULT_CACERT, a file with the authority of its certificate".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|e| e.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn associated(binding: Binding<'_>) -> String {
    // An array keeps its order in every JSON library.
    STANDARD.encode(json!([binding.region, binding.tenant, binding.version]).to_string())
}

impl Kms for Transit {
    fn name(&self) -> &str {
        &self.name
    }
    fn wrap<'a>(&'a self, key: &'a Secret, binding: Binding<'a>) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            let body = json!({"plaintext": STANDARD.encode(key.expose()), "associated_data": associated(binding)});
            let data = self
                .call(&format!("encrypt/{}", self.key), &body)
                .await?
                .ok_or_else(|| words("encrypt was refused"))?;
            let text = data.get("ciphertext").and_then(Value::as_str).filter(|t| t.contains(':'));
            text.map(|t| t.as_bytes().to_vec()).ok_or_else(|| words("encrypt answered without a ciphertext"))
        })
    }
    fn unwrap<'a>(&'a self, wrapped: &'a [u8], binding: Binding<'a>) -> Answer<'a, Option<Secret>> {
        Box::pin(async move {
            let Ok(text) = std::str::from_utf8(wrapped) else { return Ok(None) };
            let body = json!({"ciphertext": text, "associated_data": associated(binding)});
            let Some(data) = self.call(&format!("decrypt/{}", self.key), &body).await? else { return Ok(None) };
            let plain = data.get("plaintext").and_then(Value::as_str);
            let plain = plain.ok_or_else(|| words("decrypt answered without a plaintext"))?;
            Ok(STANDARD.decode(plain).ok().map(Secret::new))
        })
    }
    fn elsewhere(&self) -> bool {
        true
    }
    fn turn(&self) -> Answer<'_, bool> {
        Box::pin(async move {
            let turned = self.call(&format!("keys/{}/rotate", self.key), &json!({})).await?;
            turned.map(|_| true).ok_or_else(|| words("rotate was refused"))
        })
    }
    /// `vault:vN:...`
    fn version(&self, wrapped: &[u8]) -> u32 {
        let text = std::str::from_utf8(wrapped).ok();
        let number = text.and_then(|text| text.split(':').nth(1)?.strip_prefix('v'));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
