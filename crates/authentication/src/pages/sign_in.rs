use std::sync::Arc;

use kernel::{Failure, Principal, TenantId};
use manifest::{Method, SignUp};
use maud::{Markup, html};
use route::{
    Asking, Html, Mishap, Redraw,
    page::{Ask, Button, Card, Field, Notice},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{PROTECTS, email, password, told};
use crate::{Authentication, browser::onward};

/// Where to go on.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Onward {
    #[serde(default)]
    next: Option<String>,
}

/// Signing in with what the app declares first.
pub(crate) async fn sign_in(a: Arc<Authentication>, call: Asking<Ask<Onward>>) -> Result<Html, Failure> {
    let said = match call.input.said.as_deref() {
        Some("out") => Some("You are signed out."),
        Some("everywhere") => Some("Every session of yours was ended."),
        Some("joined") => Some("Welcome. Your account is ready; sign in with it."),
        _ => None,
    };
    let next = onward(call.input.input.next.as_deref());
    Ok(page(&a, call.tx.permit().principal(), next, None, said.map(Notice::good)))
}

/// The same page when it did not work: the address is kept, the reason is said, the same for every cause.
pub(crate) async fn sign_in_again(a: Arc<Authentication>, again: Redraw<Ask<Onward>>) -> Result<Html, Failure> {
    let Redraw { call, mishap } = again;
    let next = onward(mishap.kept.get("next"));
    let notice = told(Some(&mishap));
    Ok(page(&a, call.tx.permit().principal(), next, Some(&mishap), notice))
}

fn page(
    a: &Authentication,
    who: &Principal,
    next: Option<String>,
    mishap: Option<&Mishap>,
    notice: Option<Notice>,
) -> Html {
    let home = who.home();
    let on = next.as_deref().unwrap_or("/console");
    let body = match &a.issuer {
        Some(issuer) => issuer_link(a, issuer.url(), on),
        None => form(a, on, mishap),
    };
    let known = (who.user().is_some()).then(|| {
        Notice::info("You are signed in already.").detail(html! {
            p { a href=(on) { "Go on" } ", or sign in as somebody else." }
        })
    });
    let demo = demo(a, who, on);
    let title = if home.id == TenantId::HOUSE { format!("Sign in to {}", a.app.name) } else { "Sign in".to_owned() };
    let card = Card::new(title, html! { (body) @if let Some(demo) = demo { (demo) } });
    a.frame.card(home, card.notice(notice.or(known)).foot(foot(a, who)).protects(PROTECTS))
}

fn form(a: &Authentication, on: &str, mishap: Option<&Mishap>) -> Markup {
    let takes_password = a.app.auth.methods.contains(&Method::Password);
    html! {
        form.stack method="post" action="/sign-in" {
            (Field::hidden("next", on))
            @if a.app.auth.honeypot { p hidden { label { "Leave this empty" input name="website" tabindex="-1" autocomplete="off"; } } }
            (email(mishap))
            @if takes_password {
                (password("password", "Password", false, mishap))
                (Button::submit("Sign in").primary())
            } @else {
                (Button::submit("Mail me a link").primary())
                p.muted { "The link signs you in once. There is no password to forget." }
            }
        }
    }
}

/// Identities are kept elsewhere: the way there.
fn issuer_link(a: &Authentication, issuer: &str, on: &str) -> Markup {
    let development = a.demo.is_some();
    let query = |path: &str| {
        format!("{path}?next={}", on.replace('%', "%25").replace('&', "%26").replace('#', "%23").replace('?', "%3F"))
    };
    html! {
        p { (a.app.name) " keeps no passwords. Who you are is known to your organisation's identity service, and only there." }
        @if development {
            p.actions { (Button::link("Go on to the identity service", query("/dev/issuer")).primary()) }
            p.muted { "A development server has a stand-in for " (issuer) "." }
        } @else {
            p.actions { (Button::link("Go on to the identity service", issuer).primary()) }
        }
    }
}

fn foot(a: &Authentication, who: &Principal) -> Markup {
    let own = a.issuer.is_none();
    let forgot = own && a.app.auth.methods.contains(&Method::Password);
    let house = who.tenant() == TenantId::HOUSE;
    html! {
        @if forgot { p { a href="/forgot" { "Forgot your password?" } } }
        @if own && house && a.app.tenant.sign_up == SignUp::Open {
            p { "New here? " a href="/sign-up" { "Open " (route::page::with_article(&a.app.tenant.noun)) } "." }
        } @else if own {
            p { "No account? Ask whoever runs your " (a.app.tenant.noun) " for an invitation." }
        }
    }
}

/// On a development server: the people who are there, each a button.
fn demo(a: &Authentication, who: &Principal, on: &str) -> Option<Markup> {
    let demo = a.demo.as_ref().filter(|_| a.frame.development() && a.issuer.is_none())?;
    let word = demo.password.expose_str()?;
    let slug = &who.home().slug;
    let house = who.tenant() == TenantId::HOUSE;
    let people: Vec<_> = demo.people.iter().filter(|(_, of)| house || of == slug).collect();
    let action = if a.app.auth.methods.contains(&Method::Password) { "/sign-in" } else { "/dev/sign-in" };
    (!people.is_empty()).then(|| {
        html! {
            section aria-labelledby="demo" {
                h2 #demo { "Demo people" }
                p { "On this development server only. Everybody's password is " code { (word) } "." }
                ul.people {
                    @for (address, of) in people {
                        li {
                            form method="post" action=(action) {
                                input type="hidden" name="email" value=(address);
                                input type="hidden" name="password" value=(word);
                                input type="hidden" name="next" value=(on);
                                button { span { (address) } span.muted { (role(a, address)) @if house { " · " (of) } } }
                            }
                        }
                    }
                }
            }
        }
    })
}

/// The role a demo person's address names.
pub(super) fn role<'a>(a: &'a Authentication, address: &'a str) -> &'a str {
    let local = address.split('@').next().unwrap_or_default();
    a.app.roles.iter().find(|role| role.id == local).map_or("", |role| role.label.as_str())
}

/// A page whose button signs out: a link alone must not.
pub(crate) async fn sign_out(a: Arc<Authentication>, call: Asking<()>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let base = a.frame.base(who);
    let body = html! {
        @if who.user().is_some() {
            form.stack method="post" action={ (base) "/sign-out" } { (Button::submit("Sign out").primary()) }
        } @else {
            p { "You are not signed in." }
            p.actions { (Button::link("Sign in", "/sign-in")) }
        }
    };
    Ok(a.frame.card(who.home(), Card::new("Sign out", body).protects(&["auth.session_revoke", "auth.session_cookie"])))
}
