//! Faults on purpose. What a handler that panics or runs out of time leaves behind must not reach the next request; a probe
//! can only see that where such a thing happens. Told through the standard input of the instance that `verify` starts, and
//! in no other way.

use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    task::Poll,
};

use kernel::Failure;

/// What becomes of a reading request in its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its handler panics.
    Panic,
    /// Its time is up.
    Late,
}

/// How often. Asking costs one relaxed load while there are none.
#[derive(Default)]
pub(crate) struct Faults {
    every: AtomicU32,
    seen: AtomicU32,
}

impl Faults {
    /// One in so many from now on, panics and time-outs in turn; none at 0.
    pub(crate) fn set(&self, every: u32) {
        self.every.store(every, Ordering::Relaxed);
    }

    /// Whether it is this request's turn.
    pub(crate) fn next(&self) -> Option<Fault> {
        let every = self.every.load(Ordering::Relaxed);
        if every == 0 {
            return None;
        }
        let turn = self.seen.fetch_add(1, Ordering::Relaxed);
        match turn.checked_div(every).filter(|_| turn.is_multiple_of(every))? {
            n if n.is_multiple_of(2) => Some(Fault::Panic),
            _ => Some(Fault::Late),
        }
    }
}

/// Lets a handler begin and ends it while it waits.
///
/// # Errors
/// Busy, as when a handler's time is up.
pub(crate) async fn struck<T>(fault: Fault, handler: impl Future<Output = T>) -> Result<T, Failure> {
    let mut handler = pin!(handler);
    poll_fn(|cx| Poll::Ready(handler.as_mut().poll(cx).is_pending())).await;
    #[expect(clippy::panic, reason = "this is what it is for")]
    match fault {
        Fault::Panic => panic!("a fault on purpose"),
        Fault::Late => Err(Failure::Busy(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_turn_and_only_when_told() {
        let faults = Faults::default();
        assert_eq!(faults.next(), None);
        faults.set(3);
        let seen: Vec<_> = (0..9).map(|_| faults.next()).collect();
        let (panic, late) = (Some(Fault::Panic), Some(Fault::Late));
        assert_eq!(seen, [panic, None, None, late, None, None, panic, None, None]);
        faults.set(0);
        assert_eq!(faults.next(), None);
    }
}
