//! Settings: the tenant's name, what it is made of, and its end.

use std::sync::Arc;

use kernel::{Failure, Principal, may};
use manifest::App;
use maud::{Markup, html};
use route::{
    Asking, Changing, Done, Html, Mishap, Redraw, Reply, Route, get,
    page::{Ask, Button, Card, Field, Frame, Screen, Tag, confirm, facts, form, see_other, table_region},
    post, with,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::{self, Changed};

const PROTECTS: &[&str] = &[
    "tenant.region_pin",
    "tenant.query_scope",
    "access.module_gate",
    "data.purge",
    "data.export_tenant",
    "vault.field_encryption",
];

pub(crate) fn routes(frame: &Arc<Frame>) -> Vec<Route> {
    let route = |path: &str, action, serve| Route { path: path.to_owned(), action, tier: "api", serve };
    let change = post("tenant.changed", with(frame, change)).redrawn(with(frame, settings_again));
    let delete = post("tenant.deletion_requested", with(frame, delete)).redrawn(with(frame, deletion_again));
    vec![
        route("/console/settings", may("settings", "read"), get(with(frame, settings))),
        route("/console/settings", may("settings", "manage"), change),
        route("/console/settings/deletion", may("deletion", "manage"), delete),
    ]
}

async fn settings(frame: Arc<Frame>, call: Asking<Ask<()>>) -> Result<Html, Failure> {
    Ok(draw(&frame, call.tx.permit().principal(), call.input.said.as_deref(), None))
}

/// The same when the name was not acceptable.
async fn settings_again(frame: Arc<Frame>, again: Redraw<()>) -> Result<Html, Failure> {
    Ok(draw(&frame, again.call.tx.permit().principal(), None, Some(&again.mishap)))
}

/// The same when the deletion was not confirmed. Its permit is to delete; the page needs one to read too.
async fn deletion_again(frame: Arc<Frame>, again: Redraw<()>) -> Result<Html, Failure> {
    let who = again.call.tx.permit().principal();
    frame.weigh(who, may("settings", "read"))?;
    Ok(draw(&frame, who, None, Some(&again.mishap)))
}

fn draw(frame: &Frame, who: &Principal, said: Option<&str>, mishap: Option<&Mishap>) -> Html {
    let (app, home, base) = (frame.app(), who.home(), frame.base(who));
    let region = app.regions.iter().find(|r| r.id == home.region).map_or(home.region.as_str(), |r| r.label.as_str());
    let body = html! {
        section { h2 { "Name" } (name(frame, who, &base, mishap)) }
        section {
            h2 { "About this " (app.tenant.noun) }
            (facts(&[
                ("Address", html! { a href=(home.url) { (home.url) } }),
                ("Short name", html! { code { (home.slug) } }),
                ("Region", html! { (region) }),
                ("Id", html! { code { (home.id) } }),
            ]))
        }
        @if !app.modules.is_empty() { (modules(app, &home.modules)) }
        @if frame.may(who, may("deletion", "manage")) { (end(frame, who, &base, mishap)) }
    };
    let screen =
        Screen::new("Settings", "/console/settings").said(said, &[("saved", "The name is changed.")]).body(body);
    let screen = match mishap {
        Some(mishap) => screen.notice(mishap.notice()),
        None => screen,
    };
    frame.page(who, screen.protects(PROTECTS))
}

fn name(frame: &Frame, who: &Principal, base: &str, mishap: Option<&Mishap>) -> Markup {
    let held = frame.may(who, may("settings", "manage"));
    let kept = mishap.and_then(|m| m.kept.get("name")).unwrap_or(&who.home().name).to_owned();
    let field = Field::text("name", "Name for people").required(true).attr("maxlength", "120").value(kept);
    let field = field.error(mishap.and_then(|m| m.error("name")));
    if !held {
        let why = "Your role sees the settings and does not change them.";
        return html! { (field.disabled_because(why)) };
    }
    form(&format!("{base}/console/settings"), html! { (field) div.actions { (Button::submit("Save")) } })
}

fn modules(app: &App, on: &[String]) -> Markup {
    html! {
        section {
            h2 { "Modules" }
            p { "What is off is refused, whatever a role allows. The team behind " (app.name) " switches modules." }
            (table_region("Modules", html! {
                table.table {
                    thead { tr { th scope="col" { "Module" } th scope="col" { "State" } } }
                    tbody {
                        @for module in &app.modules {
                            tr {
                                th scope="row" { (module.label) }
                                td { @if on.iter().any(|id| id == module.id) { (Tag::good("On")) } @else { (Tag::plain("Off")) } }
                            }
                        }
                    }
                }
            }))
        }
    }
}

/// The form of the end: the short name is typed, so that no slip of the hand ends a tenant.
fn end(frame: &Frame, who: &Principal, base: &str, mishap: Option<&Mishap>) -> Markup {
    let (noun, home) = (&frame.app().tenant.noun, who.home());
    let field =
        Field::text("slug", format!("Type {} to confirm", home.slug)).required(true).attr("spellcheck", "false");
    let field = field.autocomplete("off").error(mishap.and_then(|m| m.error("slug")));
    let words = format!(
        "Nothing of {} answers from that moment on, for anybody. Its content is then destroyed within the promised time.",
        home.name
    );
    html! {
        section {
            h2 { "Delete this " (noun) }
            p { "Take an export first: it cannot be undone." }
            (confirm(format!("Delete this {noun}…"), words, form(&format!("{base}/console/settings/deletion"), html! {
                (field)
                div.actions { (Button::submit("Delete now").danger()) }
            })))
        }
    }
}

async fn change(frame: Arc<Frame>, call: Changing<Changed>) -> Result<Done<Reply>, Failure> {
    let base = frame.base(call.tx.permit().principal());
    Ok(http::change(call).await?.answer(see_other(format!("{base}/console/settings?said=saved"))))
}

/// The confirmation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Typed {
    slug: String,
}

async fn delete(frame: Arc<Frame>, call: Changing<Typed>) -> Result<Done<Reply>, Failure> {
    let home = Arc::clone(call.tx.permit().principal().home());
    if call.input.slug.trim() != home.slug {
        return Err(Failure::field("slug", "confirmation", "this is not the short name"));
    }
    let done = http::request_deletion(Changing { tx: call.tx, input: () }).await?;
    let body = html! { p { (home.name) " is closed on every surface, from now on." } };
    done.told(|()| route::Output::reply(frame.card(&home, Card::new("Deleted", body)), ::http::StatusCode::OK))
}
