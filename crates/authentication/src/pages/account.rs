//! The person's own account: password, sessions.

use std::sync::Arc;

use kernel::{Credential, Failure, Principal, Time};
use maud::{Markup, html};
use route::{
    Asking, Call, Html, Mishap, Redraw,
    page::{Ask, Button, Notice, Screen, Stamp, Tag, confirm, facts, form, table_region},
};

use super::password;
use crate::{Authentication, people, session::Open, sql};

const PATH: &str = "/console/account";
const SAID: &[(&str, &str)] =
    &[("password", "The password is changed. Every other session was ended."), ("session", "That session is ended.")];

pub(crate) async fn account(a: Arc<Authentication>, call: Asking<Ask<()>>) -> Result<Html, Failure> {
    let Call { tx, input } = call;
    draw(&a, Call { tx, input: () }, None, input.said.as_deref()).await
}

/// The same when the password could not be changed.
pub(crate) async fn account_again(a: Arc<Authentication>, again: Redraw<()>) -> Result<Html, Failure> {
    draw(&a, again.call, Some(&again.mishap), None).await
}

async fn draw(
    a: &Authentication,
    call: Asking<()>,
    mishap: Option<&Mishap>,
    said: Option<&str>,
) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let user = who.user().ok_or(Failure::SignInNeeded)?;
    let base = a.frame.base(who);
    let account = people::by_id(&call.tx, user).await?;
    let idle = Time(who.at().0 - a.app.sessions.idle.0);
    let sessions = call.tx.all(&sql::SESSIONS_OF, (user, idle)).await?;
    let has_password = account.as_ref().is_some_and(|account| account.phc.is_some());
    let body = html! {
        @if let Some(account) = &account {
            section {
                (facts(&[
                    ("Name", html! { (account.name) }),
                    ("Mail address", html! { (account.email.as_deref().unwrap_or("kept elsewhere")) }),
                ]))
            }
        } @else {
            section { p { "Your identity is kept by " (a.issuer.as_ref().map_or("", |i| i.url())) "; nothing of it is stored here." } }
        }
        @if has_password { (change(&base, mishap)) }
        (table(a, who, &base, &sessions))
    };
    let screen = Screen::new("Your account", PATH).said(said, SAID).body(body);
    let screen = match mishap {
        Some(mishap) => screen.notice(match mishap.problem.kind {
            "wrong-credentials" => Notice::bad("The present password is not right."),
            _ => mishap.notice(),
        }),
        None => screen,
    };
    let checks = [
        "auth.session_revoke",
        "auth.session_cookie",
        "auth.password_hash",
        "auth.refresh_rotation",
        "auth.refresh_reuse",
        "auth.access_token",
    ];
    Ok(a.frame.page(who, screen.protects(&checks)))
}

fn change(base: &str, mishap: Option<&Mishap>) -> Markup {
    let wrong = mishap.is_some_and(|m| m.problem.kind == "wrong-credentials");
    let old = password("old", "Present password", false, None).error(wrong.then_some("This is not your password."));
    html! {
        section {
            h2 { "Password" }
            (form(&format!("{base}/console/account/password"), html! {
                (old)
                (password("new", "New password", true, mishap))
                div.actions { (Button::submit("Change the password")) span.muted { "Every other session ends." } }
            }))
        }
    }
}

fn table(a: &Authentication, who: &Principal, base: &str, sessions: &[Open]) -> Markup {
    let here = match who.credential() {
        Credential::User { session, .. } => Some(*session),
        _ => None,
    };
    let idle = life(a.app.sessions.idle.0);
    let everywhere = confirm(
        "Sign out everywhere…",
        "Every session of yours ends at once, on every device, this one too.",
        form(
            &format!("{base}/console/account/sign-out-everywhere"),
            html! {
                div.actions { (Button::submit("End every session").danger()) }
            },
        ),
    );
    html! {
        section {
            h2 { "Sessions" }
            @if sessions.is_empty() {
                p.muted { "Sessions are kept by your identity service." }
            } @else {
                p { "Where you are signed in. A session that nobody uses ends after " (idle) "." }
                (table_region("Sessions", html! {
                    table.table {
                        thead { tr { th scope="col" { "Began" } th scope="col" { "Last renewed" } th scope="col" { "By" } th scope="col" { span.visually-hidden { "End it" } } } }
                        tbody {
                            @for session in sessions {
                                tr {
                                    td.main data-label="Began" { (Stamp(session.created_at.0)) }
                                    td data-label="Last renewed" { (Stamp(session.used_at.0)) }
                                    td data-label="By" { (method(&session.method)) }
                                    td {
                                        div.actions {
                                            @if here == Some(session.id) { (Tag::accent("This one")) } @else {
                                                form method="post" action={ (base) "/console/account/sessions/" (session.id) "/end" } { (Button::submit("End").small()) }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }))
            }
            div.actions.after { (everywhere) }
        }
    }
}

/// Hours, or days where they are whole.
fn life(millis: i64) -> String {
    match millis / 3_600_000 {
        hours if hours % 24 == 0 && hours > 24 => format!("{} days", hours / 24),
        1 => "1 hour".to_owned(),
        hours => format!("{hours} hours"),
    }
}

fn method(word: &str) -> String {
    match word {
        "magic_link" => "Mailed link".to_owned(),
        "development" => "Development".to_owned(),
        other => other.chars().take(1).flat_map(char::to_uppercase).chain(other.chars().skip(1)).collect(),
    }
}
