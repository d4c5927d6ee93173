//! Counters of one server, lock-free.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Upper bounds of the latency histogram, in microseconds, and as Prometheus prints them.
const BOUNDS: [(u64, &str); 14] = [
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (30_000_000, "30"),
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Refusals before a principal exists: no leaf, so a counter.
const REFUSALS: [u16; 4] = [401, 403, 421, 429];

#[derive(Default)]
pub(crate) struct Metrics {
    classes: [AtomicU64; 5],
    refusals: [AtomicU64; 4],
    buckets: [AtomicU64; 14],
    micros: AtomicU64,
    count: AtomicU64,
    lost: AtomicU64,
    csp_reports: AtomicU64,
}

impl Metrics {
    pub(crate) fn request(&self, status: u16, micros: u64) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(count) = self.classes.get(class) {
            count.fetch_add(1, Relaxed);
        }
        if let Some((_, count)) = REFUSALS.iter().zip(&self.refusals).find(|(s, _)| **s == status) {
            count.fetch_add(1, Relaxed);
        }
        if let Some((_, count)) = BOUNDS.iter().zip(&self.buckets).find(|((bound, _), _)| micros <= *bound) {
            count.fetch_add(1, Relaxed);
        }
        self.micros.fetch_add(micros, Relaxed);
        self.count.fetch_add(1, Relaxed);
    }
    pub(crate) fn lost(&self, lines: u64) {
        self.lost.fetch_add(lines, Relaxed);
    }
    pub(crate) fn lines_lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
    pub(crate) fn csp_report(&self) {
        self.csp_reports.fetch_add(1, Relaxed);
    }

    pub(crate) fn text(&self) -> String {
        let mut out = String::with_capacity(2048);
        let mut line = |text: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = out.write_fmt(text);
            out.push('\n');
        };
        line(format_args!("# TYPE vouchsafe_requests_total counter"));
        for (class, count) in CLASSES.iter().zip(&self.classes) {
            line(format_args!("vouchsafe_requests_total{{class=\"{class}\"}} {}", count.load(Relaxed)));
        }
        line(format_args!("# TYPE vouchsafe_refusals_total counter"));
        for (status, count) in REFUSALS.iter().zip(&self.refusals) {
            line(format_args!("vouchsafe_refusals_total{{status=\"{status}\"}} {}", count.load(Relaxed)));
        }
        line(format_args!("# TYPE vouchsafe_request_seconds histogram"));
        let mut sum = 0;
        for ((_, bound), count) in BOUNDS.iter().zip(&self.buckets) {
            sum += count.load(Relaxed);
            line(format_args!("vouchsafe_request_seconds_bucket{{le=\"{bound}\"}} {sum}"));
        }
        let (count, micros) = (self.count.load(Relaxed), self.micros.load(Relaxed));
        line(format_args!("vouchsafe_request_seconds_bucket{{le=\"+Inf\"}} {count}"));
        let seconds = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
        line(format_args!("vouchsafe_request_seconds_sum {seconds}"));
        line(format_args!("vouchsafe_request_seconds_count {count}"));
        line(format_args!("# TYPE vouchsafe_log_lines_lost_total counter"));
        line(format_args!("vouchsafe_log_lines_lost_total {}", self.lines_lost()));
        line(format_args!("# TYPE vouchsafe_csp_reports_total counter"));
        line(format_args!("vouchsafe_csp_reports_total {}", self.csp_reports.load(Relaxed)));
        out
    }
}
