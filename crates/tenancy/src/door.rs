//! The gate `Caller -> Tenant`.

use std::sync::Arc;

use kernel::{Caller, Credential, Failure, Home, Place, Reason, Status, Tenant, TenantId, UserId};

use crate::{Tenancy, sql};

impl Tenancy {
    /// The tenant that site, caller and path pick, and the path below the tenant's url.
    ///
    /// # Errors
    /// `Refused(TenantSuspended)`; `NotFound` for a path that names no workspace of the caller's; `UnknownHost`; those of the
    /// store.
    pub async fn tenant<'p>(&self, caller: Caller, path: &'p str) -> Result<(Tenant, &'p str), Failure> {
        let place = caller.site().place().clone();
        if let Place::Tenant(home) = place {
            admit(&home, Failure::UnknownHost)?;
            return Ok((Tenant::found(&self.tenant, caller, home), path));
        }
        let shared = matches!(place, Place::Shared);
        if shared && let Some((name, rest)) = below("/w/", path) {
            let home = self.among(caller.credential(), name).await?.ok_or(Failure::NotFound)?;
            admit(&home, Failure::NotFound)?;
            return Ok((Tenant::found(&self.tenant, caller, home), rest));
        }
        if self.app.tenant.membership_slug
            && let Some((id, rest)) = self.app.tenant.public_path.as_deref().and_then(|p| delivered(p, path))
        {
            let id: TenantId = id.parse().map_err(|()| Failure::NotFound)?;
            let home = self.directory.by_id(id).await?.ok_or(Failure::NotFound)?;
            admit(&home, Failure::NotFound)?;
            return Ok((Tenant::delivered(&self.tenant, caller, home), rest));
        }
        let home = self.directory.house(shared);
        Ok((Tenant::found(&self.tenant, caller, home), path))
    }

    /// A tenant for a job or an operator at the admin socket; suspended ones too.
    ///
    /// # Errors
    /// `NotFound` for unknown and deleted tenants, and for callers that came by the network; those of the store.
    pub async fn enter(&self, caller: Caller, id: TenantId) -> Result<Tenant, Failure> {
        if !matches!(caller.credential(), Credential::Job(_) | Credential::Operator(_)) {
            return Err(Failure::NotFound);
        }
        let home = self.home(id).await?.filter(|home| home.status != Status::Deleted).ok_or(Failure::NotFound)?;
        Ok(Tenant::found(&self.tenant, caller, home))
    }

    /// The one tenant called `name` (slug or id) among those the caller belongs to.
    async fn among(&self, credential: &Credential, name: &str) -> Result<Option<Arc<Home>>, Failure> {
        if kernel::sabotage::off("tenant.slug_membership") {
            return self.anybodys(name).await;
        }
        let Credential::User { user, tenant: bound, .. } = credential else { return Ok(None) };
        let by_id = name.parse::<TenantId>().ok();
        let mut found = None;
        for id in self.memberships_of(*user).await?.iter() {
            if bound.is_some_and(|bound| bound != *id) || by_id.is_some_and(|named| named != *id) {
                continue;
            }
            let Some(home) = self.directory.by_id(*id).await? else { continue };
            if home.status == Status::Deleted || (by_id.is_none() && home.slug != name) {
                continue;
            }
            if found.replace(home).is_some() {
                // Two of their own with one slug: only `/w/<id>` tells them apart.
                return Ok(None);
            }
        }
        Ok(found)
    }

    /// With the control switched off: any tenant of that name.
    async fn anybodys(&self, name: &str) -> Result<Option<Arc<Home>>, Failure> {
        for id in self.every().await? {
            let home = self.directory.by_id(id).await?;
            if let Some(home) = home.filter(|home| home.slug == name || home.id.to_string() == name) {
                return Ok(Some(home));
            }
        }
        Ok(None)
    }

    async fn memberships_of(&self, user: UserId) -> Result<Arc<[TenantId]>, Failure> {
        if let Some(known) = self.memberships.get(&user) {
            return Ok(known);
        }
        let seen = self.memberships.seen(&user);
        let rows = self.lookup.all(TenantId::HOUSE, &sql::MEMBERSHIPS, (user,)).await?;
        let found: Arc<[TenantId]> = rows.into_iter().map(|(tenant, _, _)| tenant).collect();
        self.memberships.keep(user, Arc::clone(&found), seen);
        Ok(found)
    }
}

/// Active ones come in; `gone` is what a deleted one answers.
fn admit(home: &Home, gone: Failure) -> Result<(), Failure> {
    match home.status {
        Status::Active => Ok(()),
        Status::Suspended if kernel::sabotage::off("tenant.suspension") => Ok(()),
        Status::Suspended => Err(Failure::Refused(Reason::TenantSuspended)),
        Status::Deleted => Err(gone),
    }
}

/// The segment behind `prefix`, and the path behind the segment.
fn below<'p>(prefix: &str, path: &'p str) -> Option<(&'p str, &'p str)> {
    let tail = path.strip_prefix(prefix)?;
    let end = tail.find('/').unwrap_or(tail.len());
    let (name, rest) = tail.split_at_checked(end)?;
    Some((name, if rest.is_empty() { "/" } else { rest }))
}

/// The id in a path of the template `/d/{workspace_id}`, and the path behind it.
fn delivered<'p>(template: &str, path: &'p str) -> Option<(&'p str, &'p str)> {
    let (before, after) = template.split_once('{')?;
    let (_, after) = after.split_once('}')?;
    let (id, rest) = below(before, path)?;
    let rest = rest.strip_prefix(after)?;
    Some((id, if rest.is_empty() { "/" } else { rest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_behind_the_name() {
        assert_eq!(below("/w/", "/w/north/api/v1/me"), Some(("north", "/api/v1/me")));
        assert_eq!(below("/w/", "/w/north"), Some(("north", "/")));
        assert_eq!(below("/w/", "/w/"), Some(("", "/")));
        assert_eq!(below("/w/", "/w"), None);
        assert_eq!(delivered("/d/{workspace_id}", "/d/x/articles"), Some(("x", "/articles")));
        assert_eq!(delivered("/d/{workspace_id}", "/d/x"), Some(("x", "/")));
        assert_eq!(delivered("/d/{workspace_id}", "/data"), None);
    }
}
