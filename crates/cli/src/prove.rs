//! Commands that put promises to the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use kernel::Time;
use manifest::{App, Page};
use verify::{Options, Report, Setup, oscal};

use crate::{app, screen};

/// What `verify` was asked for.
pub struct Wish {
    /// The app's folder.
    pub app: PathBuf,
    /// Only this promise or check.
    pub only: Option<String>,
    /// How to print the verdicts.
    pub format: &'static str,
    /// PostgreSQL for the instance.
    pub database: Option<String>,
    /// Whether unproven and unsigned promises fail.
    pub strict: bool,
}

fn now() -> Time {
    kernel::Clock::now(&vouchsafe::Machine::default())
}

/// `verify`.
pub fn run(wish: &Wish) -> Result<ExitCode, ExitCode> {
    if let Some(url) = wish.app.to_str().filter(|a| a.starts_with("https://") || a.starts_with("http://")) {
        let report = app::runtime()?.block_on(verify::visit(url, wish.only.clone(), now()));
        let report = report.map_err(|words| screen::refuse(&words))?;
        return print(wish, &report, None);
    }
    let read = app::read(&wish.app)?;
    let (app, page) = (Arc::new(read.app), read.page);
    let report = judged(&wish.app, &app, page.clone(), wish.only.clone(), wish.database.clone())?;
    print(wish, &report, Some((&app, &page)))
}

fn judged(
    folder: &Path,
    app: &Arc<App>,
    page: Page,
    only: Option<String>,
    database: Option<String>,
) -> Result<Report, ExitCode> {
    let binary = std::env::current_exe().map_err(|e| screen::refuse(&format!("this program's own path: {e}")))?;
    let variables = Arc::new(app::environment().collect());
    let setup = Setup { binary, folder: folder.to_owned(), app: Arc::clone(app), database, variables };
    let options = Options { setup, page, only, now: now() };
    app::runtime()?.block_on(verify::run(options)).map_err(|words| screen::refuse(&words))
}

fn print(wish: &Wish, report: &Report, known: Option<(&App, &Page)>) -> Result<ExitCode, ExitCode> {
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    match (wish.format, known) {
        ("json", _) => screen::print(&pretty(&report.json())),
        ("junit", _) => screen::print(&report.junit()),
        ("csv", _) => screen::print(report.csv().trim_end()),
        ("oscal", Some((app, page))) => {
            let [.., (_, results)] = &documents(app, page, report);
            screen::print(&pretty(results));
        }
        ("oscal", None) => {
            return Err(screen::refuse("OSCAL needs the app's folder; a service has it at /trust/oscal/"));
        }
        _ => screen::print(&report.table(vouchsafe::VERSION, &wish.app.display().to_string(), screen::colour())),
    }
    Ok(ExitCode::from(report.exit(wish.strict)))
}

fn documents(app: &App, page: &Page, report: &Report) -> [(&'static str, serde_json::Value); 4] {
    let of = oscal::Subject { app, page, build: vouchsafe::VERSION, at: now(), live: &|_| None };
    let verdict = |claim: &manifest::PageClaim| {
        report.judged.iter().find(|j| j.claim.id == claim.id).map_or(verify::Verdict::Unproven, |j| j.verdict)
    };
    oscal::documents(&of, &report.seen(), &verdict)
}

/// `oscal`.
pub fn oscal(folder: &Path, database: Option<String>, out: &Path) -> Result<ExitCode, ExitCode> {
    let read = app::read(folder)?;
    let (app, page) = (Arc::new(read.app), read.page);
    let report = judged(folder, &app, page.clone(), None, database)?;
    let failed = |e: std::io::Error| screen::refuse(&format!("{}: {e}", out.display()));
    fs::create_dir_all(out).map_err(failed)?;
    for (name, document) in documents(&app, &page, &report) {
        let text = serde_json::to_string_pretty(&document).unwrap_or_default();
        fs::write(out.join(name), format!("{text}\n")).map_err(failed)?;
        screen::print(&format!("wrote {}", out.join(name).display()));
    }
    Ok(ExitCode::from(report.exit(false)))
}
