//! Commands that need the app's two files.

use std::{fs, path::Path, process::ExitCode};

use manifest::{App, Fault, Page};

use crate::screen;

/// An app's folder, read and checked.
pub struct Read {
    /// The app.
    pub app: App,
    /// Its page.
    pub page: Page,
    /// SHA-256 input of audit leaves: the manifest's text.
    pub text: String,
}

fn text_of(folder: &Path, name: &str) -> Result<String, ExitCode> {
    let path = folder.join(name);
    fs::read_to_string(&path).map_err(|e| screen::refuse(&format!("{}: {e}", path.display())))
}

fn faults(list: &[Fault]) -> ExitCode {
    let count = list.len();
    screen::say(manifest::render(list, screen::colour()).trim_end());
    screen::say(&format!("  {count} error{}, nothing started.", if count == 1 { "" } else { "s" }));
    ExitCode::from(2)
}

/// Reads both files.
pub fn read(folder: &Path) -> Result<Read, ExitCode> {
    let text = text_of(folder, "app.toml")?;
    let app = manifest::read(&text, "app.toml").map_err(|list| faults(&list))?;
    let words = text_of(folder, "security.md")?;
    let page = manifest::page(&words, "security.md", &app).map_err(|list| faults(&list))?;
    Ok(Read { app, page, text })
}

/// `check`.
pub fn check(folder: &Path, explain: bool) -> Result<ExitCode, ExitCode> {
    let read = read(folder)?;
    if !read.page.warnings.is_empty() {
        screen::say(manifest::render_warnings(&read.page.warnings, screen::colour()).trim_end());
    }
    screen::print(manifest::summary(&read.app, &read.page).trim_end());
    if explain {
        screen::print(&manifest::explain(&read.app));
    }
    Ok(ExitCode::SUCCESS)
}

/// `checks`.
pub fn checks(probed: bool) -> Result<ExitCode, ExitCode> {
    if probed {
        verify::built().for_each(screen::print);
        return Ok(ExitCode::SUCCESS);
    }
    for check in manifest::checks() {
        screen::print(&format!("{:<26} {:<9} {}", check.id, check.kind.word(), check.statement));
    }
    Ok(ExitCode::SUCCESS)
}

/// SHA-256 of the sources this program is built from.
pub const SOURCES: &str = env!("VOUCHSAFE_SOURCES");

/// `identity`.
pub fn identity() -> Result<ExitCode, ExitCode> {
    let told = serde_json::json!({
        "version": vouchsafe::VERSION, "sources": SOURCES, "sabotage": kernel::sabotage::BUILT_IN,
    });
    screen::print(&told.to_string());
    Ok(ExitCode::SUCCESS)
}

/// `new`.
pub fn new(name: &str) -> Result<ExitCode, ExitCode> {
    let Some((manifest, page)) = manifest::new_app(name) else {
        return Err(screen::refuse("a name begins with a letter and has no quotes or control characters"));
    };
    let folder = Path::new(name);
    if folder.exists() {
        return Err(screen::refuse(&format!("{name} is there already")));
    }
    let write = || {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("app.toml"), &manifest)?;
        fs::write(folder.join("security.md"), &page)
    };
    write().map_err(|e: std::io::Error| screen::refuse(&format!("{name}: {e}")))?;
    let lines = manifest.lines().count();
    screen::print(&format!(
        "wrote {name}/app.toml ({lines} lines) and {name}/security.md\nnext:  vouchsafe serve {name}"
    ));
    Ok(ExitCode::SUCCESS)
}

/// `page`.
pub fn page(folder: &Path, html: bool) -> Result<ExitCode, ExitCode> {
    let read = read(folder)?;
    let unknown = |_: &str| None;
    let text = if html { manifest::html(&read.page, &unknown) } else { manifest::markdown(&read.page, &unknown) };
    screen::print(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// `schema`.
pub fn schema() -> Result<ExitCode, ExitCode> {
    screen::print(&serde_json::to_string_pretty(&manifest::schema()).unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

/// Threads for asynchronous work.
pub fn runtime() -> Result<tokio::runtime::Runtime, ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| screen::refuse(&format!("threads: {e}")))
}

/// `openapi`.
pub fn openapi(folder: &Path) -> Result<ExitCode, ExitCode> {
    let document = vouchsafe::describe(read(folder)?.app).map_err(|words| screen::refuse(&words))?.openapi;
    screen::print(&serde_json::to_string_pretty(&document).unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

/// `matrix`.
pub fn matrix(folder: &Path) -> Result<ExitCode, ExitCode> {
    let text = vouchsafe::describe(read(folder)?.app).map_err(|words| screen::refuse(&words))?.matrix;
    screen::print(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// A checkpoint out of what people save: the note itself, a key set, or an older export.
fn saved_checkpoint(file: &Path) -> Result<String, ExitCode> {
    let text = fs::read_to_string(file).map_err(|e| screen::refuse(&format!("{}: {e}", file.display())))?;
    let first = text.split_once('\n').map_or(text.as_str(), |(first, _)| first);
    let json = serde_json::from_str::<serde_json::Value>(&text).or_else(|_| serde_json::from_str(first));
    let Ok(json) = json else { return Ok(text) };
    let note = json.get("checkpoint").or_else(|| json.get("checkpoints")?.get(0)?.get("checkpoint"));
    let note = note.and_then(serde_json::Value::as_str).map(str::to_owned);
    note.ok_or_else(|| screen::refuse(&format!("{}: holds no checkpoint", file.display())))
}

/// The size of a log when its checkpoint was saved.
pub fn saved_size(file: &Path) -> Result<String, ExitCode> {
    let none = || screen::refuse(&format!("{}: holds no checkpoint", file.display()));
    audit::Checkpoint::parse(&saved_checkpoint(file)?).map(|saved| saved.size.to_string()).ok_or_else(none)
}

/// `audit verify`.
pub fn audit_verify(file: &Path, since: Option<&Path>, key: Option<&str>) -> Result<ExitCode, ExitCode> {
    let key = match key {
        None => None,
        Some(text) => Some(audit::Vkey::parse(text).ok_or_else(|| screen::refuse("--key: name+hash+key is expected"))?),
    };
    let trust = audit::Trust { since: since.map(saved_checkpoint).transpose()?, key };
    let words = |e: std::io::Error| screen::refuse(&format!("{}: {e}", file.display()));
    let open = fs::File::open(file).map_err(words)?;
    let report = audit::verify_with(open, &trust).map_err(words)?;
    let span = match (report.first, report.last) {
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    };
    if let Some(fault) = report.fault {
        screen::print(&format!("broken: {fault}\n{} leaves before it hold{span}", report.leaves));
        return Ok(ExitCode::FAILURE);
    }
    let verdict = if report.checkpoint.is_some() || report.since.is_some() { "whole:" } else { "linked, not signed:" };
    screen::print(&format!("{verdict} {} leaves{span}\nhead   {}", report.leaves, report.head));
    match report.checkpoint {
        Some(signed) => {
            screen::print(&format!("signed {} of size {}, root {}", signed.origin, signed.size, signed.root()));
            if trust.key.is_none() {
                screen::print("       by the key that the file names itself: give --key to hold it against yours");
            }
        }
        None => {
            screen::print("       bare lines: that they are the log, and the newest of it, only a checkpoint tells")
        }
    }
    if let Some(size) = report.since {
        screen::print(&format!("agrees with the saved checkpoint of size {size}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// `serve`.
pub fn serve(settings: vouchsafe::Settings, read: Read) -> Result<ExitCode, ExitCode> {
    let runtime = runtime()?;
    let folder = settings.folder.display().to_string();
    // Where the log itself goes to standard error, only people at a terminal get the screen as well.
    let screen = settings.development() || settings.log.is_some() || screen::colour();
    let ended = runtime.block_on(async move {
        let running = vouchsafe::start(settings, read.app, read.page, &read.text).await?;
        let mut ready = running.ready();
        ready.folder = folder;
        if screen {
            screen::ready(&ready);
        }
        running.wait().await
    });
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(words) => Err(screen::refuse(&words)),
    }
}

/// The environment; what is no text in it is left out, as if it were not there.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    let all = std::env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
