//! JSON Web Signatures (RFC 7515) by the verdict key: compact for statements, detached (appendix F) for reports.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use encryption::{Signer, Vault};
use kernel::Failure;

/// The key that signs verdicts and statements of one app.
pub(crate) fn key(vault: &Vault, app: &str) -> Result<Signer, Failure> {
    vault.signer(None, "verdicts", &[app.as_bytes()])
}

fn head(signer: &Signer) -> String {
    URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, signer.kid()))
}

fn signature(signer: &Signer, head: &str, body: &str) -> String {
    URL_SAFE_NO_PAD.encode(signer.sign(format!("{head}.{body}").as_bytes()))
}

/// `head..signature`: the payload is what it stands beside.
pub(crate) fn detached(signer: &Signer, payload: &[u8]) -> String {
    let head = head(signer);
    let signature = signature(signer, &head, &URL_SAFE_NO_PAD.encode(payload));
    format!("{head}..{signature}")
}

/// `head.payload.signature`.
pub(crate) fn compact(signer: &Signer, payload: &[u8]) -> String {
    let (head, body) = (head(signer), URL_SAFE_NO_PAD.encode(payload));
    let signature = signature(signer, &head, &body);
    format!("{head}.{body}.{signature}")
}

/// The payload of a compact one, if this key signed it. Ed25519 is deterministic, so signing again is checking.
pub(crate) fn opened(signer: &Signer, token: &str) -> Option<Vec<u8>> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    encryption::hash::same(compact(signer, &payload).as_bytes(), token.as_bytes()).then_some(payload)
}
