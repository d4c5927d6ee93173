use std::sync::Arc;

use kernel::{Failure, Principal};
use manifest::{App, Method};
use maud::{Markup, html};
use route::{
    Asking, Html, Mishap, Redraw,
    page::{Button, Card, Field},
};

use super::{email, password, told};
use crate::Authentication;

/// A new tenant with its first owner.
pub(crate) async fn sign_up(a: Arc<Authentication>, call: Asking<()>) -> Result<Html, Failure> {
    Ok(page(&a, call.tx.permit().principal(), None))
}

/// The same when something is not acceptable: everything but the password is kept.
pub(crate) async fn sign_up_again(a: Arc<Authentication>, again: Redraw<()>) -> Result<Html, Failure> {
    Ok(page(&a, again.call.tx.permit().principal(), Some(&again.mishap)))
}

fn page(a: &Authentication, who: &Principal, mishap: Option<&Mishap>) -> Html {
    let noun = &a.app.tenant.noun;
    let body = html! {
        form.stack method="post" action="/sign-up" {
            (tenant(&a.app, mishap))
            @if who.user().is_none() { (owner(a, mishap)) }
            (Button::submit(format!("Open the {noun}")).primary())
        }
    };
    let foot = html! { p { "Have an account? " a href="/sign-in" { "Sign in" } "." } };
    let checks = ["auth.email_verify", "auth.password_hash", "tenant.reserved_names", "tenant.region_pin"];
    let card = Card::new(format!("Open {}", route::page::with_article(noun)), body)
        .notice(told(mishap))
        .foot(foot)
        .protects(&checks);
    a.frame.card(who.home(), card)
}

fn kept(field: Field, name: &str, mishap: Option<&Mishap>) -> Field {
    field.value(mishap.and_then(|m| m.kept.get(name)).unwrap_or_default()).error(mishap.and_then(|m| m.error(name)))
}

fn tenant(app: &App, mishap: Option<&Mishap>) -> Markup {
    let noun = &app.tenant.noun;
    let name = Field::text("name", format!("Name of the {noun}")).required(true).attr("maxlength", "120");
    let slug = Field::text("slug", "Short name").required(true).attr("maxlength", "63").attr("spellcheck", "false");
    let where_to = if app.tenant.membership_slug { "/w/…" } else { "….your address" };
    let slug = slug.hint(format!("Small letters, digits and hyphens; it becomes part of the address ({where_to})."));
    let regions: Vec<_> = app.regions.iter().map(|r| (r.id.to_owned(), r.label.clone())).collect();
    let many = regions.len() > 1;
    html! {
        (kept(name, "name", mishap))
        (kept(slug, "slug", mishap))
        @if many {
            (kept(Field::select("region", "Region", regions), "region", mishap).required(true)
                .hint("Where its data lies. It stays there."))
        }
    }
}

fn owner(a: &Authentication, mishap: Option<&Mishap>) -> Markup {
    let name = Field::text("owner", "Your name").required(true).autocomplete("name").attr("maxlength", "120");
    html! {
        (kept(name, "owner", mishap))
        (email(mishap))
        @if a.app.auth.methods.contains(&Method::Password) { (password("password", "Password", true, mishap)) }
    }
}
