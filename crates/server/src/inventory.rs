//! What the settings in force say for the public: where things are kept, which policies there are, what is known against
//! this build, which secrets are metered.

use std::{fs, path::Path, sync::Arc};

use kernel::{Clock, Time};
use manifest::App;
use store::Engine;

use crate::{Settings, settings};

/// Where things are kept, in words for the public inventory.
pub(crate) fn stores(settings: &Settings, app: &App, engine: &Engine, mail: &integrations::Way) -> disclosure::Stores {
    let noun = &app.tenant.noun;
    disclosure::Stores {
        records: match engine {
            Engine::Sqlite => format!("embedded SQLite: a file per {noun}, no database server"),
            Engine::Postgres { .. } => {
                format!("PostgreSQL, run by us: every row belongs to one {noun}, enforced by the database")
            }
        },
        files: format!("a folder per {noun} on the same machine"),
        cache: "memory of this program; nothing outside".to_owned(),
        mail: match mail {
            integrations::Way::Smtp(_) => "handed over by SMTP with TLS".to_owned(),
            integrations::Way::Folder(_) => "kept on this development machine".to_owned(),
        },
        log: match (&settings.log, settings.development()) {
            (Some(_), _) => "a file on the same machine".to_owned(),
            (None, true) => "none on this development server".to_owned(),
            (None, false) => "standard error of this program".to_owned(),
        },
        at_rest: app.encryption.at_rest.clone(),
    }
}

/// Texts under `legal/`, each `<name>.md`.
pub(crate) fn policies(folder: &Path) -> Result<Vec<disclosure::Policy>, String> {
    let Ok(entries) = fs::read_dir(folder.join("legal")) else { return Ok(Vec::new()) };
    let mut policies = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_stem().and_then(|n| n.to_str()).filter(|_| path.extension().is_some_and(|e| e == "md"));
        let Some(name) = name else { continue };
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        policies.push(disclosure::Policy::read(name, &text));
    }
    Ok(policies)
}

/// The list of known flaws that the operator keeps fresh, compared with this build.
pub(crate) fn advisories(settings: &Settings, clock: &dyn Clock) -> Result<Option<disclosure::Advisories>, String> {
    let Some(folder) = settings.environment.get("VOUCHSAFE_ADVISORIES") else { return Ok(None) };
    let found = disclosure::advisories(Path::new(folder), clock.now());
    found.map(Some).map_err(|words| format!("VOUCHSAFE_ADVISORIES: {words}"))
}

/// Figures of the running server that the page prints.
pub(crate) fn figures(settings: &Settings, app: &App, started: Time) -> disclosure::Live {
    let given = app.regions.first().filter(|r| settings::resolve(settings, &r.root_key).is_some());
    let keys = match given.map(|r| &r.root_key) {
        _ if app.regions.first().is_some_and(|r| settings::in_service(settings, r)) => "a key service",
        Some(manifest::Pointer::Env(_)) => "the environment of the program",
        Some(manifest::Pointer::File(_)) => "a file outside the database",
        Some(manifest::Pointer::Kms(_)) => "a key service",
        None if settings.development() => "a file that this development server made",
        None => "the environment of the program",
    };
    Arc::new(move |name| match name {
        "nodes" => Some("1".to_owned()),
        "build" => Some(crate::VERSION.to_owned()),
        "started" => Some(started.to_string()),
        "key_source" => Some(keys.to_owned()),
        _ => None,
    })
}

/// The metered secrets that are there.
pub(crate) fn secrets(settings: &Settings, app: &App) -> Vec<disclosure::Setting> {
    let there = app.secrets.iter().filter_map(|s| Some((s.id, settings::resolve(settings, &s.from)?)));
    there.map(|(name, value)| disclosure::Setting { name: name.to_owned(), value }).collect()
}
