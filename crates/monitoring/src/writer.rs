//! The one thread that writes lines.

use std::{
    io::{BufWriter, Write},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender},
    },
    time::Duration,
};

use crate::{
    Field, Level, Line,
    line::{self, Note},
    monitor::Shared,
};

/// What goes through the channel.
pub(crate) enum Message {
    Access(Line),
    Note(Box<Note>),
    /// Answer when everything before is written.
    Flush(SyncSender<()>),
}

/// After the first line the writer waits so long for company: while it sleeps, a request's send wakes nobody.
const GATHER: Duration = Duration::from_millis(10);

/// Writes until every sender is gone.
pub(crate) fn write(messages: &Receiver<Message>, sink: Box<dyn Write + Send>, shared: &Arc<Shared>) {
    let mut out = BufWriter::with_capacity(64 * 1024, sink);
    let mut text = String::with_capacity(1024);
    let mut lost = 0;
    while let Ok(first) = messages.recv() {
        let mut waiting = Vec::new();
        let mut next = Some(first);
        if !matches!(next, Some(Message::Flush(_))) {
            std::thread::sleep(GATHER);
        }
        while let Some(message) = next {
            text.clear();
            match message {
                Message::Access(line) => line::access(&line, &mut text),
                Message::Note(note) => line::note(&note, &mut text),
                Message::Flush(done) => waiting.push(done),
            }
            // A full disk or a closed pipe must not stop the server: the line is lost and counted.
            if out.write_all(text.as_bytes()).is_err() {
                shared.metrics.lost(1);
            }
            next = messages.try_recv().ok();
        }
        let total = shared.metrics.lines_lost();
        if total > lost {
            text.clear();
            line::note(&said(shared, total - lost), &mut text);
            lost = total;
            let _ = out.write_all(text.as_bytes());
        }
        let _ = out.flush();
        for done in waiting {
            let _ = done.try_send(());
        }
    }
}

fn said(shared: &Shared, count: u64) -> Note {
    Note {
        at: shared.clock.now(),
        level: Level::Warn,
        request: None,
        tenant: None,
        message: "log lines were lost",
        fields: vec![("count", Field::Number(i64::try_from(count).unwrap_or(i64::MAX)))],
    }
}
