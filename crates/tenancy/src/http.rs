use kernel::{Failure, TenantId, may};
use route::{Asking, Changing, Done, Route, get, patch, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::Control;

use crate::lifecycle;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route { path: "/api/v1/tenant".into(), action: may("settings", "read"), tier: "api", serve: get(show) },
        Route {
            path: "/api/v1/tenant".into(),
            action: may("settings", "manage"),
            tier: "api",
            serve: patch("tenant.changed", change),
        },
        Route {
            path: "/api/v1/tenant/deletion".into(),
            action: may("deletion", "manage"),
            tier: "api",
            serve: post("tenant.deletion_requested", request_deletion),
        },
    ]
}

/// A tenant's own settings.
#[derive(Debug, Serialize, JsonSchema)]
struct Settings {
    id: String,
    slug: String,
    name: String,
    region: String,
    url: String,
    modules: Vec<String>,
}

async fn show(call: Asking<()>) -> Result<Settings, Failure> {
    let home = call.tx.permit().principal().home();
    Ok(Settings {
        id: home.id.to_string(),
        slug: home.slug.clone(),
        name: home.name.clone(),
        region: home.region.clone(),
        url: home.url.clone(),
        modules: home.modules.clone(),
    })
}

/// What may be changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changed {
    /// Name for people.
    name: String,
}

pub(crate) async fn change(call: Changing<Changed>) -> Result<Done<()>, Failure> {
    let tenant = call.tx.permit().principal().tenant();
    let batch = lifecycle::rename(call.tx.batch::<Control>(target(tenant)), tenant, &call.input.name)?;
    Ok(Done::ok(batch.commit().await?, ()))
}

pub(crate) async fn request_deletion(call: Changing<()>) -> Result<Done<()>, Failure> {
    let principal = call.tx.permit().principal();
    let (tenant, at) = (principal.tenant(), principal.at());
    let batch = lifecycle::delete(call.tx.batch::<Control>(target(tenant)), tenant, at);
    Ok(Done::accepted(batch.commit().await?, ()))
}

fn target(tenant: TenantId) -> String {
    format!("tenant/{tenant}")
}
