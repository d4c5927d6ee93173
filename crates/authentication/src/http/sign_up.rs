use std::sync::Arc;

use kernel::{Actor, Credential, Failure, Secret, TenantId, Time, UserId, Write};
use manifest::{Method, SignUp};
use route::{Changing, Done, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Batch, Control, Tx};
use tenancy::{Plan, roster};

use crate::{
    Authentication,
    browser::Web,
    email,
    letter::Letter,
    mail_token::{self, New, Pending, Purpose},
    pages,
    people::{self, Account, NewPerson},
    sql,
};

/// A person who wants an account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignUpBody {
    email: String,
    name: String,
    /// Where passwords are a way to sign in.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    password: Option<Secret>,
}

/// The same answer whether the address has an account or not; what follows is mailed to it.
pub(crate) async fn account(a: Arc<Authentication>, call: Changing<SignUpBody>) -> Result<Done<()>, Failure> {
    let asked = Asked::new(&a, &call.input.email, &call.input.name, call.input.password.as_ref()).await?;
    let existing = people::by_email(&call.tx, &asked.email).await?;
    let batch = ask(&a, call.tx, "account".to_owned(), &asked, existing, None)?;
    Ok(Done::accepted(batch.commit().await?, ()))
}

/// A sign-up that is in order.
struct Asked {
    email: String,
    pending: Pending,
}

impl Asked {
    async fn new(a: &Authentication, email: &str, name: &str, password: Option<&Secret>) -> Result<Self, Failure> {
        let (email, name) = (email::address(email)?, people::named(name)?);
        let takes = a.app.auth.methods.contains(&Method::Password);
        let phc = match password {
            Some(password) if takes => Some(a.hash(password).await?),
            None if takes => return Err(Failure::field("password", "required", "10 to 128 characters")),
            Some(_) => return Err(Failure::field("password", "unknown", "accounts have no password here")),
            None => None,
        };
        Ok(Self { email, pending: Pending { name, phc } })
    }
}

/// Mails a token that, when it comes back, makes the account, and the owner of `tenant`.
fn ask(
    a: &Authentication,
    tx: Tx<Write>,
    target: String,
    asked: &Asked,
    existing: Option<Account>,
    tenant: Option<TenantId>,
) -> Result<Batch<Control>, Failure> {
    let principal = tx.permit().principal();
    let (at, base) = (principal.at(), principal.home().url.clone());
    // An address that has an account gets a token only where it confirms something new.
    let useful = existing.is_none() || tenant.is_some();
    let new = New {
        purpose: Purpose::Verify,
        user: None,
        email: asked.email.clone(),
        tenant,
        pending: Some(asked.pending.clone()),
        at,
        expires: if useful { at.plus(a.app.auth.verify.0) } else { at },
    };
    let (batch, token) = new.put(tx.batch::<Control>(target), a.rng.as_ref())?;
    let letter = if useful {
        Letter::verify(&a.app, &asked.email, &base, &token)
    } else {
        Letter::exists(&a.app, &asked.email, &base)
    };
    let batch = letter.send(batch, &a.vault)?;
    if kernel::sabotage::off("auth.email_verify") && existing.is_none() {
        let person = person(a, asked.email.clone(), asked.pending.clone(), at);
        return Ok(people::enrol(batch, person, at));
    }
    Ok(batch)
}

fn person(a: &Authentication, email: String, pending: Pending, at: Time) -> NewPerson {
    NewPerson {
        id: UserId(a.rng.id(at)),
        email: Some(email),
        name: pending.name,
        phc: pending.phc,
        verified_at: Some(at),
        external: None,
    }
}

/// The token of a confirmation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verify {
    token: String,
}

/// Makes the account; and opens the tenant that was asked for with it.
pub(crate) async fn verify(a: Arc<Authentication>, call: Changing<Web<Verify>>) -> Result<Done<Reply>, Failure> {
    let form = call.input.form;
    let token = call.input.body.token;
    let here = Arc::clone(call.tx.permit().principal().home());
    let at = call.tx.permit().principal().at();
    let found = mail_token::find(&call.tx, Purpose::Verify, &token, at).await?;
    let existing = people::by_email(&call.tx, &found.email).await?;
    if existing.as_ref().is_some_and(|account| !account.active) {
        return Err(Failure::Gone);
    }
    let pending = found.pending.unwrap_or_default();
    let name = existing.as_ref().map_or_else(|| pending.name.clone(), |account| account.name.clone());
    let new = person(&a, found.email.clone(), pending, at);
    let user = existing.as_ref().map_or(new.id, |account| account.id);
    let home = match found.tenant {
        Some(tenant) => a.tenancy.home(tenant).await?,
        None => None,
    };
    let batch = call.tx.batch::<Control>(format!("user/{user}"));
    let batch = mail_token::spend(batch, Purpose::Verify, &token, at);
    let batch = match existing {
        Some(account) => batch.rows(1, &sql::USER_VERIFIED, (account.id, at)),
        None => people::enrol(batch, new, at),
    };
    let batch = match found.tenant {
        Some(tenant) => {
            let owner = roster::Newcomer { user, role: 0, email: Some(found.email), name: Some(name), at };
            roster::open(tenancy::claim(batch, tenant), &a.app, tenant, owner)
        }
        None => batch,
    };
    let receipt = batch.commit().await.map_err(|failure| match failure {
        // Two confirmations of one address at the same moment: the other one made the account.
        Failure::Unique(_) => Failure::Gone,
        other => other,
    })?;
    let base = home.map(|home| home.url.clone()).unwrap_or_default();
    let (title, words, next) =
        ("Your address is confirmed", "The account is yours. Sign in now.", sign_in_at(&a, &base));
    Ok(Done::ok(receipt, pages::done(&a, &here, form, title, words, (&next, "Sign in"))))
}

/// Where a new owner signs in: at their tenant's host, or at the shared one.
fn sign_in_at(a: &Authentication, url: &str) -> String {
    if a.app.tenant.membership_slug { "/sign-in".to_owned() } else { format!("{url}/sign-in") }
}

/// A tenant, and its first owner: the signed-in account, or a person with an address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    slug: String,
    name: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    password: Option<Secret>,
    /// Name of the person.
    #[serde(default)]
    owner: Option<String>,
}

/// The tenant that was made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Made {
    id: String,
    slug: String,
    name: String,
    region: String,
    url: String,
    /// It opens when the owner has confirmed their address.
    confirm: bool,
}

/// The same from the page: what follows is mailed, or, for a signed-in person, there at once.
pub(crate) async fn tenant_form(a: Arc<Authentication>, call: Changing<NewTenant>) -> Result<Done<Reply>, Failure> {
    let own = Arc::clone(&a);
    let home = Arc::clone(call.tx.permit().principal().home());
    let words =
        "Open the link in the mail to confirm your address. It works once; until then nothing is open to anybody.";
    tenant(a, call).await?.told(|made| {
        // The tenant has a host of its own, and a form's answer may not lead there: a link does.
        let console = format!("{}/console", made.url);
        Ok(if made.confirm {
            pages::done(&own, &home, true, "Look into your mail", words, ("/", "Back to the start"))
        } else {
            pages::done(&own, &home, true, "It is open", "You own it. Sign in there to begin.", (&console, "Go there"))
        })
    })
}

pub(crate) async fn tenant(a: Arc<Authentication>, call: Changing<NewTenant>) -> Result<Done<Made>, Failure> {
    let principal = call.tx.permit().principal();
    let (at, actor) = (principal.at(), principal.actor().clone());
    let input = call.input;
    let id = TenantId(a.rng.id(at));
    let plan = Plan::new(&a.app, id, &input.slug, &input.name, input.region.as_deref(), at)?;
    let made = |plan: &Plan| Made {
        id: id.to_string(),
        slug: plan.slug.clone(),
        name: plan.name.clone(),
        region: plan.region.to_owned(),
        url: a.tenancy.url(&plan.slug),
        confirm: plan.claim_by.is_some(),
    };
    let target = format!("tenant/{id}");
    if let Actor::Account { user } = actor {
        let owner = known(&a, &call.tx, user).await?;
        let key = tenancy::key(&a.vault, &plan).await?;
        let batch = call.tx.batch::<Control>(target);
        let batch = if owner.is_new { people::enrol(batch, owner.person(user, at), at) } else { batch };
        let batch = tenancy::found(batch, &a.app, &plan, key);
        let newcomer = roster::Newcomer { user, role: 0, email: owner.email, name: owner.name, at };
        let receipt = roster::open(batch, &a.app, id, newcomer).commit().await?;
        return Ok(Done::created(receipt, made(&plan)));
    }
    if a.app.tenant.sign_up != SignUp::Open || !a.keeps_identities() {
        return Err(Failure::SignInNeeded);
    }
    let plan = Plan { claim_by: Some(at.plus(a.app.auth.verify.0)), ..plan };
    let email = input.email.ok_or_else(|| Failure::field("email", "required", "a mail address"))?;
    let name = input.owner.unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
    let asked = Asked::new(&a, &email, &name, input.password.as_ref()).await?;
    let existing = people::by_email(&call.tx, &asked.email).await?;
    let key = tenancy::key(&a.vault, &plan).await?;
    let batch = ask(&a, call.tx, target, &asked, existing, Some(id))?;
    let receipt = tenancy::found(batch, &a.app, &plan, key).commit().await?;
    Ok(Done::created(receipt, made(&plan)))
}

/// The signed-in person, as the new tenant's roster will show them.
struct Known {
    email: Option<String>,
    name: Option<String>,
    is_new: bool,
}

impl Known {
    fn person(&self, user: UserId, at: Time) -> NewPerson {
        NewPerson {
            id: user,
            email: None,
            name: self.name.clone().unwrap_or_default(),
            phc: None,
            verified_at: Some(at),
            external: None,
        }
    }
}

async fn known(a: &Authentication, tx: &Tx<Write>, user: UserId) -> Result<Known, Failure> {
    let bound = matches!(tx.permit().principal().credential(), Credential::User { tenant: Some(_), .. });
    match tx.maybe(&sql::PROFILE, (user,)).await? {
        // A token made for one tenant founds no other.
        _ if bound => Err(Failure::NotFound),
        Some(profile) => Ok(Known { email: profile.email, name: Some(profile.name), is_new: false }),
        None if a.keeps_identities() => Err(Failure::SignInNeeded),
        None => Ok(Known { email: None, name: None, is_new: true }),
    }
}
