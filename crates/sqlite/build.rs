//! Compiles SQLite with its hooks for page ciphers, and our cipher over the crypto library that everything else uses.

use std::path::PathBuf;

/// How SQLite is built: as `rusqlite` builds it, less what is not used here.
const DEFINES: [(&str, &str); 18] = [
    ("SQLITE_CORE", "1"),
    ("SQLITE_DEFAULT_FOREIGN_KEYS", "1"),
    ("SQLITE_DEFAULT_MEMSTATUS", "0"),
    ("SQLITE_ENABLE_API_ARMOR", "1"),
    ("SQLITE_ENABLE_COLUMN_METADATA", "1"),
    ("SQLITE_ENABLE_DBSTAT_VTAB", "1"),
    ("SQLITE_ENABLE_STAT4", "1"),
    ("SQLITE_THREADSAFE", "1"),
    ("SQLITE_USE_URI", "1"),
    ("SQLITE_OMIT_LOAD_EXTENSION", "1"),
    // A server holds two connections for each open tenant: pages are taken one by one as they are read, not twenty at
    // once, and a connection keeps 16 KiB at hand for its statements, not 47.
    ("SQLITE_DEFAULT_PCACHE_INITSZ", "0"),
    ("SQLITE_DEFAULT_LOOKASIDE", "1200,14"),
    // Temporary tables and sorters stay in memory: no plaintext reaches a temporary file.
    ("SQLITE_TEMP_STORE", "2"),
    ("SQLITE_EXTRA_INIT", "vouchsafe_cipher"),
    ("HAVE_USLEEP", "1"),
    ("HAVE_ISNAN", "1"),
    ("HAVE_LOCALTIME_R", "1"),
    ("_POSIX_THREAD_SAFE_FUNCTIONS", "1"),
];

/// The largest page. SQLite has no setting for it, and the cipher's buffer, which each connection holds and wipes, is as
/// large: 64 KiB for pages of 4. A file of larger pages is refused as no database.
const PAGE: [&str; 2] = ["#define SQLITE_MAX_PAGE_SIZE 65536\n", "#define SQLITE_MAX_PAGE_SIZE 4096\n"];

/// Ciphers of the amalgamation that are left out; it insists on one, which nothing here can select.
const LEFT_OUT: [&str; 6] = ["AES_128_CBC", "AES_256_CBC", "SQLCIPHER", "RC4", "ASCON128", "AEGIS"];

#[expect(clippy::disallowed_methods, reason = "how Cargo speaks to a build script")]
fn main() -> Result<(), String> {
    // `DEP_<links>_INCLUDE`, where `links` carries the version and is also the prefix of every symbol.
    let mut found = std::env::vars().filter_map(|(name, value)| {
        let links = name.strip_prefix("DEP_")?.strip_suffix("_INCLUDE")?;
        links.starts_with("AWS_LC_").then(|| (links.to_ascii_lowercase(), PathBuf::from(value)))
    });
    let (prefix, headers) = found.next().ok_or("the headers of AWS-LC were not found")?;
    let source = sqlite3mc_src::source_dir();
    let mut build = cc::Build::new();
    build.include(source).include(headers).define("BORINGSSL_PREFIX", prefix.as_str());
    for (name, value) in DEFINES {
        build.define(name, value);
    }
    for name in LEFT_OUT {
        build.define(&format!("HAVE_CIPHER_{name}"), "0");
    }
    let mut ours = build.clone();
    ours.file("cipher.c").warnings(true).extra_warnings(true).warnings_into_errors(true).cargo_metadata(false);
    let out = PathBuf::from(std::env::var("OUT_DIR").map_err(|e| e.to_string())?);
    let text = std::fs::read_to_string(source.join(sqlite3mc_src::SOURCE_FILE)).map_err(|e| e.to_string())?;
    let [theirs, page] = PAGE;
    if text.matches(theirs).count() != 1 {
        return Err("the largest page is not where it was in SQLite's source".into());
    }
    let copy = out.join("sqlite.c");
    std::fs::write(&copy, text.replace(theirs, page)).map_err(|e| e.to_string())?;
    build.file(copy).warnings(false).cargo_metadata(false);
    build.objects(ours.compile_intermediates()).try_compile("vouchsafe_sqlite").map_err(|e| e.to_string())?;
    println!("cargo:rerun-if-changed=cipher.c");
    println!("cargo:rustc-link-search=native={}", out.display());
    // Whole: what refers to it may stand before or behind it on the linker's line.
    println!("cargo:rustc-link-lib=static:+whole-archive=vouchsafe_sqlite");
    Ok(())
}
