//! The network sockets of a process, as Linux shows them: `/proc/<pid>/fd` says which are its own, `/proc/<pid>/net` what they are.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use crate::evidence::{Miss, unclear};

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Socket {
    /// Whether it is UDP.
    pub(super) udp: bool,
    /// Whether it waits for connections; a UDP socket that is bound does.
    pub(super) listens: bool,
    /// Its own end.
    pub(super) here: SocketAddr,
    /// The other end.
    pub(super) there: SocketAddr,
}

/// Every socket of a process.
pub(super) fn of(pid: u32) -> Result<Vec<Socket>, Miss> {
    let mut own = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let target = std::fs::read_link(entry?.path()).unwrap_or_default();
        let inode = target.to_str().and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok());
        own.extend(inode);
    }
    let mut out = Vec::new();
    for (name, udp) in [("tcp", false), ("tcp6", false), ("udp", true), ("udp6", true)] {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
        out.extend(
            table
                .lines()
                .skip(1)
                .filter_map(|line| row(line, udp))
                .filter(|(inode, _)| own.contains(inode))
                .map(|(_, s)| s),
        );
    }
    out.sort();
    if out.is_empty() { unclear("the system shows no socket of the server") } else { Ok(out) }
}

fn row(line: &str, udp: bool) -> Option<(u64, Socket)> {
    let mut words = line.split_whitespace().skip(1);
    let (here, there, state) = (address(words.next()?)?, address(words.next()?)?, words.next()?);
    let inode = words.nth(5)?.parse().ok()?;
    Some((inode, Socket { udp, listens: state == "0A" || (udp && state == "07"), here, there }))
}

/// `0100007F:1F90`: words of 32 bits in the machine's order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for at in (0..ip.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Whether an address is of a network of one's own (RFC 6890), judged apart from the server's judgement.
pub(super) fn private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            matches!((a, b), (127 | 10, _) | (192, 168) | (169, 254) | (172, 16..=31) | (100, 64..=127))
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || matches!(ip.segments(), [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 ffff 100 0 0 10 0";
        let (inode, socket) = row(line, false).unwrap();
        assert_eq!((inode, socket.listens, socket.here), (12345, true, "127.0.0.1:8080".parse().unwrap()));
        let six = address("00000000000000000000000001000000:0050").unwrap();
        assert_eq!(six, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn the_test_itself_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        assert!(of(std::process::id()).unwrap().iter().any(|s| s.listens && !s.udp && s.here == at));
    }
}
