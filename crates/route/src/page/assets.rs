//! Files that pages ask for. Their names hold their hash, so they may be kept for ever; scripts carry their integrity too.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{StatusCode, header};
use kernel::{Failure, may};
use maud::{Markup, html};

use crate::{Asking, Reply, Route, get};

/// The style sheet, for pages that hold it themselves.
pub const STYLE: &str = include_str!("../../assets/app.css");

/// The console's: the same, and what only records need.
const CONSOLE: &str = concat!(include_str!("../../assets/app.css"), include_str!("../../assets/records.css"));

/// One file.
struct Asset {
    path: String,
    integrity: String,
    kind: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let hash = digest::digest(&digest::SHA384, bytes);
        let short: String = hash.as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
        let integrity = format!("sha384-{}", BASE64_STANDARD.encode(hash.as_ref()));
        Self { path: format!("/assets/{stem}-{short}.{ending}"), integrity, kind, bytes }
    }
}

struct Assets {
    style: Asset,
    /// In the order they run: the policy needs the sanitiser, htmx the policy.
    scripts: [Asset; 3],
    /// Latin, and what else European names need.
    fonts: [Asset; 2],
    faces: String,
}

impl Assets {
    fn all(&self) -> impl Iterator<Item = &Asset> {
        std::iter::once(&self.style).chain(&self.scripts).chain(&self.fonts)
    }
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let script = |stem, bytes| Asset::new(stem, "js", "text/javascript; charset=utf-8", bytes);
    let fonts = [
        Asset::new("sans", "woff2", "font/woff2", include_bytes!("../../assets/sans.woff2")),
        Asset::new("sans-ext", "woff2", "font/woff2", include_bytes!("../../assets/sans-ext.woff2")),
    ];
    let faces = fonts.iter().zip(RANGES).map(|(font, range)| {
        format!(
            "@font-face{{font-family:\"Vouchsafe Sans\";font-weight:200 800;font-display:optional;src:url({}) \
             format(\"woff2\");unicode-range:{range}}}",
            font.path
        )
    });
    Assets {
        faces: faces.collect(),
        fonts,
        style: Asset::new("app", "css", "text/css; charset=utf-8", CONSOLE.as_bytes()),
        scripts: [
            script("purify", include_bytes!("../../assets/purify.min.js")),
            script("app", include_bytes!("../../assets/app.js")),
            script("htmx", include_bytes!("../../assets/htmx.min.js")),
        ],
    }
});

/// Letters of each font, as the fonts' own package divides them.
const RANGES: [&str; 2] = [
    "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+0304,U+0308,U+0329,U+2000-206F,U+20AC,U+2122,\
     U+2191,U+2193,U+2212,U+2215,U+FEFF,U+FFFD",
    "U+0100-02BA,U+02BD-02C5,U+02C7-02CC,U+02CE-02D7,U+02DD-02FF,U+0304,U+0308,U+0329,U+1D00-1DBF,U+1E00-1E9F,\
     U+1EF2-1EFF,U+2020,U+20A0-20AB,U+20AD-20C0,U+2113,U+2C60-2C7F,U+A720-A7FF",
];

/// Where the files are, on every host.
pub const PATH: &str = "/assets/{name}";

/// The name of a file.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

/// The route of the files.
#[must_use]
pub fn routes() -> Vec<Route> {
    let serve = get(async |call: Asking<Named>| {
        let wanted = |asset: &&Asset| asset.path.strip_prefix("/assets/") == Some(call.input.name.as_str());
        let asset = ASSETS.all().find(wanted).ok_or(Failure::NotFound)?;
        let reply = Reply::new(StatusCode::OK, crate::Body::Bytes(Bytes::from_static(asset.bytes)));
        let kept = "public, max-age=31536000, immutable";
        Ok::<_, Failure>(reply.with(header::CONTENT_TYPE, asset.kind).with(header::CACHE_CONTROL, kept))
    });
    vec![Route { path: PATH.to_owned(), action: may("public", "read"), tier: "api", serve }]
}

/// The letters: asked for early, and left out where they come too late, so that nothing on a page moves.
pub(crate) fn letters() -> Markup {
    let [latin, _] = &ASSETS.fonts;
    html! { link rel="preload" as="font" type="font/woff2" crossorigin href=(latin.path); }
}

/// Where the letters are, for a page's own style.
pub(crate) fn faces() -> &'static str {
    &ASSETS.faces
}

/// What a page of the console has in its head. Scripts run after the document is there, in order.
pub(crate) fn links(nonce: &str) -> Markup {
    html! {
        link rel="stylesheet" href=(ASSETS.style.path) nonce=(nonce);
        meta name="htmx-config" content=(HTMX);
        @for script in &ASSETS.scripts {
            script src=(script.path) integrity=(script.integrity) nonce=(nonce) defer {}
        }
    }
}

/// No evaluated code, no style or script of its own, nothing kept in the browser's storage.
const HTMX: &str = r#"{"allowEval":false,"includeIndicatorStyles":false,"allowScriptTags":false,"historyCacheSize":0,"refreshOnHistoryMiss":true,"selfRequestsOnly":true,"scrollIntoViewOnBoost":false,"defaultFocusScroll":false}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendored_files_are_the_ones_on_record() {
        let record = include_str!("../../assets/VENDORED.md");
        for asset in ASSETS.all().filter(|a| !a.path.contains("/app-")) {
            assert!(record.contains(&asset.integrity), "{} is {}", asset.path, asset.integrity);
        }
    }

    #[test]
    fn the_style_sheet_fits_into_a_page() {
        assert!(STYLE.len() < 40_000, "{}", STYLE.len());
        assert!(!STYLE.contains("</") && !STYLE.contains("@import") && !STYLE.contains("url("));
    }
}
