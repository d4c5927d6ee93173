//! The page that checks an export in the reader's browser, with nothing but WebCrypto: save it, and it needs no server.

use std::sync::Arc;

use kernel::Failure;
use maud::{DOCTYPE, PreEscaped, html};
use route::{Asking, Html};

use crate::seal::Audit;

const STYLE: &str = include_str!("verify.css");
const SCRIPT: &str = include_str!("verify.js");

pub(crate) async fn verify(audit: Arc<Audit>, _: Asking<()>) -> Result<Html, Failure> {
    let product = audit.means.name.clone();
    Ok(Html(Box::new(move |nonce| {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width";
                    meta name="referrer" content="no-referrer";
                    meta name="color-scheme" content="light dark";
                    link rel="icon" href="data:,";
                    title { "Check an audit export · " (product) }
                    style nonce=(nonce) { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        h1 { "Check an audit export" }
                        p {
                            "The file stays on this machine: the page reads it, and sends nothing anywhere. Save the page, "
                            "and it works without us."
                        }
                        form {
                            label { "Export" input type="file" name="file" required; }
                            label {
                                "A checkpoint you saved earlier, if you have one"
                                textarea name="since" rows="5" spellcheck="false" {}
                            }
                            label { "The log's key, from its key set" input name="key" spellcheck="false" autocomplete="off"; }
                            button { "Check" }
                        }
                        progress hidden max="1" value="0" {}
                        section role="status" aria-live="polite" {}
                    }
                    script nonce=(nonce) { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    })))
}
