//! "Take the database files away and you hold ciphertext."
//!
//! SQLite, built from the SQLite3 Multiple Ciphers amalgamation (crate `sqlite3mc-src`) with one cipher of our own
//! (`cipher.c`): XAES-256-GCM over AWS-LC. Linking this crate is all there is to it; `rusqlite` finds the library, and a
//! connection is keyed by `PRAGMA key = "raw:<64 hex digits>"`, without a key derivation. A connection without a key reads and
//! writes plain SQLite.
//!
//! A page as it is stored, in the file and in a frame of the write-ahead log: ciphertext, tag (16 bytes), nonce (24).
//! - Its key: the 32 bytes given; XAES-256-GCM (C2SP) with the random 24-byte nonce drawn at each write.
//! - Associated data: the page's number, 4 bytes, big-endian; on page 1 then its first 24 bytes as they are stored.
//! - Page 1 starts with the 16 bytes `vouchsafe page 1` in place of SQLite's magic, then the 8 header bytes at 16 to 23 (page
//!   size, versions, reserved bytes) in the clear, then ciphertext.

use aws_lc_sys as _;
