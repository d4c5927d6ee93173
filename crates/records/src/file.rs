//! Files: stored as they stream in, their type found by their first bytes, never believed.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use kernel::Failure;
use manifest::{Field, Kind};
use route::BodyStream;

/// Bytes that a type is found by.
const HEAD: usize = 8192;

/// Types without a signature that a text may call itself.
const TEXTS: [&str; 3] = ["text/plain", "text/csv", "application/json"];

/// The first bytes, and a stream of everything.
pub(crate) async fn head(body: BodyStream) -> Result<(Bytes, BodyStream), Failure> {
    // A short file ends within its head, and what follows asks once more.
    let mut body = body.fuse();
    let mut head = BytesMut::new();
    let mut read = Vec::new();
    while head.len() < HEAD {
        let Some(chunk) = body.next().await else { break };
        let chunk = chunk?;
        head.extend_from_slice(&chunk);
        read.push(Ok(chunk));
    }
    Ok((head.freeze(), Box::pin(stream::iter(read).chain(body))))
}

/// The first bytes alone, at most so many.
pub(crate) async fn start(mut body: BodyStream, most: usize) -> Result<Bytes, Failure> {
    let mut head = BytesMut::new();
    while head.len() < most {
        let Some(piece) = body.next().await else { break };
        head.extend_from_slice(&piece?);
    }
    head.truncate(most);
    Ok(head.freeze())
}

/// The type of a file by its first bytes. What it calls itself only chooses among harmless texts.
pub(crate) fn sniff(head: &[u8], declared: Option<&str>) -> String {
    if let Some(kind) = infer::get(head) {
        return kind.mime_type().to_owned();
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        // A character may be cut at the end of what was read.
        Err(e) if e.valid_up_to() + 4 > head.len() => {
            std::str::from_utf8(head.get(..e.valid_up_to()).unwrap_or(head)).ok()
        }
        Err(_) => None,
    };
    let plain = text.is_some_and(|t| !t.contains('\0') && !t.trim_start().starts_with('<'));
    match declared.filter(|d| TEXTS.contains(d)) {
        Some(declared) if plain => declared.to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

/// Whether a field takes files of a type.
pub(crate) fn accepted(field: &Field, kind: &str) -> bool {
    let Kind::File { accept } = &field.kind else { return false };
    let matches = |pattern: &String| match pattern.strip_suffix("/*") {
        Some(family) => kind.split('/').next() == Some(family),
        None => pattern == kind,
    };
    accept.is_empty() || accept.iter().any(|p| p == "*/*" || matches(p))
}

/// A file's name without a path, control characters and anything a header could not carry.
pub(crate) fn name(given: Option<&str>) -> String {
    let last = given.unwrap_or("").rsplit(['/', '\\']).next().unwrap_or("");
    let kept: String =
        last.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '<' | '>' | '|')).take(120).collect();
    let kept = kept.trim().trim_start_matches('.').to_owned();
    if kept.is_empty() || crate::card::found(&kept) { "file".to_owned() } else { kept }
}

/// Whether a browser may show it in a page of ours.
pub(crate) fn inline(kind: &str) -> bool {
    matches!(kind, "image/png" | "image/jpeg" | "image/webp" | "image/gif" | "image/avif")
}

/// `Content-Disposition` (RFC 6266).
pub(crate) fn disposition(kind: &str, name: &str) -> String {
    let how = if inline(kind) { "inline" } else { "attachment" };
    let ascii: String = name.chars().map(|c| if c.is_ascii() && c != '\\' { c } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{how}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_not_believed() {
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n0000", Some("text/html")), "image/png");
        assert_eq!(sniff(b"%PDF-1.7\n", None), "application/pdf");
        for script in ["<svg onload=x>", "<!DOCTYPE html><script>", "  <html>", "<?xml version=\"1.0\"?><svg/>"] {
            let kind = sniff(script.as_bytes(), Some("image/svg+xml"));
            assert!(!kind.starts_with("image/") && !inline(&kind), "{kind}");
        }
        assert_eq!(sniff(b"a,b\n1,2\n", Some("text/csv")), "text/csv");
        assert_eq!(sniff(b"a\0b", Some("text/csv")), "application/octet-stream");
    }

    #[test]
    fn names_carry_no_paths() {
        assert_eq!(name(Some("../../etc/passwd")), "passwd");
        assert_eq!(name(Some("C:\\x\\Bild ö.png")), "Bild ö.png");
        assert_eq!(name(Some("\r\n\"")), "file");
        assert_eq!(disposition("image/png", "ö.png"), "inline; filename=\"_.png\"; filename*=UTF-8''%C3%B6.png");
        assert!(disposition("text/html", "x").starts_with("attachment"));
    }
}
