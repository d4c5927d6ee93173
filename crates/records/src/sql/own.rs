//! Statements on the section's own tables.

use kernel::Id;
use store::{Own, Value, statements};

statements! {
    /// Whether a member with this id is on the roster.
    MEMBER: Query<Own, (String,), (i64,)> = "SELECT 1 FROM \"_member\" WHERE \"id\" = $1";

    /// An earlier version: collection, record, version, moment, who, body, oldest key of what is sealed in it.
    VERSION_ADD: Change<Own, Vec<Value>> =
        "INSERT INTO \"_version\" (\"collection\", \"record\", \"version\", \"at\", \"actor\", \"body\", \"oldest_key\") \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (\"collection\", \"record\", \"version\") DO NOTHING";
    /// All but the newest versions go: collection, record, how many stay.
    VERSION_TRIM: Change<Own, (String, String, i64)> =
        "DELETE FROM \"_version\" WHERE \"collection\" = $1 AND \"record\" = $2 AND \"version\" NOT IN \
         (SELECT \"version\" FROM \"_version\" WHERE \"collection\" = $1 AND \"record\" = $2 \
         ORDER BY \"version\" DESC LIMIT $3)";
    /// All versions of a record go.
    VERSION_GONE: Change<Own, (String, String)> = "DELETE FROM \"_version\" WHERE \"collection\" = $1 AND \"record\" = $2";
    /// Versions of a record, newest first: version, moment, who, body.
    VERSIONS: Query<Own, (String, String, i64), (i64, i64, Option<String>, String)> =
        "SELECT \"version\", \"at\", \"actor\", \"body\" FROM \"_version\" \
         WHERE \"collection\" = $1 AND \"record\" = $2 ORDER BY \"version\" DESC LIMIT $3";

    /// An uploaded file: id, collection, field, name, type, size, hash, moment, who.
    FILE_ADD: Change<Own, Vec<Value>> =
        "INSERT INTO \"_file\" (\"id\", \"collection\", \"field\", \"name\", \"type\", \"size\", \"sha256\", \"created_at\", \
         \"created_by\") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    /// A file for a field: name, type, size, who uploaded it, the record it belongs to.
    FILE: Query<Own, (String, String, String), (String, String, i64, Option<String>, Option<String>)> =
        "SELECT \"name\", \"type\", \"size\", \"created_by\", \"record\" FROM \"_file\" \
         WHERE \"id\" = $1 AND \"collection\" = $2 AND \"field\" = $3";
    /// A file becomes a record's, unless it is another's: id, record.
    FILE_ATTACH: Change<Own, (String, String)> =
        "UPDATE \"_file\" SET \"record\" = $2 WHERE \"id\" = $1 AND (\"record\" IS NULL OR \"record\" = $2)";
    /// Files of a record: collection, record.
    FILES: Query<Own, (String, String), (Id,)> = "SELECT \"id\" FROM \"_file\" WHERE \"collection\" = $1 AND \"record\" = $2";
    /// Files of a record go: collection, record.
    FILES_GONE: Change<Own, (String, String)> = "DELETE FROM \"_file\" WHERE \"collection\" = $1 AND \"record\" = $2";

    /// A file goes: id.
    FILE_DROP: Change<Own, (String,)> = "DELETE FROM \"_file\" WHERE \"id\" = $1";
    /// Files of a field uploaded before a moment that are no record's: field, moment.
    IMPORTS_OLD: Query<Own, (String, i64), (Id,)> =
        "SELECT \"id\" FROM \"_file\" WHERE \"field\" = $1 AND \"created_at\" < $2 AND \"record\" IS NULL LIMIT 50";

    /// A link: id, name, hash of the token, hash of the PIN, record, moment, who, expiry.
    SHARE_ADD: Change<Own, Vec<Value>> =
        "INSERT INTO \"_share\" (\"id\", \"name\", \"token\", \"pin\", \"record\", \"created_at\", \"created_by\", \
         \"expires_at\", \"attempts\") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)";
    /// A link by its token's hash: id, name, hash of the PIN, record, expiry, failed attempts.
    SHARE: Query<Own, (Vec<u8>,), (String, String, Option<Vec<u8>>, String, i64, i64)> =
        "SELECT \"id\", \"name\", \"pin\", \"record\", \"expires_at\", \"attempts\" FROM \"_share\" WHERE \"token\" = $1";
    /// One attempt more, while any is left: id, most.
    SHARE_FAILED: Change<Own, (String, i64)> =
        "UPDATE \"_share\" SET \"attempts\" = \"attempts\" + 1 WHERE \"id\" = $1 AND \"attempts\" < $2";
    /// Opened, while attempts are left: id, most.
    SHARE_OPENED: Change<Own, (String, i64)> =
        "UPDATE \"_share\" SET \"attempts\" = 0 WHERE \"id\" = $1 AND \"attempts\" < $2";
    /// Links that expired before a moment go.
    SHARE_SWEEP: Change<Own, (i64,)> = "DELETE FROM \"_share\" WHERE \"expires_at\" < $1";
}
