//! Delivery by SMTP (RFC 5321), encrypted unless the server is this machine.

use std::{net::IpAddr, time::Duration};

use kernel::{Failure, Secret};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// For one mail, from connecting to the last answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where mails go.
pub(crate) struct Smtp(AsyncSmtpTransport<Tokio1Executor>);

/// How an attempt failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Trying again may help; words for the log.
    Later(String),
    /// It will not.
    Never(String),
}

impl Smtp {
    /// `smtps://`, `starttls://` or `smtp://user:password@host:port`. Plain `smtp://` asks for STARTTLS too, unless the host is
    /// a loopback address.
    pub(crate) fn new(url: &Secret) -> Result<Self, Failure> {
        let wrong =
            || Failure::internal("mail: the SMTP URL is not smtps://, starttls:// or smtp://user:password@host:port");
        let url = encrypted(url.expose_str().ok_or_else(wrong)?.trim()).ok_or_else(wrong)?;
        // The library's words may repeat the URL, which holds the password.
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url).map_err(|_| wrong())?;
        Ok(Self(builder.timeout(Some(PATIENCE)).build()))
    }

    pub(crate) async fn send(&self, message: Message) -> Result<(), Attempt> {
        match tokio::time::timeout(PATIENCE * 2, self.0.send(message)).await {
            Err(_) => Err(Attempt::Later("the mail server did not answer in time".to_owned())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Err(Attempt::Never(error.to_string())),
            Ok(Err(error)) => Err(Attempt::Later(error.to_string())),
        }
    }
}

/// The URL as the library reads it, with encryption demanded.
fn encrypted(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (place, query) = rest.split_once('?').map_or((rest, None), |(p, q)| (p, Some(q)));
    if query.is_some() || place.is_empty() {
        return None;
    }
    match scheme {
        "smtps" => Some(url.to_owned()),
        "smtp" if local(place) => Some(url.to_owned()),
        "smtp" | "starttls" => Some(format!("smtp://{place}?tls=required")),
        _ => None,
    }
}

fn local(place: &str) -> bool {
    let host = place.split('/').next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_is_demanded_everywhere_but_on_this_machine() {
        for (url, read) in [
            ("smtps://u:p@mail.example", Some("smtps://u:p@mail.example")),
            ("starttls://u:p@mail.example:587", Some("smtp://u:p@mail.example:587?tls=required")),
            ("smtp://mail.example", Some("smtp://mail.example?tls=required")),
            ("smtp://localhost:1025", Some("smtp://localhost:1025")),
            ("smtp://u:p@127.0.0.1", Some("smtp://u:p@127.0.0.1")),
            ("smtp://[::1]:25", Some("smtp://[::1]:25")),
            ("smtp://localhost@mail.example", Some("smtp://localhost@mail.example?tls=required")),
            ("smtp://localhost.mail.example", Some("smtp://localhost.mail.example?tls=required")),
            ("smtp://mail.example?tls=none", None),
            ("http://mail.example", None),
            ("mail.example", None),
            ("smtp://", None),
        ] {
            assert_eq!(encrypted(url).as_deref(), read, "{url}");
        }
    }

    #[tokio::test]
    async fn a_wrong_url_is_not_repeated() {
        for url in ["smtp://u:hunter2@:99999", "nonsense hunter2"] {
            match Smtp::new(&Secret::new(url)) {
                Err(Failure::Internal(words)) => assert!(!words.contains("hunter2")),
                _ => panic!("{url}"),
            }
        }
    }
}
