//! Which of the team's own people may act, at the socket and in a browser: asked of the register for every act.

use access::register::{PROBER, Standing};
use http::HeaderMap;
use integrations::SINK;
use kernel::{Caller, Failure, Place, Reason, Site, TenantId, may};

use crate::{Server, admin::Order};

/// What an order is answered with besides its answer.
pub(crate) type Note = Option<&'static str>;

/// Why an order is not done.
pub(crate) enum Turned {
    /// By the register, in words.
    Away(&'static str),
    /// Something else.
    Failed(Failure),
}

impl From<Failure> for Turned {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Whether a request goes to the operators' pages or their API, where their own cookie counts and no other credential.
pub(crate) fn desk(site: &Site, path: &str) -> bool {
    let below = ["/operator", "/api/v1/operator"].into_iter().any(|top| {
        let rest = path.strip_prefix(top);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    below && matches!(site.place(), Place::House)
}

impl Server {
    /// The caller at the operators' pages: whoever left the register is nobody there with the next request.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn at_desk(&self, site: Site, headers: &HeaderMap) -> Result<Caller, Failure> {
        let now = site.peer().at();
        let name = self.authentication.at_desk(headers, now).await?;
        let listed = match &name {
            Some(name) => matches!(self.access.standing(name, now).await?, Standing::Listed(_)),
            None => false,
        };
        Ok(self.authentication.desk(site, name.filter(|_| listed).as_deref()))
    }

    /// Whether the name of an order may act. A refusal leaves a leaf.
    ///
    /// # Errors
    /// What the register says against it; those of the store.
    pub(crate) async fn admit(&self, order: &Order) -> Result<Note, Turned> {
        let (name, what) = (order.operator.as_str(), order.what.as_str());
        // It stands in the log for ever, and on the terminals of those who read it.
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(Turned::Failed(Failure::bad("`as` is a name: one line of 1 to 100 characters")));
        }
        let standing = self.access.standing(name, self.clock.now()).await?;
        let away = match standing {
            Standing::Open if name == PROBER => return Ok(None),
            Standing::Open => return Ok(Some("the register of operators is empty, so any name may act")),
            Standing::Listed(_) => return Ok(None),
            _ if name == PROBER => match self.probes(order).await? {
                true => return Ok(None),
                false => "the prober reaches canaries alone",
            },
            Standing::Deserted if matches!(what, "operator.add" | "operator.list") => {
                return Ok(Some("nobody in the register of operators is in force, so anybody may add somebody"));
            }
            _ if kernel::sabotage::off("gov.named_operators") => return Ok(None),
            standing => standing.why(),
        };
        let who = self.operator(name, TenantId::HOUSE).await?;
        let refused = Failure::Refused(Reason::NotGranted);
        match self.access.refused(&who, may("operator", "act"), what, refused).await {
            Failure::Refused(_) => Err(Turned::Away(away)),
            other => Err(Turned::Failed(other)),
        }
    }

    /// What the prober may do while a register is in force: look at the server, and use tenants that were made for it.
    async fn probes(&self, order: &Order) -> Result<bool, Failure> {
        let sink = |email: &str| {
            let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
            domain == SINK || domain == "canary.example"
        };
        Ok(match order.what.as_str() {
            "status" | "csp.list" | "mail.sunk" | "keys.status" | "operator.state" => true,
            "tenant.create" => order.canary && order.people.iter().all(|p| sink(&p.email)),
            "user.deactivate" => order.email.as_deref().is_some_and(sink),
            // A person with an address of nobody's: no customer's account is made or joined under the prober's name.
            "member.add" if !order.email.as_deref().is_some_and(sink) => false,
            "member.add" | "tenant.suspend" | "tenant.resume" | "tenant.delete" => {
                match self.named(order.tenant.as_deref()).await {
                    Ok(tenant) => self.tenancy.made_for_tests(tenant).await?,
                    Err(Failure::NotFound) => true,
                    Err(other) => return Err(other),
                }
            }
            _ => false,
        })
    }
}
