//! The prober as a child of `serve`: one order in, one round of verdicts out.

use std::{
    io::{BufRead as _, Read as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use kernel::Clock as _;

use crate::screen;

/// Longest order, in bytes.
const LONGEST: u64 = 4 * 1024 * 1024;

fn said(words: &str) -> ExitCode {
    screen::print(&serde_json::json!({ "error": words }).to_string());
    ExitCode::FAILURE
}

/// `watch`.
pub fn run(folder: &Path) -> Result<ExitCode, ExitCode> {
    let _best_effort = rustix::process::nice(10); // people come first
    let mut line = String::new();
    let read = std::io::stdin().lock().take(LONGEST).read_line(&mut line);
    let order: verify::Order =
        read.ok().and_then(|_| serde_json::from_str(&line).ok()).ok_or_else(|| said("the order cannot be read"))?;
    let changed = || said("app.toml or security.md is not the one in force");
    let app = manifest::read(&order.manifest, "app.toml").map_err(|_| changed())?;
    let page = manifest::page(&order.page, "security.md", &app).map_err(|_| changed())?;
    if order.part.starts() {
        // An instance is started from the files: they must be those that the server was started from.
        let same = |name: &str, text: &str| std::fs::read_to_string(folder.join(name)).is_ok_and(|file| file == text);
        if !same("app.toml", &order.manifest) || !same("security.md", &order.page) {
            return Err(changed());
        }
    }
    let binary = match Path::new("/proc/self/exe") {
        running if running.exists() => Ok(running.to_owned()),
        _ => std::env::current_exe(),
    };
    let binary = binary.map_err(|e| said(&format!("this program's own path: {e}")))?;
    let variables = Arc::new(order.variables.clone());
    let setup = verify::Setup { binary, folder: folder.to_owned(), app: Arc::new(app), database: None, variables };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| said(&format!("threads: {e}")))?;
    let now = vouchsafe::Machine::default().now();
    let round = runtime.block_on(async {
        let (gone, parent) = tokio::sync::oneshot::channel::<()>();
        // The server holds the other end of standard input: when it is closed, nobody waits for us any more.
        std::thread::spawn(move || {
            let _end = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            drop(gone);
        });
        tokio::select! {
            round = verify::watch(&order, &setup, page, vouchsafe::VERSION, now) => round,
            _ = parent => Err("nobody waits".to_owned()),
        }
    });
    match round {
        Ok(round) => {
            screen::print(&round.json().to_string());
            Ok(ExitCode::SUCCESS)
        }
        Err(words) => Err(said(&words)),
    }
}
