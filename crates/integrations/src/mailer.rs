use std::sync::Arc;

use encryption::Vault;
use kernel::{Failure, RequestId, Secret, TenantId, Time};
use lettre::message::Mailbox as Address;
use monitoring::{Level, Monitor};

use crate::{
    KIND, Mail, Mailbox,
    letter::Unsendable,
    sink::Sink,
    smtp::{Attempt, Smtp},
};

/// How mails leave.
pub enum Way {
    /// To an SMTP server: `smtps://`, `starttls://` or `smtp://user:password@host:port`.
    Smtp(Secret),
    /// Into a folder: on a development server.
    Folder(Mailbox),
}

impl Way {
    /// The host that takes our mail, without the credentials before it: it reads every mail, so it is told in public.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let Self::Smtp(url) = self else { return None };
        let (_, rest) = url.expose_str()?.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let name = if place.starts_with('[') { place.split_inclusive(']').next() } else { place.split(':').next() };
        name.filter(|n| !n.is_empty()).map(str::to_owned)
    }
}

enum Carrier {
    Smtp(Box<Smtp>),
    Folder(Mailbox),
}

/// Delivers mails.
pub struct Mailer {
    vault: Vault,
    carrier: Carrier,
    from: Address,
    monitor: Monitor,
    sink: Sink,
}

impl Mailer {
    /// `from`: `Acme <no-reply@acme.example>`. Call it within the runtime.
    ///
    /// # Errors
    /// Internal, with words for the operator: the sender or the SMTP URL is none.
    pub fn new(vault: Vault, way: Way, from: &str, monitor: Monitor) -> Result<Arc<Self>, Failure> {
        let from = from.parse().map_err(|_| Failure::internal("mail: `mail.from` is not `Name <address>`"))?;
        let carrier = match way {
            Way::Smtp(url) => Carrier::Smtp(Box::new(Smtp::new(&url)?)),
            Way::Folder(mailbox) => Carrier::Folder(mailbox),
        };
        Ok(Arc::new(Self { vault, carrier, from, monitor, sink: Sink::default() }))
    }

    /// The folder, on a development server.
    pub(crate) const fn mailbox(&self) -> Option<&Mailbox> {
        match &self.carrier {
            Carrier::Folder(mailbox) => Some(mailbox),
            Carrier::Smtp(_) => None,
        }
    }

    /// Tries once to deliver the mail in an outbox row.
    pub(crate) async fn deliver(&self, id: &str, payload: &[u8], at: Time) -> Result<(), Attempt> {
        // Not opened: perhaps the root key is being replaced. What opens and is no mail will never be one.
        let opened = self.vault.open_house(KIND, payload).map_err(|failure| Attempt::Later(words(&failure)))?;
        let never = |Unsendable(why)| Attempt::Never(why.to_owned());
        let mail: Mail =
            serde_json::from_slice(opened.expose()).map_err(|_| never(Unsendable("the payload is not a mail")))?;
        let message = mail.message(id, &self.from, at).map_err(never)?;
        if self.sink.takes(&mail) {
            self.sink.keep(mail);
            return Ok(());
        }
        match &self.carrier {
            Carrier::Smtp(smtp) => smtp.send(message).await,
            Carrier::Folder(mailbox) => {
                let (mailbox, id) = (mailbox.clone(), id.to_owned());
                let put = tokio::task::spawn_blocking(move || mailbox.put(&id, &mail, &message.formatted(), at));
                let done = put.await.map_err(|_| Attempt::Later("the writer of the mailbox stopped".to_owned()))?;
                done.map_err(|failure| Attempt::Later(words(&failure)))
            }
        }
    }

    /// From now on nothing that this tenant writes leaves: a visitor has it.
    pub fn lend(&self, tenant: TenantId) {
        self.sink.lend(tenant);
    }

    /// Mails that did not leave, to the addresses wanted, oldest first.
    pub fn sunk(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<Mail> {
        self.sink.to(wanted)
    }

    /// A failed attempt, for the log: never to whom, never the text.
    pub(crate) fn log(&self, request: RequestId, id: &str, attempts: i64, gave_up: bool, why: String) {
        let (level, message) = match gave_up {
            true => (Level::Error, "a mail was given up"),
            false => (Level::Warn, "a mail could not be delivered yet"),
        };
        let fields = vec![("mail", id.to_owned().into()), ("attempts", attempts.into()), ("detail", why.into())];
        self.monitor.event(level, Some(request), None, message, fields);
    }
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::Internal(words) => words.to_string(),
        _ => "a failure of the vault or the mailbox".to_owned(),
    }
}
