//! The first page behind the sign-in: what is here, or where one belongs.

use std::sync::Arc;

use kernel::{Actor, Failure, Principal, Status, TenantId, may};
use manifest::Collection;
use maud::{Markup, Render as _, html};
use route::{
    Asking, Call, Changing, Done, Html, Reply,
    page::{Ask, Button, Empty, Screen, form, plural, see_other},
};
use tenancy::roster;

use crate::{Means, http::members};

const PROTECTS: &[&str] =
    &["access.role_floor", "access.server_side", "access.roster", "tenant.query_scope", "tenant.cross_read"];

pub(crate) async fn overview(desk: Arc<Means>, call: Asking<Ask<()>>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let screen = match who.actor() {
        Actor::Member { role, .. } => member(&desk, who, *role),
        _ if who.tenant() == TenantId::HOUSE => places(&desk, &call).await?,
        _ => stranger(who),
    };
    Ok(desk.authentication.frame().page(who, screen.said(call.input.said.as_deref(), &[("left", "You have left.")])))
}

fn member(desk: &Means, who: &Principal, role: u8) -> Screen {
    let (frame, policy) = (desk.authentication.frame(), desk.access.policy());
    let app = &policy.app;
    let base = frame.base(who);
    let label = app.roles.get(usize::from(role)).map_or("", |r| r.label.as_str());
    let readable = |c: &&Collection| c.part_of.is_none() && verbs(desk, who, c).is_some();
    let collections: Vec<&Collection> = app.collections.iter().filter(readable).collect();
    let body = html! {
        section {
            h2 { "Records" }
            @if collections.is_empty() {
                (Empty::new("Nothing to show for your role", "Your role sees no records here. An owner can give you another one."))
            } @else {
                ul.doors {
                    @for c in &collections {
                        li {
                            a href={ (base) "/console/collections/" (c.id) } {
                                strong { (plural(&c.label)) }
                                span.muted { (verbs(desk, who, c).unwrap_or_default()) }
                            }
                        }
                    }
                }
            }
        }
        section {
            h2 { "Your " (app.tenant.noun) }
            ul.doors { (rooms(desk, who, &base)) }
        }
        section { details.more { summary { "Leave this " (app.tenant.noun) } (leaving(who, &base)) } }
    };
    let lead =
        html! { "You are " strong { (label) } " here. " a href={ (base) "/console/roles" } { "What that allows" } };
    Screen::new(who.home().name.clone(), "/console").lead(lead).body(body).protects(PROTECTS)
}

/// What the person may do with a collection, in words; none: not even see it.
fn verbs(desk: &Means, who: &Principal, collection: &Collection) -> Option<String> {
    let held = |verb| desk.access.weigh(who, may(collection.id, verb)).is_ok();
    if !held("read") && !held("read_draft") {
        return None;
    }
    let known = [("read", "see"), ("create", "add"), ("write", "change"), ("delete", "delete")];
    let words: Vec<&str> = known.iter().filter(|(verb, _)| held(verb)).map(|(_, word)| *word).collect();
    let acts = collection.actions.iter().filter(|action| held(action.id)).count();
    let acts = match acts {
        0 => String::new(),
        1 => " · 1 action".to_owned(),
        n => format!(" · {n} actions"),
    };
    let whole = words.len() == known.len();
    Some(format!("{}{acts}", if whole { "everything".to_owned() } else { words.join(", ") }))
}

fn rooms(desk: &Means, who: &Principal, base: &str) -> Markup {
    let reads = |resource| desk.access.weigh(who, may(resource, "read")).is_ok();
    let rooms = [
        ("members", "People", "/console/people", "who belongs here, and invitations"),
        ("audit", "History", "/console/history", "what was done, by whom, linked so that nothing can be taken out"),
        ("settings", "Settings", "/console/settings", "name, region, modules"),
    ];
    html! {
        @for (_, label, path, words) in rooms.into_iter().filter(|room| reads(room.0)) {
            li { a href={ (base) (path) } { strong { (label) } span.muted { (words) } } }
        }
        li { a href={ (base) "/console/roles" } { strong { "Roles" } span.muted { "what each role may do" } } }
        li { a href={ (base) "/console/account" } { strong { "Your account" } span.muted { "password and sessions" } } }
    }
}

fn leaving(who: &Principal, base: &str) -> Markup {
    let words = format!("You lose access to {} at once. Somebody must invite you to come back.", who.home().name);
    html! {
        p.small.muted { (words) }
        div.after {
            (form(&format!("{base}/console/leave"), html! { div.actions { (Button::submit("Leave now").danger()) } }))
        }
    }
}

/// Signed in, and no member here.
fn stranger(who: &Principal) -> Screen {
    let body = html! {
        (Empty::new("You are not a member here", "You are signed in, but this place does not know you. Ask its owner for an invitation, or sign in as somebody else.")
            .action(Button::link("Sign in as somebody else", "/sign-in").render()))
    };
    Screen::new(who.home().name.clone(), "/console").body(body).protects(PROTECTS)
}

/// At the house: where the person belongs.
async fn places(desk: &Means, call: &Asking<Ask<()>>) -> Result<Screen, Failure> {
    let who = call.tx.permit().principal();
    let policy = desk.access.policy();
    let app = &policy.app;
    let user = who.user().ok_or(Failure::SignInNeeded)?;
    let mut lines = Vec::new();
    for (tenant, standing) in roster::memberships(&call.tx, app, user).await? {
        let home = desk.tenancy.home(tenant).await?.filter(|home| home.status != Status::Deleted);
        let Some(home) = home else { continue };
        let role = app.roles.get(usize::from(standing.role)).map_or("", |r| r.label.as_str());
        let region = app.regions.iter().find(|r| r.id == home.region).map_or("", |r| r.label.as_str()).to_owned();
        let closed = standing.suspended || home.status == Status::Suspended;
        lines.push((home, role, region, closed));
    }
    let twice = |slug: &str| lines.iter().filter(|(home, ..)| home.slug == slug).count() > 1;
    let href = |home: &kernel::Home| match app.tenant.membership_slug {
        // Two of one's own with one short name: only the id tells them apart.
        true if twice(&home.slug) => format!("/w/{}/console", home.id),
        _ => format!("{}/console", home.url),
    };
    let plural = &app.tenant.plural;
    let body = html! {
        @if lines.is_empty() {
            (Empty::new(format!("No {} yet", app.tenant.noun), format!("When somebody invites you, or you open one, your {plural} stand here.")))
        } @else {
            ul.doors {
                @for (home, role, region, closed) in &lines {
                    li {
                        a href=(href(home)) {
                            strong { (home.name) }
                            span.muted { (role) " · " (region) @if *closed { " · suspended" } }
                        }
                    }
                }
            }
        }
    };
    let open = app.tenant.sign_up == manifest::SignUp::Open && who.home().url.ends_with(&app.domain);
    let lead = html! { "Choose where to go." };
    let screen = Screen::new(format!("Your {plural}"), "/console").lead(lead).body(body);
    let screen = if open {
        screen
            .actions(Button::link(format!("Open {}", route::page::with_article(&app.tenant.noun)), "/sign-up").render())
    } else {
        screen
    };
    Ok(screen.protects(&["tenant.slug_membership", "tenant.resolve", "tenant.query_scope", "access.roster"]))
}

/// Leaving by oneself.
pub(crate) async fn leave(desk: Arc<Means>, call: Changing<()>) -> Result<Done<Reply>, Failure> {
    let base = desk.authentication.frame().base(call.tx.permit().principal());
    let Call { tx, input } = call;
    let done = members::leave(desk, Call { tx, input }).await?;
    // The door of a shared host's workspace is shut from now on.
    let to = if base.is_empty() { "/console?said=left" } else { "/console" };
    Ok(done.answer(see_other(to)))
}
