//! One probe per check, grouped as the house is.

mod access;
mod age;
mod audit;
mod bearer;
mod card;
mod context;
mod data;
mod desk;
mod edge;
mod estate;
mod headers;
mod history;
mod host;
mod input;
mod limits;
mod log;
mod machine;
mod markup;
mod operators;
mod origin;
mod pairs;
mod password;
mod plant;
mod pool;
mod region;
mod rest;
mod served;
mod session;
mod side;
mod sockets;
mod supply;
mod tenant;
mod transport;
mod vault;
mod vault_rotation;

use crate::{evidence::Miss, plan::Probe, run::Scene, wire::Answer};

/// A probe as a value.
macro_rules! probe {
    ($check:literal, $room:ident, $run:path) => {
        $crate::plan::Probe { check: $check, room: $crate::plan::Room::$room, run: |scene| Box::pin($run(scene)) }
    };
}
pub(crate) use probe;

/// Every probe there is; long ones first, so that they run beside the rest.
pub fn all() -> impl Iterator<Item = &'static Probe> {
    let groups = [
        vault::PROBES,
        rest::PROBES,
        transport::PROBES,
        audit::PROBES,
        log::PROBES,
        access::PROBES,
        pool::PROBES,
        host::PROBES,
        edge::PROBES,
        estate::PROBES,
        machine::PROBES,
        input::PROBES,
        markup::PROBES,
        card::PROBES,
        tenant::PROBES,
        data::PROBES,
        desk::PROBES,
        age::PROBES,
        supply::PROBES,
        pairs::PROBES,
        history::PROBES,
        operators::PROBES,
        origin::PROBES,
        headers::PROBES,
        bearer::PROBES,
        session::PROBES,
        password::PROBES,
        limits::PROBES,
        context::PROBES,
    ];
    groups.into_iter().flatten()
}

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
