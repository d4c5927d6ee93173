//! Pages that work without a script: a form each.

use std::sync::Arc;

use http::{StatusCode, header};
use kernel::Failure;
use manifest::Method;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use route::{Asking, Body, Html, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Authentication;

/// The secret of a mailed link.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    token: String,
}

const STYLE: &str = "*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;font:1.05rem/1.5 \
system-ui,sans-serif;background:Canvas;color:CanvasText}main{width:min(24rem,100%);padding:2.5rem 1.5rem;border-top:.4rem \
solid var(--c)}h1{font-size:1.6rem;line-height:1.2;margin:0 0 1rem;text-wrap:balance}label{display:block;margin:0 0 \
1rem}input{display:block;width:100%;font:inherit;padding:.55rem .7rem;margin-top:.25rem;border:1px solid \
color-mix(in srgb,CanvasText 35%,Canvas);border-radius:.35rem;background:Canvas;color:CanvasText}button{font:inherit;\
font-weight:600;padding:.6rem 1.2rem;border:0;border-radius:.35rem;background:var(--c);color:#fff;cursor:pointer}\
:is(input,button,a):focus-visible{outline:3px solid var(--c);outline-offset:2px}p{margin:0 0 1rem}";

fn chrome(a: &Authentication, title: &str, body: Markup) -> Html {
    let (app, color, title) = (a.app.name.clone(), a.app.color.clone(), title.to_owned());
    Html(Box::new(move |nonce| {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    title { (title) " · " (app) }
                    style nonce=(nonce) { (PreEscaped(format!(":root{{color-scheme:light dark;--c:{color}}}{STYLE}"))) }
                }
                body { main { h1 { (title) } (body) } }
            }
        }
        .into_string()
    }))
}

fn password(name: &str, label: &str, fresh: bool) -> Markup {
    let hint = if fresh { "new-password" } else { "current-password" };
    let least = if fresh { "10" } else { "1" };
    html! {
        label { (label) input type="password" name=(name) required minlength=(least) autocomplete=(hint); }
    }
}

/// Signing in with what the app declares first.
pub(crate) async fn sign_in(a: Arc<Authentication>, call: Asking<()>) -> Result<Html, Failure> {
    let home = call.tx.permit().principal().home();
    let title = format!("Sign in to {}", home.name);
    let email = html! { label { "Mail address" input type="email" name="email" required autocomplete="username"; } };
    let body = if a.app.auth.methods.contains(&Method::Password) {
        html! {
            form method="post" action="/api/v1/auth/sign-in" {
                (email) (password("password", "Password", false)) button { "Sign in" }
            }
        }
    } else {
        html! { form method="post" action="/api/v1/auth/magic-link" { (email) button { "Mail me a link" } } }
    };
    Ok(chrome(&a, &title, body))
}

/// Confirming an address.
pub(crate) async fn verify(a: Arc<Authentication>, call: Asking<Link>) -> Result<Html, Failure> {
    Ok(button(&a, "Confirm your address", "/api/v1/auth/verify", &call.input.token, "Confirm"))
}

/// A mailed link: what follows it does not sign in, what presses the button does.
pub(crate) async fn magic(a: Arc<Authentication>, call: Asking<Link>) -> Result<Html, Failure> {
    Ok(button(&a, &format!("Sign in to {}", a.app.name), "/api/v1/auth/magic", &call.input.token, "Sign in"))
}

fn button(a: &Authentication, title: &str, action: &str, token: &str, label: &str) -> Html {
    let body = html! {
        form method="post" action=(action) { input type="hidden" name="token" value=(token); button { (label) } }
    };
    chrome(a, title, body)
}

/// Choosing a new password.
pub(crate) async fn reset(a: Arc<Authentication>, call: Asking<Link>) -> Result<Html, Failure> {
    let body = html! {
        form method="post" action="/api/v1/auth/reset" {
            input type="hidden" name="token" value=(call.input.token);
            (password("password", "New password", true))
            button { "Change password" }
        }
    };
    Ok(chrome(&a, "Choose a new password", body))
}

/// The development issuer: who can sign in.
pub(crate) async fn issuer(a: Arc<Authentication>, _: Asking<()>) -> Result<Html, Failure> {
    let people = a.demo.as_ref().map(|demo| demo.people.clone()).unwrap_or_default();
    let body = html! {
        p { "Stands in for " (a.issuer.as_ref().map_or("", |i| i.url())) " on this development server. POST an address and the \
             demo password to " code { "/dev/issuer/sign-in" } " for a token." }
        ul { @for (email, tenant) in &people { li { (email) " · " (tenant) } } }
    };
    Ok(chrome(&a, "Development issuer", body))
}

/// What follows a form: a page; for programs, where to go on.
pub(crate) fn done(a: &Authentication, form: bool, title: &str, words: &str, next: &str) -> Reply {
    if !form {
        let text = serde_json::json!({ "next": next }).to_string();
        return Reply::json(StatusCode::OK, text).with(header::CACHE_CONTROL, "no-store");
    }
    let Html(page) = chrome(a, title, html! { p { (words) } p { a href=(next) { "Go on" } } });
    Reply::new(StatusCode::OK, Body::Page(page)).with(header::CONTENT_TYPE, "text/html; charset=utf-8")
}
