use kernel::Failure;

/// An address in the one form it is stored and compared in: trimmed, lower case.
///
/// # Errors
/// `Invalid` for the member `email`.
pub fn address(text: &str) -> Result<String, Failure> {
    let address = text.trim().to_lowercase();
    let wrong = || Failure::field("email", "type", "a mail address");
    let (local, domain) = address.split_once('@').ok_or_else(wrong)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let label =
        |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !l.starts_with('-');
    let fine = (1..=64).contains(&local.len())
        && local.chars().all(plain)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && domain.contains('.')
        && domain.split('.').all(label)
        && address.len() <= 254;
    if fine { Ok(address) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(address(" Ada@North-2.Example "), Ok("ada@north-2.example".into()));
        for bad in
            ["", "a", "@b.c", "a@", "a@b", "a b@c.d", "a@b..c", "a@-b.c", "a@b.c\r\nBcc: x@y.z", "a@b@c.d", "<a@b.c>"]
        {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
