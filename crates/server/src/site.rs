//! `/` of each host: the app's static files, or a card with the tenant's name.

use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use http::{StatusCode, header};
use kernel::{Failure, Home, TenantId};
use maud::html;
use route::{
    Body, Reply,
    page::{Button, Card},
};

use crate::Server;

/// Largest file served, in bytes.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Answers a GET that no route matches.
pub(crate) async fn file(server: &Server, home: &Home, path: &str) -> Result<Reply, Failure> {
    if let Some(root) = server.site.as_deref().filter(|_| home.id != TenantId::HOUSE) {
        return from_folder(root, path).await;
    }
    if path == "/" { Ok(card(server, home)) } else { Err(Failure::NotFound) }
}

/// A path below `root`, never outside: only plain segments, no dot files, no links out.
fn below(root: &Path, path: &str) -> Option<PathBuf> {
    let path = path.strip_prefix('/')?;
    let path = if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    let plain = |c: Component<'_>| matches!(c, Component::Normal(n) if !n.to_string_lossy().starts_with('.'));
    if path.contains(['%', '\\', '\0']) || !Path::new(&path).components().all(plain) {
        return None;
    }
    Some(root.join(path))
}

async fn from_folder(root: &Path, path: &str) -> Result<Reply, Failure> {
    let wanted = below(root, path).ok_or(Failure::NotFound)?;
    let real = tokio::fs::canonicalize(&wanted).await.map_err(|_| Failure::NotFound)?;
    let root = tokio::fs::canonicalize(root).await.map_err(|_| Failure::internal("site: folder is gone"))?;
    let about = tokio::fs::metadata(&real).await.map_err(|_| Failure::NotFound)?;
    if !real.starts_with(&root) || !about.is_file() || about.len() > LARGEST {
        return Err(Failure::NotFound);
    }
    let bytes = tokio::fs::read(&real).await.map_err(|_| Failure::NotFound)?;
    let kind = media_type(&real);
    if kind.starts_with("text/html") {
        let text = String::from_utf8(bytes).map_err(|_| Failure::internal("site: HTML is not UTF-8"))?;
        let page = Box::new(move |nonce: &str| text.replace("{{nonce}}", nonce));
        return Ok(Reply::new(StatusCode::OK, Body::Page(page)).with(header::CONTENT_TYPE, kind));
    }
    Ok(Reply::new(StatusCode::OK, Body::Bytes(Bytes::from(bytes)))
        .with(header::CONTENT_TYPE, kind)
        .with(header::CACHE_CONTROL, "public, max-age=300"))
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()).unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Who lives here, when the app has no site of its own.
fn card(server: &Server, home: &Home) -> Reply {
    let app = &server.app;
    let house = home.id == TenantId::HOUSE;
    let (title, line) =
        if house { (app.name.clone(), app.tagline.clone()) } else { (home.name.clone(), format!("on {}", app.name)) };
    let over = if kernel::sabotage::off("edge.output_escape") {
        maud::PreEscaped(title.clone())
    } else {
        html! {}
    };
    let opens = house && app.tenant.sign_up == manifest::SignUp::Open && app.auth.issuer.is_none();
    let body = html! {
        (over)
        p { (line) }
        p.actions {
            (Button::link("Sign in", "/sign-in").primary())
            @if opens && home.url == server.tenancy.hosts().url("") { (Button::link(format!("Open a {}", app.tenant.noun), "/sign-up")) }
        }
    };
    let route::Html(page) = server.frame.card(home, Card::new(title, body).over(""));
    Reply::new(StatusCode::OK, Body::Page(page)).with(header::CONTENT_TYPE, "text/html; charset=utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_folder() {
        let root = Path::new("/srv/site");
        assert_eq!(below(root, "/").unwrap(), root.join("index.html"));
        assert_eq!(below(root, "/a/b.css").unwrap(), root.join("a/b.css"));
        for bad in
            ["/../x", "/a/../../x", "/.env", "/a/.git/config", "//etc/passwd", "/%2e%2e/x", "/a\\b", "x", "/a\0b"]
        {
            assert_eq!(below(root, bad), None, "{bad}");
        }
    }
}
