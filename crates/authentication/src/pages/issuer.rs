use std::sync::Arc;

use kernel::{Failure, TenantId};
use maud::html;
use route::{
    Asking, Html,
    page::{Card, Notice},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::sign_in::role;
use crate::{Authentication, browser::onward};

/// Where to go on.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Onward {
    #[serde(default)]
    next: Option<String>,
}

/// The development issuer: who can sign in, each a button.
pub(crate) async fn issuer(a: Arc<Authentication>, call: Asking<Onward>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let (home, house) = (who.home(), who.tenant() == TenantId::HOUSE);
    let on = onward(call.input.next.as_deref()).unwrap_or_else(|| "/console".to_owned());
    let url = a.issuer.as_ref().map_or("", |issuer| issuer.url()).to_owned();
    let demo = a.demo.as_ref();
    let word = demo.and_then(|demo| demo.password.expose_str()).unwrap_or_default();
    let people = demo.map(|demo| demo.people.as_slice()).unwrap_or_default();
    let body = html! {
        p { "Stands in for " (url) " on this development server. Nothing of it is part of " (a.app.name) "'s own stores." }
        ul.people {
            @for (address, of) in people.iter().filter(|(_, of)| house || *of == home.slug) {
                li {
                    form method="post" action="/dev/issuer/sign-in" {
                        input type="hidden" name="email" value=(address);
                        input type="hidden" name="password" value=(word);
                        input type="hidden" name="next" value=(on);
                        button { span { (address) } span.muted { (role(&a, address)) @if house { " · " (of) } } }
                    }
                }
            }
        }
        p.muted { "Programs: POST " code { "email" } " and " code { "password" } " (" code { (word) } ") to " code { "/dev/issuer/sign-in" } " for a token." }
    };
    let card = Card::new("Who are you?", body).over("Development issuer");
    Ok(a.frame.card(
        home,
        card.notice(Some(Notice::warn("Development only."))).protects(&["auth.external_jwt", "auth.delegated_mode"]),
    ))
}
