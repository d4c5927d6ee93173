//! CPU of a keyed read and of an insert, on plain pages and on pages sealed with XAES-256-GCM: 50,000 rows of 400 bytes, a page
//! cache of 1 MiB as the server gives each connection. `hit`: the page is in the cache; `miss`: mostly not. `insert`: in
//! transactions of 20, keys in random order, fsync at each commit. `open`: a connection and its first read. Best of 3.

use std::time::Duration;

use rusqlite::{Connection, params};
use sqlite as _;

const KEY: &str = "PRAGMA key = \"raw:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\";";
const ROWS: u32 = 50_000;

fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number"))
}

fn open(path: &str, key: &str) -> Connection {
    let connection = Connection::open(path).expect("a database");
    let set = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-1024";
    connection.execute_batch(&format!("{key}{set}")).expect("settings");
    connection
}

fn id(n: u32) -> String {
    format!("{:08x}-0000-7000-8000-{n:012x}", n.wrapping_mul(2_654_435_761))
}

fn add(connection: &mut Connection, numbers: std::ops::Range<u32>) {
    let tx = connection.transaction().expect("a transaction");
    for n in numbers {
        let mut statement = tx.prepare_cached("INSERT OR REPLACE INTO r VALUES (?1, ?2, ?3)").expect("a statement");
        statement.execute(params![id(n), n, "x".repeat(400)]).expect("an insert");
    }
    tx.commit().expect("a commit");
}

fn read(connection: &Connection, n: u32) {
    let mut statement = connection.prepare_cached("SELECT b FROM r WHERE id = ?1").expect("a statement");
    let text: String = statement.query_row([id(n)], |row| row.get(0)).expect("a row");
    assert_eq!(text.len(), 400);
}

/// CPU of one turn, in microseconds.
fn cost(turns: u32, mut turn: impl FnMut(u32)) -> f64 {
    let began = cpu();
    (0..turns).for_each(&mut turn);
    (cpu() - began).as_secs_f64() * 1e6 / f64::from(turns)
}

fn main() {
    let folder = std::env::temp_dir().join(format!("pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    println!("  us CPU      hit    miss  insert    open");
    for (name, key) in [("plain", ""), ("sealed", KEY)] {
        let path = folder.join(name).to_string_lossy().into_owned();
        let mut writer = open(&path, key);
        writer.execute_batch("CREATE TABLE r (id TEXT PRIMARY KEY, a INTEGER, b TEXT) STRICT").expect("a table");
        add(&mut writer, 0..ROWS);
        writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
        let reader = open(&path, key);
        let mut best = [f64::MAX; 4];
        for _ in 0..3 {
            let mut x = 1_u32;
            let mut random = || {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 8) % ROWS
            };
            let seen = [
                cost(20_000, |n| read(&reader, n % 50)),
                cost(10_000, |_| read(&reader, random())),
                cost(50, |n| add(&mut writer, ROWS + n * 20..ROWS + n * 20 + 20)) / 20.0,
                cost(100, |_| read(&open(&path, key), 5)),
            ];
            best.iter_mut().zip(seen).for_each(|(best, seen)| *best = best.min(seen));
        }
        let [hit, miss, insert, open] = best;
        println!("  {name:8} {hit:7.1} {miss:7.1} {insert:7.1} {open:7.1}");
    }
    std::fs::remove_dir_all(folder).expect("removal");
}
