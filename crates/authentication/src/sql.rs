use kernel::{SessionId, Time, UserId};
use store::{Control, Table, Value, statements};

use crate::{
    mail_token::Found,
    people::{Account, Profile},
    session::Row as SessionRow,
};

/// Tables of this section, all of them the house's.
#[must_use]
pub fn tables() -> Vec<Table> {
    vec![
        // `epoch` counts on when every session must end; `not_before` does the same for tokens of an outside issuer.
        Table::control("users", "own data: account", "with the account")
            .text("id")
            .opt_text("email")
            .text("name")
            .text("status")
            .int("epoch")
            .int("not_before")
            .opt_int("verified_at")
            .opt_text("issuer")
            .opt_text("subject")
            .int("created_at")
            .unique(["email"])
            .unique(["issuer", "subject"]),
        Table::control("credential", "no: a secret", "with the account").text("user_id").text("phc").int("changed_at"),
        // A row is a family of refresh tokens. Nothing in it makes one: the key is derived from the region's root.
        Table::control("session", "own data: sessions", "30 days after its end")
            .text("id")
            .text("user_id")
            .opt_text("tenant")
            .text("method")
            .blob("salt")
            .int("counter")
            .int("epoch")
            .opt_blob("device")
            .int("created_at")
            .int("proved_at")
            .int("used_at")
            .opt_int("ended_at")
            .index(["user_id"])
            .index(["used_at"]),
        Table::control("mail_token", "no: hashes in transit", "7 days after expiry")
            .blob("hash")
            .text("purpose")
            .opt_text("user_id")
            .text("email")
            .opt_text("tenant")
            .opt_text("data")
            .int("created_at")
            .int("expires_at")
            .opt_int("used_at")
            .index(["expires_at"]),
        // `hash`: SHA-256 of the link's token, or of the cookie's.
        Table::control("operator_link", "no: hashes in transit", "a day after expiry")
            .blob("hash")
            .text("operator")
            .int("created_at")
            .int("expires_at")
            .opt_int("used_at")
            .index(["expires_at"]),
        Table::control("operator_session", "no: hashes and names of the team", "a day after its end")
            .blob("hash")
            .text("operator")
            .int("created_at")
            .int("expires_at")
            .opt_int("ended_at")
            .index(["expires_at"]),
    ]
}

statements! {
    // People.
    BY_EMAIL: Query<Control, (String,), Account> =
        "SELECT u.id, u.email, u.name, u.status, u.epoch, u.verified_at, c.phc FROM users u
         LEFT JOIN credential c ON c.user_id = u.id WHERE u.email = $1";
    BY_ID: Query<Control, (UserId,), Account> =
        "SELECT u.id, u.email, u.name, u.status, u.epoch, u.verified_at, c.phc FROM users u
         LEFT JOIN credential c ON c.user_id = u.id WHERE u.id = $1";
    PROFILE: Query<Control, (UserId,), Profile> =
        "SELECT email, name, verified_at, status FROM users WHERE id = $1";
    PERSON: Query<Control, (UserId,), (String, i64, Time)> =
        "SELECT status, epoch, not_before FROM users WHERE id = $1";
    USER_PUT: Change<Control, Vec<Value>> =
        "INSERT INTO users (id, email, name, status, epoch, not_before, verified_at, issuer, subject, created_at)
         VALUES ($1, $2, $3, 'active', 0, 0, $4, $5, $6, $7)";
    USER_VERIFIED: Change<Control, (UserId, Time)> =
        "UPDATE users SET verified_at = COALESCE(verified_at, $2) WHERE id = $1 AND status = 'active'";
    USER_STANDS: Change<Control, (UserId, i64)> =
        "UPDATE users SET epoch = epoch WHERE id = $1 AND epoch = $2 AND status = 'active'";
    USER_NEXT_EPOCH: Change<Control, (UserId, i64, Time)> =
        "UPDATE users SET epoch = epoch + 1, not_before = $3 WHERE id = $1 AND epoch = $2 AND status = 'active'";
    USER_ANY_EPOCH: Change<Control, (UserId, Time)> =
        "UPDATE users SET epoch = epoch + 1, not_before = $2 WHERE id = $1";
    USER_STATUS: Change<Control, (UserId, &'static str, &'static str, Time)> =
        "UPDATE users SET status = $3, epoch = epoch + 1, not_before = $4 WHERE id = $1 AND status = $2";

    // Passwords.
    CREDENTIAL_PUT: Change<Control, (UserId, String, Time)> =
        "INSERT INTO credential (user_id, phc, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET phc = excluded.phc, changed_at = excluded.changed_at";
    CREDENTIAL_SWAP: Change<Control, (UserId, String, String, Time)> =
        "UPDATE credential SET phc = $3, changed_at = $4 WHERE user_id = $1 AND phc = $2";

    // Sessions.
    SESSION: Query<Control, (SessionId,), SessionRow> =
        "SELECT s.user_id, s.tenant, s.salt, s.counter, s.epoch, s.device, s.created_at, s.proved_at, s.used_at, s.ended_at,
                u.epoch, u.status
         FROM session s JOIN users u ON u.id = s.user_id WHERE s.id = $1";
    SESSION_LIVE: Query<Control, (SessionId,), (UserId, i64, Time, Option<Time>)> =
        "SELECT user_id, epoch, created_at, ended_at FROM session WHERE id = $1";
    SESSION_PUT: Change<Control, Vec<Value>> =
        "INSERT INTO session (id, user_id, tenant, method, salt, counter, epoch, device, created_at, proved_at, used_at)
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $8, $8)";
    // One statement decides, so that of two uses at the same moment one turns the counter and the other is judged by it:
    // in turn; the one before, within the window ($4) and from the same device; or anything else, which ends the session.
    SESSION_TURN: Change<Control, (SessionId, i64, Time, Time, Option<Vec<u8>>)> =
        "UPDATE session SET
           counter = CASE WHEN counter = $2 THEN counter + 1 ELSE counter END,
           used_at = CASE WHEN counter = $2 THEN $3 ELSE used_at END,
           ended_at = CASE WHEN counter = $2 THEN NULL
                           WHEN counter - 1 = $2 AND used_at > $4 AND device = $5 THEN NULL
                           ELSE $3 END
         WHERE id = $1 AND ended_at IS NULL
           AND EXISTS (SELECT 1 FROM users u WHERE u.id = session.user_id AND u.epoch = session.epoch AND u.status = 'active')
         RETURNING counter, ended_at";
    SESSION_END: Change<Control, (SessionId, Time)> =
        "UPDATE session SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";
    SESSION_END_OWN: Change<Control, (SessionId, UserId, Time)> =
        "UPDATE session SET ended_at = $3 WHERE id = $1 AND user_id = $2 AND ended_at IS NULL";
    SESSIONS_OF: Query<Control, (UserId, Time), crate::session::Open> =
        "SELECT s.id, s.method, s.created_at, s.used_at FROM session s JOIN users u ON u.id = s.user_id
         WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.epoch = u.epoch AND s.used_at > $2
         ORDER BY s.used_at DESC, s.id LIMIT 50";
    SESSIONS_PURGE: Change<Control, (Time, Time)> =
        "DELETE FROM session WHERE (ended_at IS NOT NULL AND ended_at < $1) OR used_at < $2";

    // Mailed tokens.
    TOKEN: Query<Control, (Vec<u8>, &'static str), Found> =
        "SELECT user_id, email, tenant, data, expires_at, used_at FROM mail_token WHERE hash = $1 AND purpose = $2";
    TOKEN_PUT: Change<Control, Vec<Value>> =
        "INSERT INTO mail_token (hash, purpose, user_id, email, tenant, data, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    TOKEN_USE: Change<Control, (Vec<u8>, Time)> =
        "UPDATE mail_token SET used_at = $2, data = NULL WHERE hash = $1 AND used_at IS NULL AND expires_at > $2";
    TOKENS_SPENT: Change<Control, (UserId, &'static str, Time)> =
        "UPDATE mail_token SET used_at = $3, data = NULL WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL";
    TOKENS_PURGE: Change<Control, (Time,)> = "DELETE FROM mail_token WHERE expires_at < $1";

    // The team's own people, in a browser.
    LINK_PUT: Change<Control, ([u8; 32], String, Time, Time)> =
        "INSERT INTO operator_link (hash, operator, created_at, expires_at) VALUES ($1, $2, $3, $4)";
    LINK: Query<Control, ([u8; 32],), (String, Time, Option<Time>)> =
        "SELECT operator, expires_at, used_at FROM operator_link WHERE hash = $1";
    LINK_USE: Change<Control, ([u8; 32], Time)> =
        "UPDATE operator_link SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2";
    DESK_PUT: Change<Control, ([u8; 32], String, Time, Time)> =
        "INSERT INTO operator_session (hash, operator, created_at, expires_at) VALUES ($1, $2, $3, $4)";
    DESK: Query<Control, ([u8; 32], Time), (String,)> =
        "SELECT operator FROM operator_session WHERE hash = $1 AND ended_at IS NULL AND expires_at > $2";
    DESK_END: Change<Control, ([u8; 32], Time)> =
        "UPDATE operator_session SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL";
    DESK_END_ALL: Change<Control, (String, Time)> =
        "UPDATE operator_session SET ended_at = $2 WHERE operator = $1 AND ended_at IS NULL";
    LINK_END_ALL: Change<Control, (String, Time)> =
        "UPDATE operator_link SET used_at = $2 WHERE operator = $1 AND used_at IS NULL";
    LINKS_PURGE: Change<Control, (Time,)> = "DELETE FROM operator_link WHERE expires_at < $1";
    DESKS_PURGE: Change<Control, (Time,)> = "DELETE FROM operator_session WHERE expires_at < $1";
}
