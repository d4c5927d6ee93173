use std::sync::Arc;

use kernel::{Actor, Failure};
use route::Asking;
use schemars::JsonSchema;
use serde::Serialize;
use tenancy::roster;

use super::tenant_of;
use crate::{Authentication, sql};

/// Whoever asks.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Me {
    id: String,
    email: Option<String>,
    name: Option<String>,
    verified: bool,
    /// What they are here; none where they are not a member.
    membership: Option<Membership>,
    /// At the house: where they belong.
    #[serde(skip_serializing_if = "Option::is_none")]
    memberships: Option<Vec<Membership>>,
}

/// What someone is at one tenant.
#[derive(Serialize, JsonSchema)]
struct Membership {
    tenant: String,
    slug: String,
    name: String,
    url: String,
    role: &'static str,
    suspended: bool,
}

pub(crate) async fn show(a: Arc<Authentication>, call: Asking<()>) -> Result<Me, Failure> {
    let principal = call.tx.permit().principal();
    let user = principal.user().ok_or(Failure::SignInNeeded)?;
    let line = |home: &kernel::Home, role: u8, suspended| Membership {
        tenant: home.id.to_string(),
        slug: home.slug.clone(),
        name: home.name.clone(),
        url: home.url.clone(),
        role: a.app.roles.get(usize::from(role)).map_or("", |r| r.id),
        suspended,
    };
    let membership = match principal.actor() {
        Actor::Member { role, .. } => Some(line(principal.home(), *role, principal.suspended())),
        _ => None,
    };
    let memberships = if tenant_of(principal).is_none() {
        let mut lines = Vec::new();
        for (tenant, standing) in roster::memberships(&call.tx, &a.app, user).await? {
            let home = a.tenancy.home(tenant).await?.filter(|home| home.status != kernel::Status::Deleted);
            lines.extend(home.map(|home| line(&home, standing.role, standing.suspended)));
        }
        Some(lines)
    } else {
        None
    };
    let profile = call.tx.maybe(&sql::PROFILE, (user,)).await?;
    let (email, name, verified) = profile.map_or((None, None, false), |p| (p.email, Some(p.name), p.verified));
    Ok(Me { id: user.to_string(), email, name, verified, membership, memberships })
}
