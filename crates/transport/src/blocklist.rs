//! "Addresses known for attacks are turned away without anyone lifting a finger." Lists of networks from files that somebody
//! else keeps fresh; read again by themselves when they change, judged before TLS begins.

use std::{
    fs,
    net::IpAddr,
    path::PathBuf,
    sync::{PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use ipnet::IpNet;
use kernel::Time;

/// The lists in force.
#[derive(Default)]
pub struct Blocklist {
    files: Vec<PathBuf>,
    /// From variables: as they were at start.
    fixed: Vec<IpNet>,
    /// Milliseconds after which a list is too old.
    max_age: i64,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// First and last address of each network, mapped into IPv6; sorted, without overlaps.
    ranges: Vec<(u128, u128)>,
    /// When each file was last written.
    written: Vec<Option<SystemTime>>,
}

/// How the lists stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// Ranges of addresses turned away.
    pub ranges: usize,
    /// Age of the oldest list, in milliseconds; none when there is no list.
    pub age: Option<i64>,
    /// Whether a declared list is missing or older than the manifest allows.
    pub stale: bool,
}

impl Blocklist {
    /// Lists from files and texts. What is missing now comes into force when it appears.
    ///
    /// # Errors
    /// Words for the terminal, when a list that is there cannot be read.
    pub fn new(files: Vec<PathBuf>, texts: &[String], max_age: i64) -> Result<Self, String> {
        let mut fixed = Vec::new();
        for text in texts {
            fixed.extend(networks(text).map_err(|line| format!("edge.blocklist: entry {line} is no network"))?);
        }
        let made = Self { files, fixed, max_age, state: RwLock::default() };
        made.refresh()?;
        Ok(made)
    }

    /// Reads the lists again if one was written since; whether it did. What is wrong now leaves the old ones in force.
    ///
    /// # Errors
    /// Words for the log that name the file and line.
    pub fn refresh(&self) -> Result<bool, String> {
        let written: Vec<_> = self.files.iter().map(|f| fs::metadata(f).and_then(|m| m.modified()).ok()).collect();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.written == written && (self.fixed.is_empty() || !state.ranges.is_empty()) {
            return Ok(false);
        }
        drop(state);
        let mut all = self.fixed.clone();
        for (file, _) in self.files.iter().zip(&written).filter(|(_, w)| w.is_some()) {
            let text = fs::read_to_string(file).map_err(|e| format!("edge.blocklist: {}: {e}", file.display()))?;
            let wrong = |line| format!("edge.blocklist: {}:{line}: neither an address nor a network", file.display());
            all.extend(networks(&text).map_err(wrong)?);
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State { ranges: merged(&all), written };
        Ok(true)
    }

    /// Whether an address is turned away.
    #[must_use]
    pub fn holds(&self, ip: IpAddr) -> bool {
        if kernel::sabotage::off("edge.blocklist") {
            return false;
        }
        let at = number(ip);
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let next = state.ranges.partition_point(|(first, _)| *first <= at);
        next.checked_sub(1).and_then(|i| state.ranges.get(i)).is_some_and(|(_, last)| at <= *last)
    }

    /// How the lists stand at a moment.
    #[must_use]
    pub fn standing(&self, now: Time) -> Standing {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let age = |written: &SystemTime| {
            let at = written.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0));
            now.0.saturating_sub(at).max(0)
        };
        let oldest = state.written.iter().flatten().map(age).max();
        let stale = state.written.iter().any(Option::is_none) || oldest.is_some_and(|age| age > self.max_age);
        Standing { ranges: state.ranges.len(), age: oldest, stale }
    }

    /// Whether any list is declared.
    #[must_use]
    pub const fn declared(&self) -> bool {
        !self.files.is_empty() || !self.fixed.is_empty()
    }
}

/// One network a line; what follows `#` or `;` is a remark. `Err`: the line that is none.
fn networks(text: &str) -> Result<Vec<IpNet>, usize> {
    let mut out = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for word in line.split(['#', ';']).next().unwrap_or_default().split([',', ' ', '\t']).filter(|w| !w.is_empty())
        {
            let net = word.parse::<IpNet>().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
            // Everybody is no list.
            out.push(net.ok().filter(|net| net.prefix_len() > 0).ok_or(at + 1)?);
        }
    }
    Ok(out)
}

fn number(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

fn merged(networks: &[IpNet]) -> Vec<(u128, u128)> {
    let mut ranges: Vec<_> = networks.iter().map(|n| (number(n.network()), number(n.broadcast()))).collect();
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let joins = next.0 <= kept.1;
        if joins {
            kept.1 = kept.1.max(next.1);
        }
        joins
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(list: &Blocklist, ip: &str) -> bool {
        list.holds(ip.parse().unwrap())
    }

    #[test]
    fn networks_and_addresses_of_both_kinds_are_held() {
        let text =
            "192.0.2.0/24 ; listed\n# a remark\n\n198.51.100.7, 2001:db8:a::/48\n192.0.2.128/25\n10.0.0.0/8".to_owned();
        let list = Blocklist::new(Vec::new(), &[text], 1).unwrap();
        assert_eq!(list.standing(Time(0)).ranges, 4);
        for ip in
            ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.9", "198.51.100.7", "2001:db8:a:ffff::1", "10.255.255.255"]
        {
            assert!(holds(&list, ip), "{ip}");
        }
        for ip in ["192.0.1.255", "192.0.3.0", "198.51.100.8", "2001:db8:b::1", "9.255.255.255", "11.0.0.0", "::"] {
            assert!(!holds(&list, ip), "{ip}");
        }
        for wrong in ["192.0.2.0/33", "evil.example", "0.0.0.0/0", "::/0"] {
            assert!(Blocklist::new(Vec::new(), &[wrong.to_owned()], 1).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_changes_and_a_bad_one_is_not_believed() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("bad.cidr");
        let list = Blocklist::new(vec![file.clone()], &[], 86_400_000).unwrap();
        assert!(list.standing(Time(0)).stale && !holds(&list, "192.0.2.1"));
        let put = |text: &str, at: u64| {
            fs::write(&file, text).unwrap();
            let when = UNIX_EPOCH + std::time::Duration::from_secs(at);
            fs::File::options().write(true).open(&file).unwrap().set_modified(when).unwrap();
        };
        put("192.0.2.1", 1000);
        assert_eq!((list.refresh(), list.refresh()), (Ok(true), Ok(false)));
        assert!(holds(&list, "192.0.2.1"));
        assert_eq!(list.standing(Time(1_500_000)), Standing { ranges: 1, age: Some(500_000), stale: false });
        assert!(list.standing(Time(1_000_000 + 86_400_001)).stale);
        put("nonsense", 2000);
        assert!(list.refresh().unwrap_err().contains("bad.cidr:1"));
        assert!(holds(&list, "192.0.2.1"));
    }
}
