//! What each role may do here: the matrix itself, in words. Nothing can be changed on these pages.

use std::sync::Arc;

use kernel::{Actor, Failure, FieldSet, Principal, may};
use manifest::{App, Collection};
use maud::{Markup, html};
use route::{
    Asking, Html,
    page::{Notice, Screen, Tag, plural, table_region, tabs},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tenancy::roster;

use crate::{
    Means, compile,
    gate::Policy,
    matrix::{Column, Denied, TENANT},
    table,
};

const PROTECTS: &[&str] =
    &["access.role_floor", "access.server_side", "access.row_visibility", "access.field_grants", "access.module_gate"];

/// Every role in one table: what it reaches.
pub(crate) async fn roles(desk: Arc<Means>, call: Asking<()>) -> Result<Html, Failure> {
    let who = member(call.tx.permit().principal())?;
    let frame = desk.authentication.frame();
    let (base, policy) = (frame.base(who), desk.access.policy());
    let app = &policy.app;
    let own = own(app, who);
    let collections = app.collections.iter().filter(|c| c.part_of.is_none());
    let body = table_region(
        "Roles",
        html! {
            table.table {
                thead {
                    tr {
                        th scope="col" { "Records" }
                        @for role in &app.roles {
                            th scope="col" { a href={ (base) "/console/roles/" (role.id) } { (role.label) } @if own == Some(role.id) { " " (Tag::accent("You")) } }
                        }
                    }
                }
                tbody {
                    @for collection in collections {
                        tr {
                            th scope="row" { (plural(&collection.label)) }
                            @for at in columns(app) { td { (level(&policy, who, collection, at)) } }
                        }
                    }
                    @for resource in TENANT {
                        tr {
                            th scope="row" { (word(resource)) }
                            @for at in columns(app) { td { (tenant_level(&policy, who, resource, at)) } }
                        }
                    }
                }
            }
        },
    );
    let lead = html! { "What each role may do here, read from the rules that decide every request. Choose a role to see exactly what it sees." };
    Ok(frame.page(who, Screen::new("Roles", "/console/roles").wide().lead(lead).body(body).protects(PROTECTS)))
}

/// Which role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    role: String,
}

/// "See as": what one role reaches, verb by verb and field by field.
pub(crate) async fn role(desk: Arc<Means>, call: Asking<Named>) -> Result<Html, Failure> {
    let who = member(call.tx.permit().principal())?;
    let frame = desk.authentication.frame();
    let (base, policy) = (frame.base(who), desk.access.policy());
    let app = &policy.app;
    let at = roster::role(app, &call.input.role).ok_or(Failure::NotFound)?;
    let shown = app.roles.get(usize::from(at)).ok_or(Failure::NotFound)?;
    let views: Vec<(&str, String, bool)> = app
        .roles
        .iter()
        .map(|r| (r.label.as_str(), format!("{base}/console/roles/{}", r.id), r.id == shown.id))
        .collect();
    let (seen, unseen): (Vec<&Collection>, Vec<&Collection>) = app.collections.iter().partition(|c| {
        decide(&policy, who, at, c.id, "read").is_ok() || decide(&policy, who, at, c.id, "create").is_ok()
    });
    let body = html! {
        (tabs("Roles", &views))
        @for collection in seen { (reach(&policy, who, at, collection)) }
        section {
            h2 { "The " (app.tenant.noun) " itself" }
            (table_region("Tenant", html! {
                table.table {
                    thead { tr { th scope="col" { "Part" } th scope="col" { "May" } } }
                    tbody { @for resource in TENANT { tr { th scope="row" { (word(resource)) } td { (tenant_level(&policy, who, resource, at)) } } } }
                }
            }))
        }
        @if !unseen.is_empty() {
            section { h2 { "Not seen at all" } p { (unseen.iter().map(|c| plural(&c.label)).collect::<Vec<_>>().join(", ")) } }
        }
    };
    let own = own(app, who) == Some(shown.id);
    let screen = Screen::new(format!("See as {}", shown.label), format!("/console/roles/{}", shown.id))
        .crumb("Roles", "/console/roles")
        .lead(html! { "Read only: a preview computed from the same rules that decide each request." })
        .body(body)
        .protects(PROTECTS);
    Ok(frame.page(who, if own { screen.notice(Notice::info("This is your own role.")) } else { screen }))
}

/// Whoever is no member learns nothing of the place.
fn member(who: &Principal) -> Result<&Principal, Failure> {
    if matches!(who.actor(), Actor::Member { .. }) { Ok(who) } else { Err(Failure::NotFound) }
}

fn own(app: &App, who: &Principal) -> Option<&'static str> {
    match who.actor() {
        Actor::Member { role, .. } => app.roles.get(usize::from(*role)).map(|r| r.id),
        _ => None,
    }
}

fn columns(app: &App) -> impl Iterator<Item = u8> + use<> {
    0..u8::try_from(app.roles.len()).unwrap_or(u8::MAX)
}

fn decide<'p>(
    policy: &'p Policy,
    who: &Principal,
    role: u8,
    resource: &'static str,
    verb: &'static str,
) -> Result<&'p kernel::Grant, Denied> {
    policy.matrix.decide(Column::Role(role), may(resource, verb), who.home())
}

/// A collection in a word: how far a role's reach goes.
fn level(policy: &Policy, who: &Principal, collection: &Collection, role: u8) -> Markup {
    let held = |verb| decide(policy, who, role, collection.id, verb).ok();
    let changes = ["create", "write", "delete"].into_iter().filter(|verb| held(verb).is_some()).count();
    let acts = collection.actions.iter().filter(|a| held(a.id).is_some()).count();
    let all = if collection.append_only { 1 } else { 3 };
    match held("read").or_else(|| held("read_draft")) {
        None if changes > 0 => html! { "Adds only" },
        None => html! { span.muted { "—" span.visually-hidden { "nothing" } } },
        Some(grant) => {
            let rows = rows(&policy.app, collection, grant);
            html! {
                @if changes == all { "Everything" } @else if changes > 0 { "Changes" } @else { "Sees" }
                @if rows != "all" { ": " (rows) }
                @if acts > 0 { " " span.muted { "+ " (acts) @if acts == 1 { " action" } @else { " actions" } } }
            }
        }
    }
}

fn tenant_level(policy: &Policy, who: &Principal, resource: &'static str, role: u8) -> Markup {
    match (decide(policy, who, role, resource, "manage"), decide(policy, who, role, resource, "read")) {
        (Ok(_), _) => html! { "Manages" },
        (_, Ok(_)) => html! { "Sees" },
        (_, Err(Denied::ModuleOff(module))) => html! { span.muted { "Module " (module) " is off" } },
        _ => html! { span.muted { "—" span.visually-hidden { "nothing" } } },
    }
}

/// One collection verb by verb, and the fields behind them.
fn reach(policy: &Policy, who: &Principal, role: u8, collection: &Collection) -> Markup {
    let app = &policy.app;
    let read = decide(policy, who, role, collection.id, "read").map_or(FieldSet::NONE, |grant| grant.read);
    let write = decide(policy, who, role, collection.id, "write").map_or(FieldSet::NONE, |grant| grant.write);
    let names = |set: FieldSet| {
        let all = collection.fields.len();
        let held: Vec<&str> = collection
            .fields
            .iter()
            .enumerate()
            .filter(|(at, _)| set.has(*at))
            .map(|(_, f)| f.label.as_str())
            .collect();
        if held.len() == all { "every field".to_owned() } else { held.join(", ") }
    };
    let (mut held, mut refused) = (Vec::new(), Vec::new());
    for verb in compile::verbs(app, collection) {
        match decide(policy, who, role, collection.id, verb) {
            Ok(grant) => held.push((verb, grant)),
            Err(Denied::ModuleOff(module)) => {
                refused.push(format!("{} (module {module} is off)", spoken(collection, verb).to_lowercase()));
            }
            Err(Denied::Reason(_)) => refused.push(spoken(collection, verb).to_lowercase()),
        }
    }
    html! {
        section {
            h2 { (plural(&collection.label)) }
            (table_region(&collection.label, html! {
                table.table {
                    thead { tr { th scope="col" { "May" } th scope="col" { "Which records" } th scope="col" { "Which fields" } } }
                    tbody {
                        @for (verb, grant) in &held {
                            tr {
                                th scope="row" { (spoken(collection, verb)) }
                                td { (rows(app, collection, grant)) }
                                td {
                                    @match *verb {
                                        "read" => (names(read)),
                                        "create" => (names(grant.write)),
                                        "write" => (names(write)),
                                        _ => "",
                                    }
                                }
                            }
                        }
                    }
                }
            }))
            @if !refused.is_empty() { p.after.small.muted { "Not: " (refused.join(", ")) "." } }
        }
    }
}

/// The records a grant reaches, by the names the manifest gives them; rules without a name are not spelt out.
fn rows(app: &App, collection: &Collection, grant: &kernel::Grant) -> String {
    let reach = table::reach(app, Some(collection), grant);
    if reach.contains('=') {
        return "some".to_owned();
    }
    reach.split('|').map(|name| name.replace('_', " ").replace(['&', '.'], " and ")).collect::<Vec<_>>().join(" or ")
}

fn spoken(collection: &Collection, verb: &str) -> String {
    let known = match verb {
        "read" => "See",
        "read_draft" => "See drafts",
        "create" => "Add",
        "write" => "Change",
        "delete" => "Delete",
        "submit" => "Send by the public form",
        _ => "",
    };
    match collection.actions.iter().find(|a| a.id == verb) {
        _ if !known.is_empty() => known.to_owned(),
        Some(action) => action.label.clone(),
        None => word(verb),
    }
}

fn word(id: &str) -> String {
    let spaced = id.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
