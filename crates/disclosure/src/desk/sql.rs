use kernel::{Id, Time};
use store::{Control, Table, statements};

/// Reports of weaknesses, incidents, and since when each secret is the same.
pub(crate) fn tables() -> Vec<Table> {
    vec![
        Table::control("report", "by the operators: sealed", "3 years after it is closed")
            .text("id")
            .blob("receipt")
            .blob("sealed")
            .int("received_at")
            .int("acknowledge_by")
            .opt_int("disclose_on")
            .opt_int("acknowledged_at")
            .opt_int("closed_at")
            .opt_text("credit")
            .unique(["receipt"])
            .index(["received_at"]),
        Table::control("report_update", "by the operators: sealed", "with its report")
            .text("report")
            .int("at")
            .blob("sealed")
            .key(2),
        Table::control("incident", "public where told", "never: the register is kept")
            .text("id")
            .text("title")
            .text("words")
            .int("known_at")
            .int("notify_by")
            .opt_int("notified_at")
            .opt_int("closed_at")
            .opt_text("replaced")
            .index(["known_at"]),
        Table::control("access_review", "by the operators", "never: the register is kept")
            .text("id")
            .int("at")
            .text("by_name")
            .text("digest")
            .text("document")
            .index(["at"]),
        Table::control("secret_seen", "names and dates only", "when the setting goes")
            .text("name")
            .blob("print")
            .int("since"),
        Table::control("test_record", "public", "never: the register is kept")
            .text("id")
            .int("at")
            .text("name")
            .text("sources")
            .text("record")
            .index(["at"]),
        Table::control("secret_former", "names and dates only", "never: an old value is as old when it comes back")
            .text("name")
            .blob("print")
            .int("since")
            .key(2),
        Table::control("departure", "names of the team", "never: the register is kept")
            .text("id")
            .text("name")
            .int("left_at")
            .int("told_at")
            .index(["left_at"]),
    ]
}

/// A report: id, sealed, received, due, disclosure, acknowledged, closed, credit.
pub(super) type Kept = (String, Vec<u8>, Time, Time, Option<Time>, Option<Time>, Option<Time>, Option<String>);
/// An incident: id, title, words, known, notify by, notified, closed, what was replaced.
pub(super) type Happened = (String, String, String, Time, Time, Option<Time>, Option<Time>, Option<String>);

statements! {
    RECEIVE: Change<Control, (Id, [u8; 32], Vec<u8>, Time, Time, Option<Time>, Option<String>)> =
        "INSERT INTO report (id, receipt, sealed, received_at, acknowledge_by, disclose_on, credit)
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    BY_RECEIPT: Query<Control, ([u8; 32],), Kept> =
        "SELECT id, sealed, received_at, acknowledge_by, disclose_on, acknowledged_at, closed_at, credit
         FROM report WHERE receipt = $1";
    BY_ID: Query<Control, (Id,), Kept> =
        "SELECT id, sealed, received_at, acknowledge_by, disclose_on, acknowledged_at, closed_at, credit
         FROM report WHERE id = $1";
    /// The newest first; at most so many.
    REPORTS: Query<Control, (i64,), Kept> =
        "SELECT id, sealed, received_at, acknowledge_by, disclose_on, acknowledged_at, closed_at, credit
         FROM report ORDER BY received_at DESC, id LIMIT $1";
    /// How many wait, and until when the first of them may.
    OPEN: Query<Control, (), (i64, Option<Time>)> =
        "SELECT COUNT(*), MIN(acknowledge_by) FROM report WHERE acknowledged_at IS NULL AND closed_at IS NULL";
    /// The longest that anybody waited for an answer, in milliseconds.
    SLOWEST: Query<Control, (), (Option<i64>,)> =
        "SELECT MAX(acknowledged_at - received_at) FROM report WHERE acknowledged_at IS NOT NULL";
    ACKNOWLEDGE: Change<Control, (Id, Time)> =
        "UPDATE report SET acknowledged_at = $2 WHERE id = $1 AND acknowledged_at IS NULL AND closed_at IS NULL";
    /// Closing is an answer too.
    CLOSE: Change<Control, (Id, Time, Option<String>)> =
        "UPDATE report SET closed_at = $2, acknowledged_at = COALESCE(acknowledged_at, $2), credit = $3
         WHERE id = $1 AND closed_at IS NULL";
    UPDATE: Change<Control, (Id, Time, Vec<u8>)> = "INSERT INTO report_update (report, at, sealed) VALUES ($1, $2, $3)";
    UPDATES: Query<Control, (String,), (Time, Vec<u8>)> =
        "SELECT at, sealed FROM report_update WHERE report = $1 ORDER BY at";
    /// Who is thanked: name, when.
    THANKED: Query<Control, (), (Option<String>, Option<Time>)> =
        "SELECT credit, closed_at FROM report WHERE closed_at IS NOT NULL AND credit IS NOT NULL ORDER BY closed_at DESC";

    OPENED: Change<Control, (Id, String, String, Time, Time)> =
        "INSERT INTO incident (id, title, words, known_at, notify_by) VALUES ($1, $2, $3, $4, $5)";
    NOTIFIED: Change<Control, (Id, Time)> = "UPDATE incident SET notified_at = $2 WHERE id = $1 AND notified_at IS NULL";
    ENDED: Change<Control, (Id, Time, String, Option<String>)> =
        "UPDATE incident SET closed_at = $2, words = $3, replaced = $4 WHERE id = $1 AND closed_at IS NULL";
    INCIDENTS: Query<Control, (i64,), Happened> =
        "SELECT id, title, words, known_at, notify_by, notified_at, closed_at, replaced
         FROM incident ORDER BY known_at DESC, id LIMIT $1";

    SECRETS: Query<Control, (), (String, Vec<u8>, Time)> = "SELECT name, print, since FROM secret_seen ORDER BY name";
    /// A new value, or a new name.
    SECRET_SEEN: Change<Control, (String, Vec<u8>, Time)> =
        "INSERT INTO secret_seen (name, print, since) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET print = excluded.print, since = excluded.since";
    FORMER: Query<Control, (), (String, Vec<u8>, Time)> = "SELECT name, print, since FROM secret_former";
    /// The value in force is one that was, from now on.
    SECRET_FORMER: Change<Control, (String,)> =
        "INSERT INTO secret_former (name, print, since) SELECT name, print, since FROM secret_seen WHERE name = $1
         ON CONFLICT (name, print) DO NOTHING";
    /// A record of test runs: id, when, by whom, of which sources, its text.
    RECORDED: Change<Control, (Id, Time, String, String, String)> =
        "INSERT INTO test_record (id, at, name, sources, record) VALUES ($1, $2, $3, $4, $5)";
    /// The latest of these sources.
    RECORD: Query<Control, (String,), (Time, String, String)> =
        "SELECT at, name, record FROM test_record WHERE sources = $1 ORDER BY at DESC, id DESC LIMIT 1";
    /// Somebody of the team left: id, name, when, when it was recorded.
    LEFT: Change<Control, (Id, String, Time, Time)> =
        "INSERT INTO departure (id, name, left_at, told_at) VALUES ($1, $2, $3, $4)";
    LEFT_AT: Query<Control, (), (Time,)> = "SELECT left_at FROM departure";
    DEPARTURES: Query<Control, (i64,), (String, Time)> =
        "SELECT name, left_at FROM departure ORDER BY left_at DESC, id LIMIT $1";
    SECRET_GONE: Change<Control, (String,)> = "DELETE FROM secret_seen WHERE name = $1";

    REVIEWED: Change<Control, (Id, Time, String, String, String)> =
        "INSERT INTO access_review (id, at, by_name, digest, document) VALUES ($1, $2, $3, $4, $5)";
    /// The newest first: id, when, by whom, digest.
    REVIEWS: Query<Control, (i64,), (String, Time, String, String)> =
        "SELECT id, at, by_name, digest FROM access_review ORDER BY at DESC, id LIMIT $1";
    REVIEW: Query<Control, (Id,), (String,)> = "SELECT document FROM access_review WHERE id = $1";
}
