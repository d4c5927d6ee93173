//! Hand-made TLS ClientHello messages (RFC 5246, RFC 8446), for versions and suites that no library would offer.

/// Suites with forward secrecy and authenticated encryption.
pub const STRONG: [u16; 6] = [0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9];

/// Suites that must be refused, by what is wrong with them.
pub const WEAK: [(&str, &[u16]); 5] = [
    ("CBC", &[0xC023, 0xC024, 0xC027, 0xC028, 0xC009, 0xC00A, 0xC013, 0xC014]),
    ("RC4", &[0xC007, 0xC011, 0x0005, 0x0004]),
    ("3DES", &[0xC008, 0xC012, 0x000A]),
    ("RSA key exchange", &[0x009C, 0x009D, 0x002F, 0x0035, 0x003C, 0x003D]),
    ("export and null", &[0x0001, 0x0002, 0x0003, 0x0006, 0x003B, 0xC006, 0xC010]),
];

/// What a server said to a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A ServerHello with this version (`supported_versions` counts).
    Hello(u16),
    /// An alert.
    Alert(u8),
    /// Nothing before it closed, or nothing that is TLS.
    Nothing,
}

/// A ClientHello for `host` that offers up to `version` (0x0301 is 1.0) and `suites`.
#[must_use]
pub fn client_hello(host: &str, version: u16, suites: &[u16], random: [u8; 32]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend(random);
    body.push(0);
    body.extend(vector(&suites.iter().flat_map(|s| s.to_be_bytes()).collect::<Vec<u8>>(), 2));
    body.extend([1, 0]);
    let name = [&[0][..], &vector(host.as_bytes(), 2)].concat();
    let groups = [0x00, 0x1D, 0x00, 0x17, 0x00, 0x18];
    let schemes = [0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x03, 0x05, 0x01, 0x08, 0x05, 0x02, 0x03, 0x02, 0x01];
    let mut extensions = Vec::new();
    for (id, data) in [
        (0_u16, vector(&name, 2)),
        (10, vector(&groups, 2)),
        (11, vector(&[0], 1)),
        (13, vector(&schemes, 2)),
        (23, Vec::new()),
        (0xFF01, vector(&[], 1)),
    ] {
        extensions.extend(id.to_be_bytes());
        extensions.extend(vector(&data, 2));
    }
    body.extend(vector(&extensions, 2));
    let message = [&[1][..], &vector(&body, 3)].concat();
    [&[22, 3, 1][..], &vector(&message, 2)].concat()
}

/// Length in `bytes` bytes, then the data.
fn vector(data: &[u8], bytes: usize) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = length.get(4 - bytes..).unwrap_or_default().to_vec();
    out.extend(data);
    out
}

/// Reads the first message of an answer.
#[must_use]
pub fn said(answer: &[u8]) -> Said {
    match answer {
        [21, _, _, _, _, _, description, ..] => Said::Alert(*description),
        // Record header, handshake header, then version, 32 random bytes, session id, suite, compression, extensions.
        [22, _, _, _, _, 2, _, _, _, high, low, rest @ ..] => {
            let legacy = u16::from_be_bytes([*high, *low]);
            Said::Hello(selected(rest).unwrap_or(legacy))
        }
        _ => Said::Nothing,
    }
}

/// The version in a ServerHello's `supported_versions` extension.
fn selected(rest: &[u8]) -> Option<u16> {
    let session = usize::from(*rest.get(32)?);
    let mut extensions = rest.get(33 + session + 2 + 1 + 2..)?;
    while let [a, b, c, d, tail @ ..] = extensions {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let data = tail.get(..length)?;
        if (*a, *b) == (0, 43) {
            return Some(u16::from_be_bytes([*data.first()?, *data.get(1)?]));
        }
        extensions = tail.get(length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up() {
        let hello = client_hello("a.example", 0x0302, &STRONG, [7; 32]);
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
        assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
        assert_eq!(&hello[9..11], &[3, 2]);
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(said(&[21, 3, 1, 0, 2, 2, 70]), Said::Alert(70));
        assert_eq!(said(b"HTTP/1.1 400"), Said::Nothing);
        let mut hello = vec![22, 3, 3, 0, 0, 2, 0, 0, 0, 3, 3];
        hello.extend([0; 32]);
        hello.extend([0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
        assert_eq!(said(&hello), Said::Hello(0x0304));
        assert_eq!(said(&hello[..46]), Said::Hello(0x0303));
    }
}
