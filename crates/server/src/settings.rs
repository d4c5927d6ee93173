//! What a server is told at start, and the secrets its manifest points to. Read once; nothing else reads the environment.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use encryption::{Credentials, Kms, Local, Region, Transit};
use kernel::{Rng, Secret};
use manifest::{App, Pointer};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// Everything the command line and the environment say.
pub struct Settings {
    /// The app's folder.
    pub folder: PathBuf,
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where to answer plain HTTP with redirects, beside TLS.
    pub http: Option<SocketAddr>,
    /// Where to serve `/metrics`.
    pub metrics: Option<SocketAddr>,
    /// PostgreSQL, as the application's role.
    pub database: Option<String>,
    /// File that gets the addresses once the server answers.
    pub ready_file: Option<PathBuf>,
    /// File for the JSON log lines; absent: standard error.
    pub log: Option<PathBuf>,
    /// Whether demo tenants are made (development only).
    pub demo: bool,
    /// Whether standard input steers the clock: only for the instance that `verify` starts.
    pub steer: bool,
    /// Whether a prober watches the server as long as it runs.
    pub watch: bool,
    /// SHA-256 of the sources of this program, in hex.
    pub sources: &'static str,
    /// The environment, read once.
    pub environment: HashMap<String, String>,
}

impl Settings {
    /// A development server: loopback, without TLS.
    #[must_use]
    pub fn development(&self) -> bool {
        self.listen.ip().is_loopback() && self.tls.is_none()
    }
}

/// Values that stay the same over restarts of a development server, because nobody provided them.
pub(crate) struct Kept {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl Kept {
    /// Reads `secrets.json` of the data folder, if it is there.
    pub(crate) fn open(data: &Path) -> Result<Self, String> {
        let path = data.join("secrets.json");
        let values = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|_| format!("{}: not JSON", path.display()))?,
            Err(_) => BTreeMap::new(),
        };
        Ok(Self { path, values })
    }
    /// The value called `name`, if it was made.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
    /// The value called `name`, made now if it is new.
    pub(crate) fn value(&mut self, name: &str, make: impl FnOnce() -> String) -> Result<String, String> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let value = make();
        self.values.insert(name.to_owned(), value.clone());
        let text = serde_json::to_string_pretty(&self.values).map_err(|e| e.to_string())?;
        let fresh = self.path.with_extension("new");
        let written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh).and_then(
            |mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            },
        );
        written.and_then(|()| fs::rename(&fresh, &self.path)).map_err(|e| format!("{}: {e}", self.path.display()))?;
        Ok(value)
    }
}

/// Resolves a pointer. `None` when what it names is not there.
pub(crate) fn resolve(settings: &Settings, pointer: &Pointer) -> Option<Secret> {
    match pointer {
        Pointer::Env(name) => {
            settings.environment.get(name).filter(|v| !v.is_empty()).map(|v| Secret::new(v.as_bytes()))
        }
        Pointer::File(path) => fs::read(path).ok().map(|bytes| Secret::new(bytes.trim_ascii())),
        Pointer::Kms(_) => None,
    }
}

/// Who holds each region's root key: 32 bytes, written as 64 hex digits, or a key service. A value with `_NEXT` behind its
/// name is the root that is to follow it: both are known then, and new keys are wrapped by it.
pub(crate) fn roots(settings: &Settings, app: &App, kept: &mut Kept, rng: &dyn Rng) -> Result<Vec<Region>, String> {
    let mut seen: Vec<Secret> = Vec::new();
    let mut regions = Vec::new();
    for region in &app.regions {
        let name = format!("VOUCHSAFE_ROOT_{}", region.id.to_uppercase().replace('-', "_"));
        let path = format!("regions.{}.root_key", region.id);
        let given = given(settings, &region.root_key, &name, "");
        let text = match given {
            Some(given) if kernel::sabotage::off("vault.keys_outside_db") => {
                let text = given.expose_str().unwrap_or_default().to_owned();
                Secret::new(kept.value(&name, || text)?.into_bytes())
            }
            Some(given) => given,
            None if settings.development() => {
                Secret::new(kept.value(&name, || hex::encode(rng.array::<32>()))?.into_bytes())
            }
            None => return Err(missing(settings, &path, &region.root_key, &name)),
        };
        let next = self::given(settings, &region.root_key, &name, "_NEXT");
        let mut holders = Vec::new();
        for (text, ending) in [(Some(text), ""), (next, "_NEXT")] {
            let Some(text) = text else { continue };
            if seen.contains(&text) && !kernel::sabotage::off("vault.region_keys") {
                return Err(match ending {
                    "" => format!("{path}: region {} needs a root key of its own", region.id),
                    _ => format!("{path}: the next root of region {} ({name}_NEXT) is one that is in use", region.id),
                });
            }
            holders.push(holder(settings, region.id, &path, &text)?);
            seen.push(text);
        }
        regions.push(Region { id: region.id, holders });
    }
    Ok(regions)
}

/// Whether a `kms:` pointer names a service that is spoken here, and there is a token for it.
fn reachable(settings: &Settings, address: &str) -> bool {
    address.contains("://") && settings.environment.contains_key("VAULT_TOKEN")
}

/// Whether a region's root key is in a key service.
pub(crate) fn in_service(settings: &Settings, region: &manifest::Region) -> bool {
    service(settings, region, "").is_some()
}

/// The host that holds a region's root, when a key service does.
fn service(settings: &Settings, region: &manifest::Region, ending: &str) -> Option<String> {
    let name = format!("VOUCHSAFE_ROOT_{}", region.id.to_uppercase().replace('-', "_"));
    let text = given(settings, &region.root_key, &name, ending)?;
    let (_, address) = text.expose_str()?.strip_prefix("kms:")?.split_once("://")?;
    address.split(['/', '?']).next().map(str::to_owned)
}

/// Every key service that a region's keys are wrapped by: the root's, and the next one's while there is one.
pub(crate) fn services(settings: &Settings, region: &manifest::Region) -> BTreeSet<String> {
    ["", "_NEXT"].into_iter().filter_map(|ending| service(settings, region, ending)).collect()
}

/// Regions whose key service is not spoken here, or has no token: a development server uses roots of its own instead.
pub(crate) fn replaced(settings: &Settings, app: &App) -> Vec<String> {
    let other = |r: &&manifest::Region| matches!(r.root_key, Pointer::Kms(_)) && !in_service(settings, r);
    let named = |r: &manifest::Region| format!("{} (a root of this machine stands in)", named(&r.root_key));
    if settings.development() { app.regions.iter().filter(other).map(named).collect() } else { Vec::new() }
}

fn missing(settings: &Settings, path: &str, pointer: &Pointer, name: &str) -> String {
    let said = named(pointer);
    match pointer {
        Pointer::Kms(address) if address.contains("://") && !settings.environment.contains_key("VAULT_TOKEN") => {
            format!("{path}: {said} needs VAULT_TOKEN; {name} is looked at too")
        }
        Pointer::Kms(address) => {
            let service = address.split('/').next().unwrap_or_default();
            format!(
                "{path}: {said}: no client for the key service \"{service}\" is built in. Set {name} to \
                 kms:https://HOST:8200/MOUNT/KEY (Vault or OpenBao, with VAULT_TOKEN) or to 64 hex digits, or implement \
                 `encryption::Kms` for {service} and name it in `server::settings`"
            )
        }
        Pointer::Env(_) | Pointer::File(_) => {
            format!("{path}: {said} is not there (64 hex digits; {name} is looked at too)")
        }
    }
}

/// The text of a root: what the pointer names, else the variable of the region.
fn given(settings: &Settings, pointer: &Pointer, name: &str, ending: &str) -> Option<Secret> {
    let variable = |name: &str| resolve(settings, &Pointer::Env(format!("{name}{ending}")));
    let pointed = match pointer {
        Pointer::Env(name) => variable(name),
        Pointer::File(path) => resolve(settings, &Pointer::File(format!("{path}{ending}"))),
        Pointer::Kms(address) if ending.is_empty() && reachable(settings, address) => {
            Some(Secret::new(format!("kms:{address}")))
        }
        Pointer::Kms(_) => None,
    };
    pointed.or_else(|| variable(name))
}

fn holder(settings: &Settings, region: &str, path: &str, text: &Secret) -> Result<Arc<dyn Kms>, String> {
    let said = |failure: kernel::Failure| match failure {
        kernel::Failure::Internal(detail) => format!("{path}: {detail}"),
        _ => format!("{path}: is not acceptable"),
    };
    let text = text.expose_str().unwrap_or_default();
    if let Some(address) = text.strip_prefix("kms:") {
        let transit = Transit::new(address, credentials(settings)?).map_err(said)?;
        return Ok(Arc::new(transit));
    }
    let key = hex::decode(text).ok().filter(|k| k.len() == 32);
    let unchecked = kernel::sabotage::off("ops.config_validation").then(|| vec![7; 32]);
    let key = key.or(unchecked).ok_or_else(|| format!("{path}: 64 hex digits are expected"))?;
    Ok(Arc::new(Local::new(region, Secret::new(key)).map_err(said)?))
}

/// Of the key service, under the names that its own tools use.
fn credentials(settings: &Settings) -> Result<Credentials, String> {
    let value = |name: &str| settings.environment.get(name).filter(|v| !v.is_empty());
    let token = value("VAULT_TOKEN").ok_or("VAULT_TOKEN is not there: the key service asks for it")?;
    let mut authorities = Vec::new();
    if let Some(path) = value("VAULT_CACERT") {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let read = read.map_err(|e| format!("VAULT_CACERT: {path}: {e}"))?;
        authorities.extend(read.into_iter().map(|certificate| certificate.to_vec()));
    }
    let namespace = value("VAULT_NAMESPACE").cloned();
    Ok(Credentials { token: Secret::new(token.as_bytes()), namespace, authorities })
}

/// A pointer as it stands in the manifest.
pub(crate) fn named(pointer: &Pointer) -> String {
    match pointer {
        Pointer::Env(name) => format!("env:{name}"),
        Pointer::File(path) => format!("file:{path}"),
        Pointer::Kms(key) => format!("kms:{key}"),
    }
}

/// Features that are off because what they point to is not there, for the ready screen.
pub(crate) fn off(settings: &Settings, app: &App) -> Vec<String> {
    let mut off = replaced(settings, app);
    for hook in &app.webhooks_in {
        if hook.secrets.iter().all(|s| resolve(settings, s).is_none()) {
            off.push(format!("webhooks.in.{}", hook.id));
        }
    }
    let missing = |p: &Pointer| matches!(p, Pointer::File(path) if fs::metadata(path).is_err());
    if !app.edge.blocklist.is_empty() && (settings.development() || app.edge.blocklist.iter().any(missing)) {
        off.push("edge.blocklist".to_owned());
    }
    if let Some(dsn) = &app.observability.sentry
        && resolve(settings, dsn).is_none()
    {
        off.push("observability.sentry".to_owned());
    }
    off
}
