//! Pages of signing in. Each is a form that works without a script; what goes wrong is said on the same page.

mod account;
mod issuer;
mod link;
mod sign_in;
mod sign_up;

use http::{StatusCode, header};
use kernel::Home;
use maud::{Markup, html};
use route::{
    Body, Html, Mishap, Reply,
    page::{Button, Card, Field, Notice},
};

use crate::Authentication;
pub(crate) use account::{account, account_again};
pub(crate) use issuer::issuer;
pub(crate) use link::{forgot, forgot_again, magic, magic_again, reset, reset_again, verify, verify_again};
pub(crate) use sign_in::{sign_in, sign_in_again, sign_out};
pub(crate) use sign_up::{sign_up, sign_up_again};

/// Checks that protect signing in.
const PROTECTS: &[&str] = &[
    "auth.password_hash",
    "auth.lockout",
    "auth.magic_link",
    "auth.password_reset",
    "auth.session_cookie",
    "auth.external_jwt",
    "auth.delegated_mode",
    "limit.tiers",
    "edge.csrf",
];

fn email(mishap: Option<&Mishap>) -> Field {
    Field::text("email", "Mail address")
        .kind("email")
        .required(true)
        .autocomplete("username")
        .attr("spellcheck", "false")
        .value(mishap.and_then(|m| m.kept.get("email")).unwrap_or_default())
        .error(mishap.and_then(|m| m.error("email")))
}

/// A password that is there (`fresh`: one to come). What was typed is never shown again.
fn password(name: &'static str, label: &'static str, fresh: bool, mishap: Option<&Mishap>) -> Field {
    let field = Field::text(name, label).kind("password").required(true);
    let field = field.error(mishap.and_then(|m| m.error(name).or_else(|| m.error("password"))));
    if fresh {
        field.autocomplete("new-password").attr("minlength", "10").attr("maxlength", "128").hint("10 to 128 characters")
    } else {
        field.autocomplete("current-password")
    }
}

fn told(mishap: Option<&Mishap>) -> Option<Notice> {
    mishap.map(Mishap::notice)
}

/// What follows a form: a page; for programs, where to go on.
pub(crate) fn done(
    a: &Authentication,
    home: &Home,
    form: bool,
    title: &str,
    words: &str,
    (next, label): (&str, &str),
) -> Reply {
    if !form {
        let text = serde_json::json!({ "next": next }).to_string();
        return Reply::json(StatusCode::OK, text).with(header::CACHE_CONTROL, "no-store");
    }
    let body = html! {
        p { (words) }
        p.actions { (Button::link(label.to_owned(), next)) }
        @if a.frame.development() { (mailbox()) }
    };
    shown(a.frame.card(home, Card::new(title.to_owned(), body).protects(PROTECTS)))
}

/// Where the mail of a development server lies.
fn mailbox() -> Markup {
    html! { p.muted { "On this development server mail goes to the " a href="/dev/mail" { "mailbox" } "." } }
}

fn shown(Html(page): Html) -> Reply {
    let plain = Reply::new(StatusCode::OK, Body::Empty).with(header::CONTENT_TYPE, "text/html; charset=utf-8");
    Reply { body: Body::Page(page), ..plain }
}
