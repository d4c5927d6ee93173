//! Demo tenants of a development server: people who can sign in and records to look at.

use std::{collections::HashMap, fs, path::Path};

use kernel::{Action, Failure, Rng, Secret, TenantId, UserId, Write, may};
use manifest::{App, Target};
use serde::Deserialize;
use serde_json::{Map, Value};
use store::Tx;

use crate::{
    Member, ReadyTenant, Server,
    people::{self, Person, Wish},
    settings::Kept,
};

/// Who acts, in audit logs.
const SEEDER: &str = "demo";
/// The one thing that it may do in a tenant.
pub(crate) const DUTY: (&str, Action) = (SEEDER, may("house", "seed"));

impl Server {
    async fn seeder(&self, tenant: TenantId) -> Result<Tx<Write>, Failure> {
        let caller = self.authentication.job(self.inside(self.clock.now()), SEEDER);
        let who = self.authentication.principal(self.tenancy.enter(caller, tenant).await?).await?;
        let permit = self.access.permit(who, DUTY.1, "record.created", true).await?;
        Ok(Tx::open(&self.store, permit))
    }
}

/// What is to be there.
pub(crate) struct Plan {
    pub(crate) password: Secret,
    tenants: Vec<Tenant>,
}

struct Tenant {
    slug: String,
    name: String,
    region: &'static str,
    /// What tells a repeated slug apart: `north-2`.
    key: String,
    people: Vec<Person>,
}

/// One line of a demo file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    collection: String,
    #[serde(rename = "as")]
    name: Option<String>,
    fields: Map<String, Value>,
    #[serde(default)]
    publish: bool,
}

const WORDS: [&str; 32] = [
    "amber", "badger", "birch", "cedar", "comet", "copper", "delta", "ember", "fjord", "gannet", "harbour", "heron",
    "island", "juniper", "kettle", "lantern", "maple", "meadow", "nettle", "otter", "pebble", "quartz", "raven",
    "river", "saffron", "spruce", "tidal", "timber", "velvet", "walnut", "willow", "zephyr",
];

/// Easy to type, 40 bits: it opens nothing but a loopback server's demo data.
fn password(rng: &dyn Rng) -> String {
    let [a, b, c, d, e, f, g, h] = rng.array::<8>();
    let word = |n: u8| WORDS.get(usize::from(n % 32)).copied().unwrap_or("otter");
    let number = u32::from_be_bytes([e, f, g, h]) % 100_000;
    format!("{}-{}-{}-{}-{number:05}", word(a), word(b), word(c), word(d))
}

impl Plan {
    pub(crate) fn new(app: &App, kept: &mut Kept, rng: &dyn Rng) -> Result<Self, String> {
        let word = kept.value("demo_password", || password(rng))?;
        let tenants = app.demo.iter().map(|demo| {
            let person = |role: &manifest::Role| Person {
                email: format!("{}@{}", role.id, demo.people),
                name: format!("{} of {}", role.label, demo.name),
                role: Some(role.id.to_owned()),
                password: Some(word.clone()).filter(|_| app.auth.issuer.is_none()),
                subject: None,
            };
            Tenant {
                slug: demo.slug.clone(),
                name: demo.name.clone(),
                region: demo.region,
                key: demo.people.split('.').next().unwrap_or(&demo.slug).to_owned(),
                people: app.roles.iter().map(person).collect(),
            }
        });
        Ok(Self { tenants: tenants.collect(), password: Secret::new(word.into_bytes()) })
    }

    /// Address and tenant of everyone who may sign in with the demo password.
    pub(crate) fn sign_ins(&self) -> Vec<(String, String)> {
        let of = |t: &Tenant| t.people.iter().map(|p| (p.email.clone(), t.slug.clone())).collect::<Vec<_>>();
        self.tenants.iter().flat_map(of).collect()
    }
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::Internal(detail) => detail.into_owned(),
        other => {
            let problem = route::problem(other);
            let details =
                problem.errors.iter().map(|e| format!("{}: {} ({})", e.field, e.detail, e.code)).chain(problem.detail);
            std::iter::once(problem.title.to_owned()).chain(details).collect::<Vec<_>>().join("; ")
        }
    }
}

/// Makes what is missing and tells what is there.
pub(crate) async fn seed(
    server: &Server,
    plan: &Plan,
    kept: &mut Kept,
    folder: &Path,
) -> Result<Vec<ReadyTenant>, String> {
    let mut ready = Vec::new();
    for tenant in &plan.tenants {
        let mark = format!("demo {}", tenant.key);
        let id = match kept.get(&mark) {
            Some(id) => id.parse().map_err(|()| format!("secrets.json: {mark} is not an id"))?,
            None => {
                let id = made(server, tenant, folder).await.map_err(|e| format!("demo tenant {}: {e}", tenant.key))?;
                kept.value(&mark, || id.to_string())?;
                id
            }
        };
        if let Some(home) = server.tenancy.home(id).await.map_err(words)? {
            ready.push(told(server, plan, tenant, &home));
        }
    }
    Ok(ready)
}

fn told(server: &Server, plan: &Plan, tenant: &Tenant, home: &kernel::Home) -> ReadyTenant {
    let app = &server.app;
    let password = plan.password.expose_str().unwrap_or_default();
    let origin = server.origin_of(home);
    let sign_in_url = if app.auth.issuer.is_some() {
        format!("{origin}/dev/issuer/sign-in")
    } else if app.auth.methods.contains(&manifest::Method::Password) {
        format!("{origin}/api/v1/auth/sign-in")
    } else {
        format!("{origin}/dev/sign-in")
    };
    // On a shared host an equal slug of another customer never opens; two equal ones of one's own are told apart by id.
    ReadyTenant {
        id: home.id.to_string(),
        slug: home.slug.clone(),
        name: home.name.clone(),
        url: home.url.clone(),
        sign_in_url,
        members: tenant
            .people
            .iter()
            .map(|p| Member {
                email: p.email.clone(),
                password: password.to_owned(),
                role: p.role.clone().unwrap_or_default(),
            })
            .collect(),
    }
}

async fn made(server: &Server, tenant: &Tenant, folder: &Path) -> Result<TenantId, String> {
    let found =
        if server.app.tenant.slug_unique { server.tenancy.named(&tenant.slug).await.map_err(words)? } else { None };
    if let Some(home) = found {
        return Ok(home.id);
    }
    let wish = Wish {
        slug: &tenant.slug,
        name: &tenant.name,
        region: Some(tenant.region),
        canary: false,
        people: &tenant.people,
    };
    let made = people::found(server, SEEDER, &wish).await.map_err(words)?;
    let own = folder.join("demo").join(format!("{}.json", tenant.key));
    let file = if own.exists() { own } else { folder.join("demo/all.json") };
    if let Ok(text) = fs::read_to_string(&file) {
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let entries: Vec<Entry> = serde_json::from_str(&text).map_err(|e| format!("{name}: {e}"))?;
        let roles = made.people.iter().map(|p| (p.role.clone(), p.user)).collect();
        records(server, made.id, entries, &roles).await.map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(made.id)
}

/// Puts the entries in, in order; `@name` stands for an earlier entry's id, `@role:owner` for a person.
async fn records(
    server: &Server,
    tenant: TenantId,
    entries: Vec<Entry>,
    roles: &HashMap<String, UserId>,
) -> Result<(), String> {
    let mut known: HashMap<String, String> = HashMap::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let wrong = |e: String| format!("entry {} ({}): {e}", at + 1, entry.collection);
        let collection = server.app.collections.iter().position(|c| c.id == entry.collection);
        let collection = collection.ok_or_else(|| wrong("no such collection".to_owned()))?;
        let mut fields = entry.fields;
        if let Some(declared) = server.app.collections.get(collection) {
            for field in &declared.fields {
                if let (manifest::Kind::Reference { to, .. }, Some(value)) = (&field.kind, fields.get_mut(field.id)) {
                    name(value, *to, &known, roles).map_err(wrong)?;
                }
            }
        }
        let tx = server.seeder(tenant).await.map_err(|f| wrong(words(f)))?;
        let seed = records::Seed { collection, fields, publish: entry.publish };
        let id = server.records.seed(tx, seed).await.map_err(|f| wrong(words(f)))?;
        if let Some(name) = entry.name {
            known.insert(name, id.to_string());
        }
    }
    Ok(())
}

fn name(
    value: &mut Value,
    to: Target,
    known: &HashMap<String, String>,
    roles: &HashMap<String, UserId>,
) -> Result<(), String> {
    match value {
        Value::Array(values) => values.iter_mut().try_for_each(|v| name(v, to, known, roles)),
        Value::String(text) if text.starts_with('@') => {
            let found = match (to, text.strip_prefix("@role:")) {
                (Target::Members, Some(role)) => roles.get(role).map(ToString::to_string),
                _ => text.strip_prefix('@').and_then(|n| known.get(n)).cloned(),
            };
            *text = found.ok_or_else(|| format!("{text} names nothing"))?;
            Ok(())
        }
        _ => Ok(()),
    }
}
