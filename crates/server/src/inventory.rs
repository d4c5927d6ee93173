//! What the settings in force say for the public: where things are kept, which policies there are, what is known against
//! this build, which secrets are metered.

use std::{fs, path::Path, sync::Arc};

use kernel::{Clock, Time};
use manifest::{App, Pointer};
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
        mail_host: mail.host(),
        services: Vec::new(),
    }
}

/// Outside services that no app.toml names: who holds root keys, and who signs the log.
pub(crate) fn services(settings: &Settings, app: &App, witnesses: &[audit::Witness]) -> Vec<disclosure::Subprocessor> {
    let keys = app.regions.iter().flat_map(|region| {
        let purpose = format!("wraps and opens the keys of region {}; sees no data", region.label);
        settings::services(settings, region).into_iter().map(move |name| disclosure::Subprocessor {
            name,
            purpose: purpose.clone(),
            setting: format!("regions.{}.root_key", region.id),
        })
    });
    let signs = witnesses.iter().map(|witness| disclosure::Subprocessor {
        name: witness.post.host().to_owned(),
        purpose: "signs checkpoints of the instance's log; sees hashes alone".to_owned(),
        setting: "VOUCHSAFE_WITNESSES".to_owned(),
    });
    keys.chain(signs).collect()
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
pub(crate) fn advisories(settings: &Settings, clock: &dyn Clock) -> Result<Option<disclosure::AdvisoryList>, String> {
    let Some(folder) = settings.environment.get("VOUCHSAFE_ADVISORIES").filter(|f| !f.is_empty()) else {
        return Ok(None);
    };
    let list = disclosure::AdvisoryList::open(Path::new(folder), clock.now());
    list.map(Some).map_err(|words| format!("VOUCHSAFE_ADVISORIES: {words}"))
}

/// A record of test runs that came with the build.
pub(crate) fn runs(settings: &Settings) -> Result<Option<disclosure::Runs>, String> {
    let Some(file) = settings.environment.get("VOUCHSAFE_SECURITY_TESTS").filter(|f| !f.is_empty()) else {
        return Ok(None);
    };
    let wrong = |words: String| format!("VOUCHSAFE_SECURITY_TESTS: {file}: {words}");
    let bytes = fs::read(file).map_err(|e| wrong(e.to_string()))?;
    let runs = disclosure::Runs::read(&bytes).map_err(|words| wrong(words.to_owned()))?;
    Ok(Some(runs))
}

/// Figures of the running server that the page prints.
pub(crate) fn figures(settings: &Settings, app: &App, started: Time) -> disclosure::Live {
    let given = app.regions.first().filter(|r| settings::resolve(settings, &r.root_key).is_some());
    let keys = match given.map(|r| &r.root_key) {
        _ if app.regions.first().is_some_and(|r| settings::in_service(settings, r)) => "a key service",
        Some(Pointer::Env(_)) => "the environment of the program",
        Some(Pointer::File(_)) => "a file outside the database",
        Some(Pointer::Kms(_)) => "a key service",
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

/// Every secret that is there, each once: those declared under `[secrets]` by their ids, the others by the setting that
/// points to them.
pub(crate) fn secrets(settings: &Settings, app: &App) -> Vec<disclosure::Setting> {
    let mail = |from: &Pointer| (*from == app.mail.smtp).then_some(disclosure::MAIL);
    let declared = app.secrets.iter().map(|s| {
        let rule = disclosure::Rule {
            max_age: s.max_age.map(|age| age.0).or_else(|| mail(&s.from)),
            on_leaving: s.on.iter().any(|event| event == "offboarding"),
            declared: true,
        };
        (s.id.to_owned(), &s.from, rule)
    });
    let named = |pointer: &Pointer| app.secrets.iter().any(|s| s.from == *pointer);
    let others = pointers(app).into_iter().filter(|(_, from)| !named(from)).map(|(name, from)| {
        let rule = disclosure::Rule { max_age: mail(from), ..disclosure::Rule::default() };
        (name, from, rule)
    });
    let there = declared.chain(others).filter_map(|(name, from, rule)| {
        let value = settings::resolve(settings, from)?;
        Some(disclosure::Setting { name, value, rule })
    });
    there.collect()
}

/// Every setting that points to a secret.
fn pointers(app: &App) -> Vec<(String, &Pointer)> {
    let mut all: Vec<(String, &Pointer)> =
        app.regions.iter().map(|r| (format!("regions.{}.root_key", r.id), &r.root_key)).collect();
    all.extend(app.sessions.key.iter().map(|key| ("sessions.key".to_owned(), key)));
    all.push(("mail.smtp".to_owned(), &app.mail.smtp));
    all.extend(
        app.connectors
            .iter()
            .filter_map(|c| Some((format!("connectors.{}.client.secret", c.id), &c.client.as_ref()?.1))),
    );
    for hook in &app.webhooks_in {
        let numbered = hook.secrets.iter().enumerate();
        all.extend(numbered.map(|(at, from)| (format!("webhooks.in.{}.secret.{}", hook.id, at + 1), from)));
    }
    all.extend(app.observability.sentry.iter().map(|dsn| ("observability.sentry".to_owned(), dsn)));
    all
}
