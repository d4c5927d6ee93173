//! What anyone may ask of the desk, and, in their rooms, what the team may.

mod leaving;
pub(super) mod operator;
mod runs;

use std::sync::Arc;

use encryption::hash;
use http::{StatusCode, header};
use kernel::Failure;
use route::{Asking, Body, Changing, Done, Input, Intake, Raw, Reply, Route, get, may, page, post, with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Control;

use crate::{
    Disclosure,
    desk::{
        channel, pages,
        report::{Content, clocks},
        sql,
    },
};

pub(crate) fn routes(d: &Arc<Disclosure>) -> Vec<Route> {
    let public = |path: &str, serve| Route { path: path.to_owned(), action: may("public", "read"), tier: "api", serve };
    let mut routes = vec![
        public("/.well-known/security.txt", get(with(d, security_txt))),
        public("/trust/security-key.asc", get(with(d, security_key))),
        public("/trust/report", get(with(d, pages::report))),
        public("/trust/report/{receipt}", get(with(d, pages::receipt))),
        public("/trust/thanks", get(with(d, pages::thanks))),
        public("/trust/incidents", get(with(d, pages::incidents))),
        public("/trust/matrix", get(with(d, pages::matrix))),
        public("/trust/inventory", get(with(d, pages::inventory))),
        public("/trust/inventory.json", get(with(d, inventory))),
        public("/trust/sbom.json", get(with(d, sbom))),
        public("/trust/advisories.json", get(with(d, advisories))),
        public("/trust/secrets.json", get(with(d, leaving::declared))),
        public("/trust/tests", get(with(d, pages::runs::page))),
        public("/trust/tests.json", get(with(d, runs::signed))),
        public("/legal/{name}", get(with(d, pages::policy))),
        Route {
            path: "/trust/report".to_owned(),
            action: may("public", "write"),
            tier: "public_forms",
            serve: post("report.received", with(d, receive)).redrawn(with(d, pages::report_again)),
        },
    ];
    routes.extend(operator::routes(d));
    routes.extend(pages::room::routes(d));
    routes
}

fn text(body: String, kind: &str) -> Reply {
    Reply::new(StatusCode::OK, Body::Bytes(body.into()))
        .with(header::CONTENT_TYPE, kind)
        .with(header::CACHE_CONTROL, "public, max-age=3600")
}

/// Scheme and host, without the path of a tenant on a shared host.
pub(super) fn origin(url: &str) -> &str {
    url.split_once("/w/").map_or(url, |(origin, _)| origin)
}

async fn security_txt(d: Arc<Disclosure>, call: Asking<()>) -> Result<Reply, Failure> {
    let who = call.tx.permit().principal();
    Ok(text(channel::security_txt(&d, origin(&who.home().url), who.at())?, "text/plain; charset=utf-8"))
}

async fn security_key(d: Arc<Disclosure>, _: Asking<()>) -> Result<Reply, Failure> {
    Ok(text(d.text_key()?.public(), "application/pgp-keys"))
}

/// A report as a form or as JSON.
pub(super) struct Sent {
    /// A browser's form.
    form: bool,
    content: Content,
    /// The name to thank, if wanted.
    credit: Option<String>,
}

/// As JSON.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// One line.
    summary: String,
    /// What the page asks for: question and answer.
    #[serde(default)]
    answers: std::collections::BTreeMap<String, String>,
    /// Where to reach you.
    #[serde(default)]
    contact: String,
    /// The name to thank, if you want to be.
    credit: Option<String>,
}

impl Input for Sent {
    const INTAKE: Intake = Intake::Whole(128 * 1024);

    fn read(raw: Raw) -> Result<Self, Failure> {
        if raw.media_type().as_deref() != Some("application/x-www-form-urlencoded") {
            let Written { summary, answers, contact, credit } = Written::read(raw)?;
            let content = Content { summary, answers: answers.into_iter().collect(), contact }.checked()?;
            return Ok(Self { form: false, content, credit: named(credit)? });
        }
        let mut content = Content { summary: String::new(), answers: Vec::new(), contact: String::new() };
        let mut credit = None;
        for (name, value) in route::form(&raw.body)? {
            match name.as_str() {
                "summary" => content.summary = value,
                "contact" => content.contact = value,
                "credit" => credit = Some(value),
                other => match other.strip_prefix("ask-") {
                    Some(ask) if content.answers.len() < 12 => content.answers.push((ask.to_owned(), value)),
                    _ => return Err(Failure::bad("a form field is not one of this form's")),
                },
            }
        }
        Ok(Self { form: true, content: content.checked()?, credit: named(credit)? })
    }
    fn schema() -> Value {
        schemars::schema_for!(Written).to_value()
    }
}

fn named(credit: Option<String>) -> Result<Option<String>, Failure> {
    let credit = credit.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    match &credit {
        Some(name) if name.chars().count() > 100 || name.chars().any(char::is_control) => {
            Err(Failure::field("credit", "invalid", "one line of at most 100 characters"))
        }
        _ => Ok(credit),
    }
}

/// What the reporter gets.
#[derive(Serialize, JsonSchema)]
struct Receipt {
    /// Where its state can be read; whoever has the address can.
    url: String,
    /// A person confirms it by then.
    acknowledge_by: String,
    /// From then on it may be published, where there is such a clock.
    disclose_on: Option<String>,
}

async fn receive(d: Arc<Disclosure>, call: Changing<Sent>) -> Result<Done<Reply>, Failure> {
    let Sent { form, content, credit } = call.input;
    let who = call.tx.permit().principal();
    let (now, origin) = (who.at(), origin(&who.home().url).to_owned());
    let clocks = clocks(d.app(), now)?;
    let id = d.rng().id(now);
    let receipt = hash::token32(d.rng());
    let url = format!("{origin}/trust/report/{receipt}");
    let by = channel::stamp(clocks.acknowledge_by);
    let mail = json!({
        "to": d.app().disclosure.contact, "subject": format!("{}: a weakness was reported", d.app().name),
        "text": content.notice(&url, &by),
    });
    let plain = serde_json::to_vec(&content).map_err(|_| Failure::internal("disclosure: a report is JSON"))?;
    let sealed = d.vault().seal_house("report", &plain)?;
    let batch = call.tx.batch::<Control>(format!("report/{id}")).expect(
        1,
        &sql::RECEIVE,
        (id, hash::sha256(receipt.as_bytes()), sealed, now, clocks.acknowledge_by, clocks.disclose_on, credit),
        Failure::Unknown,
    );
    let batch = batch.emit("mail", d.vault().seal_house("mail", mail.to_string().as_bytes())?);
    let done = batch.commit().await?;
    if form {
        return Ok(Done::ok(done, page::see_other(format!("/trust/report/{receipt}?said=received"))));
    }
    let answer = Receipt { url, acknowledge_by: by, disclose_on: clocks.disclose_on.map(channel::stamp) };
    let answer = serde_json::to_vec(&answer).map_err(|_| Failure::internal("disclosure: a receipt is JSON"))?;
    Ok(Done::created(done, Reply::json(StatusCode::CREATED, answer)))
}

async fn inventory(d: Arc<Disclosure>, _: Asking<()>) -> Result<Reply, Failure> {
    let text = serde_json::to_vec(&d.inventory()).map_err(|_| Failure::internal("disclosure: inventory"))?;
    Ok(Reply::json(StatusCode::OK, text))
}

async fn sbom(d: Arc<Disclosure>, _: Asking<()>) -> Result<Reply, Failure> {
    Ok(Reply::json(StatusCode::OK, crate::desk::supply::sbom(d.build()).to_string()))
}

/// `null`: no list is configured.
async fn advisories(d: Arc<Disclosure>, call: Asking<()>) -> Result<Reply, Failure> {
    let now = call.tx.permit().principal().at();
    let told = d.advisories().map_or(Value::Null, |found| found.json(now));
    Ok(Reply::json(StatusCode::OK, json!({"build": d.build(), "audit": told}).to_string()))
}
