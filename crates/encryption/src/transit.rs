//! A root key inside Vault or OpenBao: the transit engine wraps and unwraps over HTTP, and the root never leaves it.
//!
//! `POST /v1/MOUNT/encrypt/KEY {plaintext, associated_data}` and `POST /v1/MOUNT/decrypt/KEY {ciphertext,
//! associated_data}`, all base64; the binding is the associated data (JSON), so the key must be of an AEAD type
//! (`aes256-gcm96`, the default). `POST /v1/MOUNT/keys/KEY/rotate` when the root has reached its age: the policy of the
//! token allows `update` on these three paths and nothing else.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use kernel::{Failure, Secret};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, rustls};

use crate::kms::{Answer, Binding, Kms};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// How to reach a transit key.
pub struct Transit {
    name: String,
    host: String,
    port: u16,
    tls: Option<Arc<rustls::ClientConfig>>,
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

fn plain_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(fits) && !text.contains("..")
}

impl Transit {
    /// From `https://HOST[:PORT]/MOUNT/KEY`; `http:` is for a service on the same machine.
    ///
    /// # Errors
    /// Internal, with words: an address of another shape, no authority for `https:`.
    pub fn new(address: &str, credentials: Credentials) -> Result<Self, Failure> {
        let shape = || words("the address must be https://HOST[:PORT]/MOUNT/KEY");
        let (scheme, rest) = address.split_once("://").ok_or_else(shape)?;
        let (authority, path) = rest.split_once('/').ok_or_else(shape)?;
        let (mount, key) = path.rsplit_once('/').ok_or_else(shape)?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| shape())?),
            None => (authority, 8200),
        };
        let whole = mount.split('/').all(plain_name) && plain_name(key) && plain_name(host);
        let local = matches!(host, "127.0.0.1" | "localhost");
        let tls = match scheme {
            "https" => Some(Arc::new(believing(&credentials.authorities)?)),
            "http" if local => None,
            "http" => return Err(words("http: is for a service on the same machine; write https:")),
            _ => return Err(shape()),
        };
        if !whole {
            return Err(shape());
        }
        Ok(Self {
            name: format!("{mount}/{key}"),
            host: host.to_owned(),
            port,
            tls,
            mount: mount.to_owned(),
            key: key.to_owned(),
            token: credentials.token,
            namespace: credentials.namespace,
        })
    }

    /// The member `data` of the answer; `None` when the service says that the request does not fit (400). `path` is below
    /// the mount.
    async fn call(&self, path: &str, body: &Value) -> Result<Option<Value>, Failure> {
        let asked = tokio::time::timeout(PATIENCE, self.exchange(path, body)).await;
        let (status, answer) = asked.map_err(|_| self.away("no answer within 5 s"))??;
        match status {
            StatusCode::OK => Ok(Some(answer.get("data").cloned().unwrap_or_default())),
            StatusCode::NO_CONTENT => Ok(Some(Value::Null)),
            StatusCode::BAD_REQUEST => Ok(None),
            // The service's own words may name paths and policies: they stay there.
            other => Err(words(format!("{path} answered {}", other.as_u16()))),
        }
    }

    fn away(&self, why: impl std::fmt::Display) -> Failure {
        words(format!("{}:{}, which holds the root key, cannot be reached: {why}", self.host, self.port))
    }

    async fn exchange(&self, path: &str, body: &Value) -> Result<(StatusCode, Value), Failure> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|e| self.away(e))?;
        match &self.tls {
            None => self.over(stream, path, body).await,
            Some(config) => {
                let name = rustls::pki_types::ServerName::try_from(self.host.clone()).map_err(words)?;
                let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
                self.over(secured.map_err(|e| self.away(e))?, path, body).await
            }
        }
    }

    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        path: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), Failure> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| self.away(e))?;
        let driver = tokio::spawn(connection);
        let mut request = Request::post(format!("/v1/{}/{path}", self.mount))
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-vault-request", "true")
            .header("x-vault-token", self.token.expose());
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        let request = request.body(Full::new(Bytes::from(body.to_string()))).map_err(words)?;
        let response = sender.send_request(request).await.map_err(|e| self.away(e))?;
        let status = response.status();
        let bytes = Limited::new(response.into_body(), LONGEST).collect().await.map_err(words)?.to_bytes();
        driver.abort();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}

fn believing(authorities: &[Vec<u8>]) -> Result<rustls::ClientConfig, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone().into()).map_err(words)?;
    }
    if roots.is_empty() {
        return Err(words("https: needs VAULT_CACERT, a file with the authority of its certificate"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(words)?.with_root_certificates(roots).with_no_client_auth())
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
            let data = self.call(&format!("encrypt/{}", self.key), &body).await?.ok_or_else(|| words("encrypt was refused"))?;
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
