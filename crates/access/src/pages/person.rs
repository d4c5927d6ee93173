//! One member: role, suspension, removal.

use std::sync::Arc;

use kernel::{Failure, Principal, may};
use maud::{Markup, html};
use route::{
    Asking, Call, Changing, Done, Html, Mishap, Redraw, Reply,
    page::{Ask, Button, Field, Screen, Stamp, Tag, confirm, facts, form, see_other},
};
use store::Tx;
use tenancy::roster::{self, Member};

use super::people::{PROTECTS, choices, label, named};
use crate::{
    Means, confer,
    gate::Policy,
    http::{
        id,
        members::{self, Assigned, Named},
    },
};

const SAID: &[(&str, &str)] = &[
    ("role", "The role is changed. It holds from their next request."),
    ("suspended", "They are suspended: their next request is refused."),
    ("resumed", "They are let in again."),
];

pub(crate) async fn person(desk: Arc<Means>, call: Asking<Ask<Named>>) -> Result<Html, Failure> {
    draw(&desk, &call.tx, &call.input.input.user, call.input.said.as_deref(), None).await
}

/// The same when a change was refused.
pub(crate) async fn person_again(desk: Arc<Means>, again: Redraw<Named>) -> Result<Html, Failure> {
    draw(&desk, &again.call.tx, &again.call.input.user, None, Some(&again.mishap)).await
}

async fn draw(
    desk: &Means,
    tx: &Tx<kernel::Read>,
    user: &str,
    said: Option<&str>,
    mishap: Option<&Mishap>,
) -> Result<Html, Failure> {
    let who = tx.permit().principal();
    let frame = desk.authentication.frame();
    let (base, policy) = (frame.base(who), desk.access.policy());
    let member = roster::member(tx, id(user)?).await?;
    let manages = desk.access.weigh(who, may("members", "manage")).is_ok();
    let body = html! {
        (facts(&[
            ("Mail address", html! { (member.email.as_deref().unwrap_or("not known here")) }),
            ("Role", html! { a href={ (base) "/console/roles/" (member.role) } { (label(&policy, &member.role)) } }),
            ("State", if member.suspended { html! { (Tag::bad("Suspended")) } } else { html! { (Tag::good("Active")) } }),
            ("Member since", html! { (Stamp(member.joined_at.0)) }),
        ]))
        @if manages { (changes(&policy, who, &base, &member)) }
    };
    let path = format!("/console/people/{}", member.user);
    let screen = Screen::new(named(&member), path).crumb("People", "/console/people").said(said, SAID).body(body);
    let screen = match mishap {
        Some(mishap) => screen.notice(mishap.notice()),
        None => screen,
    };
    Ok(frame.page(who, screen.protects(PROTECTS)))
}

/// What may be changed; where it may not, the buttons say why.
fn changes(policy: &Policy, who: &Principal, base: &str, member: &Member) -> Markup {
    let above =
        roster::role(&policy.app, &member.role).is_some_and(|role| confer::may_confer(policy, who, role).is_err());
    let why = "They hold more than you do";
    let path = |verb: &str| format!("{base}/console/people/{}/{verb}", member.user);
    let name = named(member);
    html! {
        section {
            h2 { "Role" }
            @if above {
                div.actions { (Button::submit("Change the role").blocked(why)) }
            } @else {
                (form(&path("role"), html! {
                    (Field::select("role", "Role", choices(policy, who)).required(true).value(member.role.clone()))
                    div.actions { (Button::submit("Change the role")) }
                }))
            }
        }
        section {
            h2 { "Access" }
            div.actions {
                @if above {
                    (Button::submit("Suspend").blocked(why))
                } @else {
                    @if member.suspended {
                        form method="post" action=(path("resume")) { (Button::submit("Let in again")) }
                    } @else {
                        (confirm("Suspend…", format!("{name} is refused from their next request on, and can be let in again."), form(&path("suspend"), html! {
                            div.actions { (Button::submit("Suspend now").danger()) }
                        })))
                    }
                    (confirm("Remove…", format!("{name} no longer belongs here from their next request on. What they did stays in the history."), form(&path("remove"), html! {
                        div.actions { (Button::submit("Remove now").danger()) }
                    })))
                }
            }
        }
    }
}

fn back(desk: &Means, who: &Principal, user: &str, said: &str) -> Reply {
    see_other(format!("{}/console/people/{user}?said={said}", desk.authentication.frame().base(who)))
}

pub(crate) async fn assign(desk: Arc<Means>, call: Changing<Assigned>) -> Result<Done<Reply>, Failure> {
    let reply = back(&desk, call.tx.permit().principal(), &call.input.user, "role");
    Ok(members::assign(desk, call).await?.answer(reply))
}

pub(crate) async fn suspend(desk: Arc<Means>, call: Changing<Named>) -> Result<Done<Reply>, Failure> {
    let reply = back(&desk, call.tx.permit().principal(), &call.input.user, "suspended");
    Ok(members::suspend(desk, call).await?.answer(reply))
}

pub(crate) async fn resume(desk: Arc<Means>, call: Changing<Named>) -> Result<Done<Reply>, Failure> {
    let reply = back(&desk, call.tx.permit().principal(), &call.input.user, "resumed");
    Ok(members::resume(desk, call).await?.answer(reply))
}

pub(crate) async fn remove(desk: Arc<Means>, call: Changing<Named>) -> Result<Done<Reply>, Failure> {
    let base = desk.authentication.frame().base(call.tx.permit().principal());
    let Call { tx, input } = call;
    let done = members::remove(desk, Call { tx, input }).await?;
    Ok(done.answer(see_other(format!("{base}/console/people?said=removed"))))
}
