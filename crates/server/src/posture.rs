//! What the program finds on the machine it runs on, before it serves anybody: whose account it has, whether its memory could
//! be dumped to disk, who else may open its files, and where it listens. Reported, not judged: the machine is its operator's.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustix::process::{Resource, Rlimit, getrlimit, getuid, setrlimit, umask};
use serde::Serialize;

use crate::Settings;

/// Bits of a mode that are not the owner's.
const OTHERS: u32 = 0o077;
/// Files of the data folder that are looked at.
const LOOKED_AT: usize = 10_000;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Posture {
    /// Whether the program has the root account.
    root: bool,
    /// Whether the system may write its memory to a file.
    core_dumps: bool,
    /// Files and folders of ours that somebody else may open: roles, not paths.
    open: Vec<&'static str>,
    /// Every socket of the network it answers on, and what for.
    pub(crate) listens: Vec<(&'static str, SocketAddr)>,
    /// What an operator should change, as sentences.
    pub(crate) findings: Vec<String>,
}

/// No memory dumps, and no file that others can open, from here on.
pub(crate) fn harden() {
    if kernel::sabotage::off("ops.host_hardening") {
        return;
    }
    // Lowering a limit is always allowed.
    let _lowered = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _before = umask(OTHERS.into());
}

fn open_to_others(path: &Path, bits: u32) -> bool {
    fs::metadata(path).is_ok_and(|m| m.permissions().mode() & bits != 0)
}

/// Every file and folder below, up to a bound.
fn below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut at) = (vec![folder.to_owned()], 0);
    while let Some(path) = found.get(at).cloned().filter(|_| found.len() < LOOKED_AT) {
        at += 1;
        let entries =
            fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_dir).and_then(|_| fs::read_dir(&path).ok());
        found.extend(entries.into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    found
}

impl Posture {
    /// Looks around. What the program is told to listen on comes from its settings and the sockets it has bound.
    pub(crate) fn inspect(settings: &Settings, ports: &[u16], listens: Vec<(&'static str, SocketAddr)>) -> Self {
        let mut open = Vec::new();
        if below(&settings.data).iter().any(|path| open_to_others(path, OTHERS)) {
            open.push("data folder");
        }
        if settings.tls.as_ref().is_some_and(|(_, key)| open_to_others(key, OTHERS)) {
            open.push("TLS key");
        }
        if ["app.toml", "security.md"].iter().any(|name| open_to_others(&settings.folder.join(name), 0o022)) {
            open.push("app folder");
        }
        let root = getuid().is_root();
        let core_dumps = getrlimit(Resource::Core).current != Some(0);
        let mut findings = Vec::new();
        if root {
            findings.push("it runs as root: give it an account of its own".to_owned());
        }
        if core_dumps {
            findings.push("its memory can be dumped to a file: set the core limit to 0".to_owned());
        }
        findings.extend(open.iter().map(|what| format!("others can open the {what}: take their rights away")));
        let beyond = |(_, at): &&(_, SocketAddr)| public(*at) && !ports.contains(&at.port());
        findings.extend(
            listens
                .iter()
                .filter(beyond)
                .map(|(what, at)| format!("{what} listens on {at}, which `edge.ports` does not name")),
        );
        if kernel::sabotage::off("ops.host_hardening") {
            return Self { root: false, core_dumps: false, open: Vec::new(), listens, findings: Vec::new() };
        }
        Self { root, core_dumps, open, listens, findings }
    }
}

/// Whether an address can be reached from outside the machine's own networks. Unspecified: every address, so yes.
pub(crate) fn public(at: SocketAddr) -> bool {
    !crate::links::private(at.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_open_is_found_anywhere_below() {
        let folder = tempfile::TempDir::new().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), "x").unwrap();
        for path in below(folder.path()) {
            let mode = if path.is_dir() { 0o700 } else { 0o600 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let found = || below(folder.path()).iter().any(|p| open_to_others(p, OTHERS));
        assert_eq!((below(folder.path()).len(), found()), (4, false));
        fs::set_permissions(deep.join("file"), fs::Permissions::from_mode(0o604)).unwrap();
        assert!(found());
    }
}
