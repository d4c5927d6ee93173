use std::sync::Arc;

use kernel::{Failure, may};
use route::{Asking, Html, Route, get, page::Frame, with};

use crate::{Mailbox, Mailer, mailbox::Item, pages};

/// Mails shown.
const SHOWN: usize = 200;

/// The mailbox of a development server.
pub(crate) fn routes(mailer: &Arc<Mailer>, frame: &Arc<Frame>) -> Vec<Route> {
    let Some(mailbox) = mailer.mailbox() else { return Vec::new() };
    let mailbox = Arc::new(mailbox.clone());
    let desk = Arc::new(Desk { mailbox: Arc::clone(&mailbox), frame: Arc::clone(frame) });
    let action = may("development", "read");
    vec![
        Route { path: "/dev/mail".to_owned(), action, tier: "api", serve: get(with(&desk, page)) },
        Route { path: "/dev/mail.json".to_owned(), action, tier: "api", serve: get(with(&mailbox, list)) },
    ]
}

/// Which mails.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only those to this address.
    to: Option<String>,
}

/// Mails, newest first.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Mails {
    items: Vec<Item>,
}

/// What the page needs.
struct Desk {
    mailbox: Arc<Mailbox>,
    frame: Arc<Frame>,
}

async fn page(desk: Arc<Desk>, call: Asking<Wanted>) -> Result<Html, Failure> {
    let items = newest(Arc::clone(&desk.mailbox), call.input).await?;
    Ok(pages::mailbox(&desk.frame, call.tx.permit().principal().home(), &items))
}

async fn list(mailbox: Arc<Mailbox>, call: Asking<Wanted>) -> Result<Mails, Failure> {
    Ok(Mails { items: newest(mailbox, call.input).await? })
}

async fn newest(mailbox: Arc<Mailbox>, wanted: Wanted) -> Result<Vec<Item>, Failure> {
    let read = tokio::task::spawn_blocking(move || mailbox.newest(SHOWN)).await;
    let mut items = read.map_err(|_| Failure::internal("mail: the reader of the mailbox stopped"))??;
    if let Some(to) = wanted.to {
        items.retain(|item| item.to.eq_ignore_ascii_case(&to));
    }
    Ok(items)
}
