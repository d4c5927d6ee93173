//! The page behind an invitation's link. Opening it changes nothing; the button does.

use std::sync::Arc;

use kernel::Failure;
use manifest::Method;
use maud::{DOCTYPE, PreEscaped, html};
use route::{Asking, Html};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Means;

/// The link's query.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    token: String,
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1rem;color:#1b1f23}\
label{display:block;margin:.8rem 0}input{font:inherit;width:100%;padding:.4rem;box-sizing:border-box}\
button{font:inherit;padding:.5rem 1rem;border:0;border-radius:.3rem;color:#fff;background:var(--tone)}p[role=status]{min-height:1.5em}";

const SCRIPT: &str = "const form=document.querySelector('form'),say=document.querySelector('[role=status]');\
form.addEventListener('submit',async e=>{e.preventDefault();const body={};\
for(const [name,value] of new FormData(form))if(value)body[name]=value;\
const answer=await fetch('/api/v1/invitations/accept',{method:'POST',headers:{'content-type':'application/json'},body:JSON.stringify(body)});\
const said=await answer.json().catch(()=>({}));\
if(answer.ok)location.assign(said.next);\
else if(answer.status===401)say.textContent='You have an account already: sign in, then open this link again.';\
else say.textContent=(said.errors||[]).map(e=>e.field+': '+e.detail).join(' ')||said.detail||said.title||'That did not work.';});";

pub(crate) async fn invitation(desk: Arc<Means>, call: Asking<Link>) -> Result<Html, Failure> {
    let policy = desk.access.policy();
    let (home, token) = (Arc::clone(call.tx.permit().principal().home()), call.input.token);
    let asks = call.tx.permit().principal().user().is_none() && desk.authentication.keeps_identities();
    let password = asks && policy.app.auth.methods.contains(&Method::Password);
    let (product, tone) = (policy.app.name.clone(), format!(":root{{--tone:{}}}", policy.app.color));
    Ok(Html(Box::new(move |nonce| {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width";
                    meta name="referrer" content="no-referrer";
                    title { "Invitation · " (product) }
                    style nonce=(nonce) { (PreEscaped(tone)) (PreEscaped(STYLE)) }
                }
                body {
                    h1 { "Join " (home.name) }
                    form method="post" action="/api/v1/invitations/accept" {
                        input type="hidden" name="token" value=(token);
                        @if asks { label { "Your name" input name="name" autocomplete="name" maxlength="120"; } }
                        @if password {
                            label { "A new password" input type="password" name="password" autocomplete="new-password"; }
                        }
                        button { "Accept the invitation" }
                        p role="status" aria-live="polite" {}
                    }
                    script nonce=(nonce) { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    })))
}
