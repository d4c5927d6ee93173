//! "The address also stands, signed, in security.txt": RFC 9116, with an OpenPGP cleartext signature.

use jiff::{Timestamp, Unit};
use kernel::{DAY, Failure, Time};

use crate::Disclosure;

/// How long a copy of the file may be believed. It is made anew for whoever asks, so ours never expires.
const HOLDS_DAYS: i64 = 90;

/// The file at this moment, for the site at this address.
///
/// # Errors
/// Internal: no root key.
pub(super) fn security_txt(disclosure: &Disclosure, origin: &str, now: Time) -> Result<String, Failure> {
    let app = disclosure.app();
    let mut text = format!(
        "# Found a weakness in {}? Thank you for telling us first.\n# Signed by the key at {origin}/trust/security-key.asc\n",
        app.name
    );
    let mut line = |name: &str, value: &str| {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push('\n');
    };
    line("Contact", &format!("{origin}/trust/report"));
    line("Contact", &format!("mailto:{}", app.disclosure.contact));
    let holds = if kernel::sabotage::off("gov.disclosure_channel") { -1 } else { HOLDS_DAYS };
    line("Expires", &stamp(Time(now.0 - now.0.rem_euclid(DAY) + holds * DAY)));
    line("Acknowledgments", &format!("{origin}{}", app.disclosure.credit));
    line("Preferred-Languages", "en");
    line("Canonical", &format!("{origin}/.well-known/security.txt"));
    line("Policy", &format!("{origin}/trust/report#policy"));
    // Signed once a day with the same bytes: a new signature tells a watcher that something changed.
    let at = u32::try_from((now.0 - now.0.rem_euclid(DAY)) / 1000).unwrap_or(0);
    Ok(disclosure.text_key()?.sign(&text, at))
}

/// RFC 3339, to the second.
pub(super) fn stamp(at: Time) -> String {
    let moment = Timestamp::from_millisecond(at.0).and_then(|t| t.round(Unit::Second));
    moment.map_or_else(|_| String::new(), |t| t.to_string())
}
