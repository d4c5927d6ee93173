//! "That list is written by the running program from its own settings": stores, places, fields and their purposes, and who
//! else is involved.

use manifest::{App, Kind};
use serde::Serialize;

/// Where things are kept, from the settings in force. Words, no addresses or secrets.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stores {
    /// Engine of the records: "embedded SQLite, a file per workspace" or "PostgreSQL".
    pub records: String,
    /// Files.
    pub files: String,
    /// Counters and short-lived state.
    pub cache: String,
    /// How mail leaves.
    pub mail: String,
    /// Where the log goes.
    pub log: String,
    /// Encryption at rest in force.
    pub at_rest: String,
    /// The host that takes our mail, as the list of sub-processors names it.
    #[serde(skip)]
    pub mail_host: Option<String>,
    /// Outside services that this deployment's own settings bring in.
    #[serde(skip)]
    pub services: Vec<Subprocessor>,
}

/// Everything the program keeps, and for whom.
#[derive(Clone, Debug, Serialize)]
pub struct Inventory {
    /// Stores.
    pub stores: Stores,
    /// Regions: id, label, country.
    pub regions: Vec<Place>,
    /// Collections with their fields.
    pub collections: Vec<Kept>,
    /// What is kept of people who sign in.
    pub people: Vec<&'static str>,
    /// Outside services that the configuration enables.
    pub subprocessors: Vec<Subprocessor>,
}

/// A region.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// Id.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// ISO 3166, where said.
    pub country: Option<String>,
}

/// A collection.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// Its id.
    pub collection: &'static str,
    /// Its fields.
    pub fields: Vec<Declared>,
}

/// A field: only declared ones are stored.
#[derive(Clone, Debug, Serialize)]
pub struct Declared {
    /// Its id.
    pub field: &'static str,
    /// For people.
    pub label: String,
    /// Personal data.
    pub personal: bool,
    /// Sealed with the tenant's key.
    pub sealed: bool,
    /// A file.
    pub file: bool,
}

/// An outside service, and which setting brings it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subprocessor {
    /// Its name or domain.
    pub name: String,
    /// What for.
    pub purpose: String,
    /// The setting that enables it.
    pub setting: String,
}

fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or(rest).to_owned()
}

/// Everyone that the enabled connectors reach.
fn subprocessors(app: &App, stores: &Stores) -> Vec<Subprocessor> {
    let mut all = stores.services.clone();
    let mut add = |name: String, purpose: &str, setting: String| {
        all.push(Subprocessor { name, purpose: purpose.to_owned(), setting });
    };
    if let Some(issuer) = &app.auth.issuer {
        add(host(&issuer.url), "signs people in", "auth.issuer".to_owned());
    }
    if let Some(payments) = &app.payments {
        add(payments.processor.clone(), "takes payments; card data goes to it alone", "payments".to_owned());
    }
    for connector in &app.connectors {
        let name = if connector.domains.is_empty() { connector.id.to_owned() } else { connector.domains.join(", ") };
        add(name, "connected by a customer, for that customer alone", format!("connectors.{}", connector.id));
    }
    for hook in &app.webhooks_in {
        add(hook.scheme.clone(), "tells us of events", format!("webhooks.in.{}", hook.id));
    }
    let region = app.mail.region.as_ref().map(|r| format!(" in {r}")).unwrap_or_default();
    let server = stores.mail_host.as_deref().unwrap_or("no mail server: mails stay on this machine");
    if !kernel::sabotage::off("gov.subprocessors") {
        add(format!("{server}{region}"), "delivers our mail", "mail".to_owned());
    }
    if app.observability.sentry.is_some() {
        add(
            "the Sentry-protocol service".to_owned(),
            "error reports without personal data",
            "observability.sentry".into(),
        );
    }
    if app.observability.otlp.is_some() {
        add("the telemetry service".to_owned(), "measurements", "observability.otlp".to_owned());
    }
    all
}

pub(super) fn inventory(app: &App, stores: &Stores) -> Inventory {
    let collections = app.collections.iter().map(|c| Kept {
        collection: c.id,
        fields: c
            .fields
            .iter()
            .skip(usize::from(kernel::sabotage::off("data.inventory")))
            .map(|f| Declared {
                field: f.id,
                label: f.label.clone(),
                personal: f.personal,
                sealed: f.encrypted,
                file: matches!(f.kind, Kind::File { .. }),
            })
            .collect(),
    });
    let people: &[&str] = if app.auth.issuer.is_some() {
        &["the issuer's id for the person", "mail address, where the issuer tells it", "role"]
    } else {
        &["mail address", "name", "role", "password hash, where there is a password", "sessions: when and from where"]
    };
    Inventory {
        stores: stores.clone(),
        regions: app
            .regions
            .iter()
            .map(|r| Place { id: r.id, label: r.label.clone(), country: r.country.clone() })
            .collect(),
        collections: collections.collect(),
        people: people.to_vec(),
        subprocessors: subprocessors(app, stores),
    }
}

impl crate::Disclosure {
    /// Everything this server keeps.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let stores = self.desk.get().map(|d| d.stores.clone()).unwrap_or_default();
        inventory(self.app(), &stores)
    }
}
