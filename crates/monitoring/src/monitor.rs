use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use kernel::{Clock, Failure, RequestId, TenantId};

use crate::{
    Field, Level, Line,
    line::Note,
    metrics::Metrics,
    writer::{Message, write},
};

/// Lines that may wait for the writer.
const WAITING: usize = 4096;

/// Where lines go.
pub enum Sink {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appended to a file, made with mode 0600.
    File(PathBuf),
    /// Anything else.
    Other(Box<dyn Write + Send>),
    /// Nowhere; requests are counted all the same.
    Nowhere,
}

pub(crate) struct Shared {
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Logs and counters of one server. Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    shared: Arc<Shared>,
    lines: Option<SyncSender<Message>>,
    level: Level,
}

impl Monitor {
    /// Starts the writer thread. Lines below `level` are not written.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be started.
    pub fn start(sink: Sink, level: Level, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let shared = Arc::new(Shared { metrics: Metrics::default(), clock });
        let sink: Box<dyn Write + Send> = match sink {
            Sink::Stdout => Box::new(io::stdout()),
            Sink::Stderr => Box::new(io::stderr()),
            Sink::File(path) => Box::new(OpenOptions::new().create(true).append(true).mode(0o600).open(path)?),
            Sink::Other(sink) => sink,
            Sink::Nowhere => return Ok(Self { shared, lines: None, level }),
        };
        let (lines, messages) = sync_channel(WAITING);
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || write(&messages, sink, &theirs))?;
        Ok(Self { shared, lines: Some(lines), level })
    }

    /// One answered request: counted and logged. Never blocks.
    pub fn access(&self, line: Line) {
        self.shared.metrics.request(line.status, line.micros);
        let level = if line.status >= 500 { Level::Error } else { Level::Info };
        if level >= self.level {
            self.send(Message::Access(line));
        }
    }

    /// Something else that happened. `message` and the fields' names are constants; never blocks.
    pub fn event(
        &self,
        level: Level,
        request: Option<RequestId>,
        tenant: Option<TenantId>,
        message: &'static str,
        fields: Vec<(&'static str, Field)>,
    ) {
        if level >= self.level {
            let at = self.shared.clock.now();
            self.send(Message::Note(Box::new(Note { at, level, request, tenant, message, fields })));
        }
    }

    /// The detail of an internal failure, which no answer shows. Other failures are the caller's affair: not logged.
    pub fn failure(&self, failure: &Failure, request: Option<RequestId>, tenant: Option<TenantId>) {
        match failure {
            Failure::Internal(detail) => {
                let fields = vec![("detail", Field::Text(detail.to_string()))];
                self.event(Level::Error, request, tenant, "internal failure", fields);
            }
            Failure::Filtered(rule) => {
                let fields = vec![("rule", Field::Text((*rule).to_owned()))];
                self.event(Level::Warn, request, tenant, "request filtered", fields);
            }
            Failure::Unknown => self.event(Level::Error, request, tenant, "outcome of a write is unknown", Vec::new()),
            Failure::DiskFull => self.event(Level::Error, request, tenant, "the disk is full", Vec::new()),
            _ => {}
        }
    }

    /// Writes a line for each panic from now on, with its place in the source, instead of printing it.
    pub fn catch_panics(&self) {
        let monitor = self.clone();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or("no text").to_owned();
            let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
            let fields = vec![("detail", Field::Text(text)), ("place", Field::Text(place))];
            monitor.event(Level::Error, None, None, "panic", fields);
        }));
    }

    /// One report of a violated content security policy.
    pub fn csp_report(&self) {
        self.shared.metrics.csp_report();
    }

    /// Counters in the text format of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.shared.metrics.text()
    }

    /// Returns when every line before is written, or after a second: for the end of the program.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if let Some(lines) = &self.lines
            && lines.send(Message::Flush(done)).is_ok()
        {
            let _ = written.recv_timeout(Duration::from_secs(1));
        }
    }

    fn send(&self, message: Message) {
        if let Some(lines) = &self.lines
            && lines.try_send(message).is_err()
        {
            self.shared.metrics.lost(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::{Mutex, mpsc::Receiver},
        time::Instant,
    };

    use http::Method;
    use kernel::{Id, Steered, Time};
    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A disk that hangs until told otherwise.
    struct Stuck(Receiver<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn clock() -> Arc<dyn Clock> {
        Arc::new(Steered::at(Time(1_700_000_000_000)))
    }

    fn line(status: u16) -> Line {
        Line {
            at: Time(1_700_000_000_000),
            request: RequestId(Id::NIL),
            tenant: Some(TenantId::HOUSE),
            method: Method::GET,
            route: "",
            status,
            micros: 700,
            bytes: 0,
            actor: "visitor",
            address: Ipv4Addr::LOCALHOST.into(),
        }
    }

    #[test]
    fn lines_come_out_in_order_and_whole() {
        let kept = Kept::default();
        let monitor = Monitor::start(Sink::Other(Box::new(kept.clone())), Level::Info, clock()).unwrap();
        for status in [200, 404, 500] {
            monitor.access(line(status));
        }
        monitor.event(Level::Debug, None, None, "not written", Vec::new());
        monitor.failure(&Failure::internal("store: token=abcdefgh of me@here.example"), None, None);
        monitor.failure(&Failure::NotFound, None, None);
        monitor.flush();
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2]["level"], "error");
        assert_eq!(lines[3]["detail"], "store: token=[secret] of [email]");
    }

    #[test]
    fn a_writer_that_hangs_delays_no_request() {
        let (go, stuck) = sync_channel(0);
        let monitor = Monitor::start(Sink::Other(Box::new(Stuck(stuck))), Level::Info, clock()).unwrap();
        let start = Instant::now();
        for _ in 0..WAITING * 4 {
            monitor.access(line(200));
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(monitor.shared.metrics.lines_lost() > 0);
        drop(go);
    }

    #[test]
    fn files_are_private_and_appended_to() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.json");
        for _ in 0..2 {
            let monitor = Monitor::start(Sink::File(path.clone()), Level::Info, clock()).unwrap();
            monitor.access(line(200));
            monitor.flush();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn counters_count_without_a_sink() {
        let monitor = Monitor::start(Sink::Nowhere, Level::Error, clock()).unwrap();
        for status in [200, 201, 401, 421, 429, 503] {
            monitor.access(line(status));
        }
        monitor.csp_report();
        let text = monitor.metrics();
        for expected in [
            "vouchsafe_requests_total{class=\"2xx\"} 2",
            "vouchsafe_requests_total{class=\"4xx\"} 3",
            "vouchsafe_refusals_total{status=\"401\"} 1",
            "vouchsafe_refusals_total{status=\"421\"} 1",
            "vouchsafe_refusals_total{status=\"429\"} 1",
            "vouchsafe_request_seconds_bucket{le=\"0.0005\"} 0",
            "vouchsafe_request_seconds_bucket{le=\"0.001\"} 6",
            "vouchsafe_request_seconds_bucket{le=\"+Inf\"} 6",
            "vouchsafe_request_seconds_sum 0.0042",
            "vouchsafe_request_seconds_count 6",
            "vouchsafe_csp_reports_total 1",
        ] {
            assert!(text.lines().any(|l| l == expected), "{expected}\n{text}");
        }
    }
}
