//! One probe per check, grouped as the house is.

mod headers;
mod origin;
mod transport;

use crate::plan::Probe;

/// A probe as a value.
macro_rules! probe {
    ($check:literal, $room:ident, $run:path) => {
        $crate::plan::Probe { check: $check, room: $crate::plan::Room::$room, run: |scene| Box::pin($run(scene)) }
    };
}
pub(crate) use probe;

/// Every probe there is.
pub fn all() -> impl Iterator<Item = &'static Probe> {
    [headers::PROBES, transport::PROBES, origin::PROBES].into_iter().flatten()
}

use crate::{evidence::Miss, run::Scene, wire::Answer};

/// An answer of the plain listener at a tenant's host; none when there is no such listener.
async fn plain(scene: &Scene, method: &str, path: &str) -> Result<Option<Answer>, Miss> {
    plain_with(scene, &scene.a.host, &format!("{method} {path} HTTP/1.1"), "accept: text/html\r\n").await
}

async fn plain_with(scene: &Scene, host: &str, line: &str, headers: &str) -> Result<Option<Answer>, Miss> {
    let Some(address) = scene.stage.instance.plain else { return Ok(None) };
    let stage = &scene.stage;
    let Ok(stream) = stage.instance.net.plain(stage.source(), address).await else { return Ok(None) };
    let text = format!("{line}\r\nhost: {host}\r\n{headers}connection: close\r\n\r\n");
    Ok(Some(crate::wire::plain(stream, text.as_bytes()).await?))
}
