//! The two clocks of a running server.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use kernel::{Clock, Time};

use crate::faults::Faults;

/// The machine's clock, moved by an offset that only `verify`'s own instance ever sets.
#[derive(Default)]
pub struct Machine(AtomicI64);

impl Clock for Machine {
    fn now(&self) -> Time {
        #[expect(clippy::disallowed_methods, reason = "the one place where time is read")]
        let now = jiff::Timestamp::now().as_millisecond();
        Time(now.saturating_add(self.0.load(Ordering::Relaxed)))
    }
}

impl Machine {
    /// Follows commands on `from`, one a line: `advance <milliseconds>` moves time, `faults <n>` lets one reading request in
    /// `n` fail in its middle (none at 0). Neither is answered: the caller sees what happens. When `from` ends, whoever steered is gone, and `orphaned` is told. Only the instance that `verify` starts has such a
    /// descriptor.
    pub(crate) fn follow(
        self: &Arc<Self>,
        faults: &Arc<Faults>,
        from: impl Read + Send + 'static,
        orphaned: Arc<tokio::sync::Notify>,
    ) {
        let (clock, faults) = (Arc::clone(self), Arc::clone(faults));
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if let Some(millis) = line.strip_prefix("advance ").and_then(|m| m.trim().parse().ok()) {
                    clock.0.fetch_add(millis, Ordering::SeqCst);
                } else if let Some(every) = line.strip_prefix("faults ").and_then(|n| n.trim().parse().ok()) {
                    faults.set(every);
                }
            }
            orphaned.notify_one();
        });
    }
}
