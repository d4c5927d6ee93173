//! Behind mailed links, and the page that asks for one. Opening a link changes nothing; the button does.

use std::sync::Arc;

use kernel::{Failure, Home};
use maud::{Markup, html};
use route::{
    Asking, Html, Mishap, Redraw,
    page::{Button, Card, Field},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{email, password, told};
use crate::Authentication;

/// The secret of a mailed link; none when the form is shown again, which holds it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    #[serde(default)]
    token: String,
}

fn card(
    a: &Authentication,
    home: &Home,
    title: &'static str,
    body: Markup,
    mishap: Option<&Mishap>,
    check: &'static str,
) -> Html {
    // What is over cannot be mended by pressing again.
    let over = mishap.is_some_and(|m| m.problem.status == 410);
    let again = html! { p.actions { (Button::link("Back to sign-in", "/sign-in")) } };
    let card = Card::new(title, if over { again } else { body });
    a.frame.card(home, card.notice(told(mishap)).protects(&[check, "limit.tiers"]))
}

fn pressed(action: &str, token: &str, label: &'static str) -> Markup {
    html! {
        form.stack method="post" action=(action) {
            (Field::hidden("token", token))
            (Button::submit(label).primary())
        }
    }
}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident $again:ident: $draw:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(a: Arc<Authentication>, call: Asking<Link>) -> Result<Html, Failure> {
            Ok($draw(&a, call.tx.permit().principal().home(), &call.input.token, None))
        }
        /// The same when it did not work.
        pub(crate) async fn $again(a: Arc<Authentication>, again: Redraw<Link>) -> Result<Html, Failure> {
            let Redraw { call, mishap } = again;
            let token = mishap.kept.get("token").unwrap_or_default();
            Ok($draw(&a, call.tx.permit().principal().home(), token, Some(&mishap)))
        }
    )*};
}
pages! {
    /// Confirming an address.
    verify verify_again: draw_verify;
    /// A mailed link: what follows it does not sign in, what presses the button does.
    magic magic_again: draw_magic;
    /// Choosing a new password.
    reset reset_again: draw_reset;
    /// Asking for a link to choose one.
    forgot forgot_again: draw_forgot;
}

fn draw_verify(a: &Authentication, home: &Home, token: &str, mishap: Option<&Mishap>) -> Html {
    let body = html! {
        p { "Press the button, and the address is confirmed as yours." }
        (pressed("/auth/verify", token, "Confirm my address"))
    };
    card(a, home, "Confirm your address", body, mishap, "auth.email_verify")
}

fn draw_magic(a: &Authentication, home: &Home, token: &str, mishap: Option<&Mishap>) -> Html {
    let body = html! {
        p { "Press the button to sign in. The link works once, so nothing that merely looks at it can use it up." }
        (pressed("/auth/magic", token, "Sign in"))
    };
    card(a, home, "One press to sign in", body, mishap, "auth.magic_link")
}

fn draw_reset(a: &Authentication, home: &Home, token: &str, mishap: Option<&Mishap>) -> Html {
    let body = html! {
        form.stack method="post" action="/auth/reset" {
            (Field::hidden("token", token))
            (password("password", "New password", true, mishap))
            (Button::submit("Change the password").primary())
            p.muted { "Every session that is open now ends." }
        }
    };
    card(a, home, "Choose a new password", body, mishap, "auth.password_reset")
}

fn draw_forgot(a: &Authentication, home: &Home, _: &str, mishap: Option<&Mishap>) -> Html {
    let body = html! {
        p { "Tell us your address. If it has an account here, a link to choose a new password is mailed to it." }
        form.stack method="post" action="/forgot" {
            (email(mishap))
            (Button::submit("Mail me a link").primary())
        }
        p { a href="/sign-in" { "Back to sign-in" } }
    };
    card(a, home, "Forgot your password?", body, mishap, "auth.password_reset")
}
