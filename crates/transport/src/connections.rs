use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use limits::network;

/// Open connections, counted in all and per address (/64 for IPv6). Cheap to clone.
#[derive(Clone)]
pub struct Connections(Arc<Counts>);

struct Counts {
    per_ip: u32,
    most: usize,
    all: AtomicUsize,
    each: Mutex<HashMap<u128, u32>>,
}

/// One open connection; ends when dropped.
pub struct Guard {
    counts: Arc<Counts>,
    network: u128,
}

impl Connections {
    /// At most `per_ip` of one address and `most` in all.
    #[must_use]
    pub fn new(per_ip: u32, most: usize) -> Self {
        Self(Arc::new(Counts { per_ip, most, all: AtomicUsize::new(0), each: Mutex::default() }))
    }

    /// Counts a connection, unless a cap is reached. `ip` is the socket's: of a declared proxy, do not ask.
    #[must_use]
    pub fn enter(&self, ip: IpAddr) -> Option<Guard> {
        let counts = &self.0;
        let taken = |all: usize| (all < counts.most).then_some(all + 1);
        counts.all.fetch_update(Ordering::AcqRel, Ordering::Acquire, taken).ok()?;
        let network = network(ip);
        let mut each = counts.each.lock().unwrap_or_else(PoisonError::into_inner);
        let count = each.entry(network).or_default();
        if *count >= counts.per_ip && !kernel::sabotage::off("edge.flood_caps") {
            if *count == 0 {
                each.remove(&network);
            }
            counts.all.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        *count += 1;
        drop(each);
        Some(Guard { counts: Arc::clone(counts), network })
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.all.load(Ordering::Acquire)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut each = self.counts.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = each.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                each.remove(&self.network);
            }
        }
        self.counts.all.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_hold_per_address_and_in_all_and_closing_makes_room() {
        let c = Connections::new(2, 4);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = c.enter(ip("192.0.2.1")).unwrap();
        let _second = c.enter(ip("::ffff:192.0.2.1")).unwrap();
        assert!(c.enter(ip("192.0.2.1")).is_none());
        let _six = (c.enter(ip("2001:db8::1")).unwrap(), c.enter(ip("2001:db8::2")).unwrap());
        assert!(c.enter(ip("192.0.2.9")).is_none());
        drop(first);
        assert_eq!(c.open(), 3);
        assert!(c.enter(ip("2001:db8::3")).is_none());
        drop(c.enter(ip("192.0.2.1")).unwrap());
        assert_eq!((c.open(), c.0.each.lock().unwrap().len()), (3, 2));
    }

    #[test]
    fn a_cap_of_zero_leaves_nothing_behind() {
        let c = Connections::new(0, 4);
        assert!(c.enter(IpAddr::from([1, 2, 3, 4])).is_none());
        assert_eq!((c.open(), c.0.each.lock().unwrap().len()), (0, 0));
    }
}
