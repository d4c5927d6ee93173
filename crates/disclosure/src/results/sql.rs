use kernel::Time;
use store::{Control, Table, Value, statements};

use super::known::Known;

/// Verdicts and what people signed. All of it is public, so an export of a tenant holds none.
pub(crate) fn tables() -> Vec<Table> {
    let public = "never: it is the house's, and public on the trust page";
    vec![
        Table::control("check_seen", public, "never: replaced by the next look")
            .text("check_id")
            .text("verdict")
            .text("evidence")
            .text("summary")
            .opt_text("finding")
            .text("note")
            .text("place")
            .int("steered")
            .int("at")
            .text("build")
            .opt_int("tried_at")
            .opt_text("tried"),
        Table::control("verdict", public, "never: replaced by the next round")
            .text("claim")
            .text("verdict")
            .int("since")
            .opt_int("checked_at"),
        Table::control("verdict_day", public, "400 days later")
            .text("claim")
            .int("day")
            .int("worst")
            .int("proofs")
            .int("failures")
            .key(2),
        Table::control("verdict_change", public, "never")
            .text("id")
            .text("claim")
            .int("at")
            .text("was")
            .text("became")
            .text("words")
            .text("run")
            .index(["claim", "at"]),
        Table::control(
            "verdict_run",
            public,
            "a run in which no verdict changed 7 days later, its report's bytes with the next run; others never",
        )
        .text("id")
        .int("began")
        .int("took_ms")
        .int("published_at")
        .text("build")
        .int("promises")
        .int("proven")
        .int("failing")
        .int("changed")
        .text("sha256")
        .text("signature")
        .opt_blob("report")
        .index(["published_at"]),
        Table::control("wording", public, "never")
            .text("claim")
            .int("since")
            .text("words")
            .text("kind")
            .text("checks")
            .opt_int("until")
            .opt_text("last")
            .key(2),
        Table::control("attestation", public, "never").text("id").text("subject").int("signed_at").text("jws"),
    ]
}

/// Id, began, took, published, build, SHA-256, signature.
pub(crate) type Run = (String, Time, i64, Time, String, String, String);
/// Claim, since, words, kind, checks, until, last verdict.
pub(crate) type Worded = (String, Time, String, String, String, Option<Time>, Option<String>);

statements! {
    /// The latest of every check.
    CHECKS: Query<Control, (), Known> =
        "SELECT check_id, verdict, evidence, summary, finding, note, place, steered, at, build, tried_at, tried FROM check_seen";
    /// The latest of one check.
    PUT_CHECK: Change<Control, Vec<Value>> =
        "INSERT INTO check_seen (check_id, verdict, evidence, summary, finding, note, place, steered, at, build, tried_at, tried) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (check_id) DO UPDATE SET \
         verdict = excluded.verdict, evidence = excluded.evidence, summary = excluded.summary, finding = excluded.finding, \
         note = excluded.note, place = excluded.place, steered = excluded.steered, at = excluded.at, build = excluded.build, \
         tried_at = excluded.tried_at, tried = excluded.tried";
    /// Every promise's verdict as it was published last.
    VERDICTS: Query<Control, (), (String, String, Time, Option<Time>)> =
        "SELECT claim, verdict, since, checked_at FROM verdict";
    /// One promise's.
    PUT_VERDICT: Change<Control, (String, &'static str, Time, Option<Time>)> =
        "INSERT INTO verdict (claim, verdict, since, checked_at) VALUES ($1, $2, $3, $4) ON CONFLICT (claim) DO UPDATE SET \
         verdict = excluded.verdict, since = excluded.since, checked_at = excluded.checked_at";
    /// Days from one on: claim, day, worst, proofs, failures.
    DAYS: Query<Control, (i64,), (String, i64, i64, i64, i64)> =
        "SELECT claim, day, worst, proofs, failures FROM verdict_day WHERE day >= $1 ORDER BY claim, day";
    /// One more look on a day.
    PUT_DAY: Change<Control, (String, i64, i64, i64, i64)> =
        "INSERT INTO verdict_day (claim, day, worst, proofs, failures) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (claim, day) DO UPDATE SET \
         worst = CASE WHEN excluded.worst < verdict_day.worst THEN excluded.worst ELSE verdict_day.worst END, \
         proofs = verdict_day.proofs + excluded.proofs, failures = verdict_day.failures + excluded.failures";
    /// Days before one go.
    DROP_DAYS: Change<Control, (i64,)> = "DELETE FROM verdict_day WHERE day < $1";
    /// Changes of one promise: when, was, became, words, run.
    CHANGES: Query<Control, (String,), (Time, String, String, String, String)> =
        "SELECT at, was, became, words, run FROM verdict_change WHERE claim = $1 ORDER BY at, id";
    /// How often each promise was seen to break.
    BREAKS: Query<Control, (), (String, i64, Time)> =
        "SELECT claim, COUNT(*), MAX(at) FROM verdict_change WHERE became = 'failing' GROUP BY claim";
    /// A change.
    ADD_CHANGE: Change<Control, (String, String, Time, String, &'static str, String, String)> =
        "INSERT INTO verdict_change (id, claim, at, was, became, words, run) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    /// The last run.
    LAST_RUN: Query<Control, (), Run> =
        "SELECT id, began, took_ms, published_at, build, sha256, signature FROM verdict_run \
         ORDER BY published_at DESC, id DESC LIMIT 1";
    /// A run's report: bytes, signature. An empty id: the last.
    REPORT: Query<Control, (String,), (Option<Vec<u8>>, String, String)> =
        "SELECT report, signature, sha256 FROM verdict_run WHERE id = $1 OR (CAST($1 AS TEXT) = '') \
         ORDER BY published_at DESC, id DESC LIMIT 1";
    /// A run.
    ADD_RUN: Change<Control, Vec<Value>> =
        "INSERT INTO verdict_run (id, began, took_ms, published_at, build, promises, proven, failing, changed, sha256, \
         signature, report) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    /// Reports of runs before a moment that changed nothing.
    EMPTY_RUNS: Change<Control, (Time,)> =
        "UPDATE verdict_run SET report = NULL WHERE published_at < $1 AND changed = 0 AND report IS NOT NULL";
    /// Runs before a moment that changed nothing.
    DROP_RUNS: Change<Control, (Time,)> = "DELETE FROM verdict_run WHERE published_at < $1 AND changed = 0";
    /// Every wording there ever was.
    WORDINGS: Query<Control, (), Worded> =
        "SELECT claim, since, words, kind, checks, until, last FROM wording ORDER BY claim, since";
    /// A wording from now on.
    ADD_WORDING: Change<Control, (String, Time, String, &'static str, String)> =
        "INSERT INTO wording (claim, since, words, kind, checks) VALUES ($1, $2, $3, $4, $5)";
    /// A wording until now.
    END_WORDING: Change<Control, (String, Time, Time, Option<String>)> =
        "UPDATE wording SET until = $3, last = $4 WHERE claim = $1 AND since = $2 AND until IS NULL";
    /// Every signed statement.
    ATTESTATIONS: Query<Control, (), (String,)> = "SELECT jws FROM attestation ORDER BY signed_at, id";
    /// A signed statement.
    ADD_ATTESTATION: Change<Control, (String, String, Time, String)> =
        "INSERT INTO attestation (id, subject, signed_at, jws) VALUES ($1, $2, $3, $4)";
}
