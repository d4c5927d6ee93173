use kernel::Time;
use store::{Control, statements};

statements! {
    /// Mails that are due: id, payload, attempts so far.
    DUE: Query<Control, (Time, i64), (String, Vec<u8>, i64)> =
        "SELECT id, payload, attempts FROM _outbox WHERE kind = 'mail' AND due <= $1 ORDER BY due, id LIMIT $2";
    /// Delivered, or given up.
    DONE: Change<Control, (String,)> = "DELETE FROM _outbox WHERE id = $1 AND kind = 'mail'";
    /// To be tried again.
    LATER: Change<Control, (String, i64, Time)> =
        "UPDATE _outbox SET attempts = $2, due = $3 WHERE id = $1 AND kind = 'mail'";
}
