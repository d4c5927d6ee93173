//! Who belongs here, and who was asked to.

use std::sync::Arc;

use kernel::{Failure, Principal, UserId, may};
use maud::{Markup, Render as _, html};
use route::{
    Asking, Call, Changing, Done, Html, Mishap, Redraw, Reply,
    page::{Ask, Button, Empty, Field, Pager, Screen, Stamp, Tag, form, see_other, table_region},
};
use store::Tx;
use tenancy::roster;

use crate::{
    Means, confer,
    gate::Policy,
    http::{
        id,
        invitations::{self, Invite, Named},
        members::{PAGE, Paging},
    },
    invitation::Waiting,
    sql,
};

pub(super) const PROTECTS: &[&str] =
    &["access.roster", "access.role_floor", "access.server_side", "auth.deactivation", "auth.session_revoke"];
const SAID: &[(&str, &str)] = &[
    ("invited", "The invitation is on its way. Its link works once, for seven days."),
    ("withdrawn", "The invitation is withdrawn. Its link no longer works."),
    ("removed", "They no longer belong here. Their next request was refused."),
];

pub(crate) async fn people(desk: Arc<Means>, call: Asking<Ask<Paging>>) -> Result<Html, Failure> {
    let after = call.input.input.after.as_deref().map(id::<UserId>).transpose()?;
    draw(&desk, &call.tx, after, call.input.said.as_deref(), None).await
}

/// The same when an invitation could not be sent.
pub(crate) async fn people_again(desk: Arc<Means>, again: Redraw<()>) -> Result<Html, Failure> {
    draw(&desk, &again.call.tx, None, None, Some(&again.mishap)).await
}

/// The same when one could not be withdrawn.
pub(crate) async fn withdraw_again(desk: Arc<Means>, again: Redraw<Named>) -> Result<Html, Failure> {
    draw(&desk, &again.call.tx, None, None, Some(&again.mishap)).await
}

async fn draw(
    desk: &Means,
    tx: &Tx<kernel::Read>,
    after: Option<UserId>,
    said: Option<&str>,
    mishap: Option<&Mishap>,
) -> Result<Html, Failure> {
    let who = tx.permit().principal();
    let frame = desk.authentication.frame();
    let (base, policy) = (frame.base(who), desk.access.policy());
    let mut members = roster::list(tx, after, PAGE + 1).await?;
    let more = members.len() > PAGE as usize;
    members.truncate(PAGE as usize);
    let next = members.last().filter(|_| more).map(|last| format!("{base}/console/people?after={}", last.user));
    let waiting = tx.all(&sql::WAITING, (who.tenant(), who.at())).await?;
    let manages = desk.access.weigh(who, may("members", "manage")).is_ok();
    let pager = Pager { before: after.map(|_| format!("{base}/console/people")), after: next, words: String::new() };
    let body = html! {
        (table(&policy, who, &base, &members))
        (pager)
        (invited(&policy, &base, &waiting, manages))
        @if manages { (inviting(&policy, who, &base, mishap)) }
    };
    let lead = html! { "Taking somebody off this list ends their access with their very next request." };
    let screen = Screen::new("People", "/console/people").lead(lead).said(said, SAID).body(body).protects(PROTECTS);
    let screen = match mishap {
        Some(mishap) => screen.notice(mishap.notice()),
        None => screen,
    };
    Ok(frame.page(who, screen))
}

fn table(policy: &Policy, who: &Principal, base: &str, members: &[roster::Member]) -> Markup {
    table_region(
        "People",
        html! {
            table.table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Mail address" } th scope="col" { "Role" } th scope="col" { "Since" } } }
                tbody {
                    @for member in members {
                        tr {
                            td.main data-label="Name" {
                                a href={ (base) "/console/people/" (member.user) } { (named(member)) }
                                @if who.user() == Some(member.user) { " " (Tag::accent("You")) }
                                @if member.suspended { " " (Tag::bad("Suspended")) }
                            }
                            td data-label="Mail address" { (member.email.as_deref().unwrap_or("")) }
                            td data-label="Role" { (label(policy, &member.role)) }
                            td data-label="Since" { (Stamp(member.joined_at.0)) }
                        }
                    }
                }
            }
        },
    )
}

pub(super) fn named(member: &roster::Member) -> String {
    let name = member.name.clone().filter(|name| !name.is_empty());
    name.or_else(|| member.email.clone()).unwrap_or_else(|| member.user.to_string())
}

/// A role's name for people.
pub(super) fn label(policy: &Policy, role: &str) -> String {
    policy.app.roles.iter().find(|r| r.id == role).map_or_else(|| role.to_owned(), |r| r.label.clone())
}

fn invited(policy: &Policy, base: &str, waiting: &[Waiting], manages: bool) -> Markup {
    html! {
        section {
            h2 { "Invited" }
            @if waiting.is_empty() {
                p.muted { "Nobody is waiting for an answer." }
            } @else {
                (table_region("Invitations", html! {
                    table.table {
                        thead { tr { th scope="col" { "Mail address" } th scope="col" { "Role" } th scope="col" { "Works until" } th scope="col" { span.visually-hidden { "Withdraw" } } } }
                        tbody {
                            @for one in waiting {
                                tr {
                                    td.main data-label="Mail address" { (one.email) }
                                    td data-label="Role" { (label(policy, &one.role)) }
                                    td data-label="Works until" { (Stamp(one.expires.0)) }
                                    td {
                                        @if manages {
                                            form method="post" action={ (base) "/console/people/invitations/" (one.id) "/withdraw" } {
                                                div.actions { (Button::submit("Withdraw").small()) }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }))
            }
        }
    }
}

/// The roles that `who` may confer, as choices.
pub(super) fn choices(policy: &Policy, who: &Principal) -> Vec<(String, String)> {
    let roles = (0_u8..).zip(&policy.app.roles).filter(|(at, _)| confer::may_confer(policy, who, *at).is_ok());
    roles.map(|(_, role)| (role.id.to_owned(), role.label.clone())).collect()
}

fn inviting(policy: &Policy, who: &Principal, base: &str, mishap: Option<&Mishap>) -> Markup {
    let roles = choices(policy, who);
    // Never the most powerful because nobody chose: the manifest's default, or the least that may be given.
    let default = policy.app.roles.iter().find(|r| r.default && roles.iter().any(|(id, _)| id == r.id)).map(|r| r.id);
    let usual = default.or(roles.last().map(|(id, _)| id.as_str())).unwrap_or_default().to_owned();
    let kept = |name| mishap.and_then(|m| m.kept.get(name));
    let wrong = |name| mishap.and_then(|m| m.error(name));
    html! {
        section #invite {
            h2 { "Invite somebody" }
            @if roles.is_empty() {
                (Empty::new("Your role makes nobody a member", "Nobody hands out rights they do not hold."))
            } @else {
                p { "You can give the roles you hold yourself, and less. The link goes to the invited person only." }
                (form(&format!("{base}/console/people/invite"), html! {
                    (Field::text("email", "Mail address").kind("email").required(true).value(kept("email").unwrap_or_default()).error(wrong("email")))
                    (Field::select("role", "Role", roles).required(true).value(kept("role").unwrap_or(&usual)).error(wrong("role")))
                    div.actions { (Button::submit("Send the invitation").primary().render()) }
                }))
            }
        }
    }
}

pub(crate) async fn invite(desk: Arc<Means>, call: Changing<Invite>) -> Result<Done<Reply>, Failure> {
    let base = desk.authentication.frame().base(call.tx.permit().principal());
    Ok(invitations::invite(desk, call).await?.answer(see_other(format!("{base}/console/people?said=invited"))))
}

pub(crate) async fn withdraw(desk: Arc<Means>, call: Changing<Named>) -> Result<Done<Reply>, Failure> {
    let base = desk.authentication.frame().base(call.tx.permit().principal());
    let Call { tx, input } = call;
    let done = invitations::withdraw(Call { tx, input }).await?;
    Ok(done.answer(see_other(format!("{base}/console/people?said=withdrawn"))))
}
