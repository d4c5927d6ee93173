use std::time::{Duration, SystemTime};

use kernel::{TenantId, Time};
use lettre::{
    Message,
    message::{Mailbox, header::ContentType},
};

/// Kind of the outbox rows that are mails, and the purpose their payloads are sealed for.
pub const KIND: &str = "mail";

/// A mail on its way: the payload of its outbox row, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// One bare address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The tenant that writes, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
}

/// Why a mail can never be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsendable(pub &'static str);

impl Mail {
    /// As an Internet message (RFC 5322). The id makes its Message-ID: the same for every attempt.
    pub(crate) fn message(&self, id: &str, from: &Mailbox, at: Time) -> Result<Message, Unsendable> {
        // A line break in a header would start another one: a mail to somebody else, or with another text.
        if self.to.chars().chain(self.subject.chars()).any(char::is_control) {
            return Err(Unsendable("address or subject holds control characters"));
        }
        let to = self.to.parse().map_err(|_| Unsendable("the address is not one"))?;
        let sent = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(self.subject.clone())
            .date(sent)
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(self.text.clone())
            .map_err(|_| Unsendable("the message cannot be composed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compose(to: &str, subject: &str) -> Result<String, Unsendable> {
        let mail = Mail {
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: "Grüße\n.\nBcc: x@y.example".to_owned(),
            tenant: None,
        };
        let from = "Acme <no-reply@acme.example>".parse().unwrap();
        let message = mail.message("0190", &from, Time(1_700_000_000_000))?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn a_message_has_one_of_each_header() {
        let text = compose("ann@example.com", "Ihr Konto, bestätigt").unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        for header in [
            "From: Acme <no-reply@acme.example>",
            "To: ann@example.com",
            "Message-ID: <0190@acme.example>",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
        ] {
            assert_eq!(head.matches(header).count(), 1, "{header}\n{head}");
        }
        assert!(!head.contains("Bcc"), "{head}");
        assert!(!body.is_empty());
    }

    #[test]
    fn headers_cannot_be_injected() {
        for (to, subject) in [
            ("ann@example.com\r\nBcc: eve@example.com", "x"),
            ("ann@example.com\nBcc: eve@example.com", "x"),
            ("ann@example.com", "x\r\nBcc: eve@example.com"),
            ("ann@example.com", "x\nBcc: eve@example.com"),
            ("ann@example.com", "x\0"),
            ("ann@example.com\u{85}", "x"),
            ("ann@example.com, eve@example.com", "x"),
            ("Ann <ann@example.com>", "x"),
            ("ann@example.com>, <eve@example.com", "x"),
            ("ann", "x"),
            ("", "x"),
            ("@example.com", "x"),
        ] {
            assert!(compose(to, subject).is_err(), "{to:?} {subject:?}");
        }
    }
}
