//! Whether a folder lies on an encrypted block device, as the kernel tells it: which mount holds the folder, and what the
//! mount's device is made of.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// What lies under a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    /// Every way down to the disk goes through dm-crypt.
    Crypt,
    /// A file system that encrypts by itself (eCryptfs, gocryptfs, EncFS).
    Stacked,
    /// Some way down goes through nothing of the kind, or through what the kernel does not show.
    Unknown,
}

/// How deep devices may be stacked.
const DEPTH: usize = 12;

/// Looks under a folder.
#[must_use]
pub fn under(folder: &Path) -> Under {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return Under::Unknown };
    let Ok(folder) = folder.canonicalize() else { return Under::Unknown };
    under_in(&mounts, Path::new("/sys/dev/block"), &folder, DEPTH)
}

fn under_in(mounts: &str, sys: &Path, folder: &Path, depth: usize) -> Under {
    let Some(mount) = holding(mounts, folder) else { return Under::Unknown };
    if ["ecryptfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs"].contains(&mount.kind.as_str()) {
        return Under::Stacked;
    }
    // btrfs names no device of its own: the source does.
    let device = match mount.device.split_once(':') {
        Some(("0", _)) => device_of(Path::new(&mount.source)),
        _ => Some(mount.device),
    };
    match device {
        Some(device) if crypt(mounts, sys, &device, depth) => Under::Crypt,
        _ => Under::Unknown,
    }
}

/// Whether every way down from a device goes through dm-crypt.
fn crypt(mounts: &str, sys: &Path, device: &str, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    // A partition is part of the device in the folder above it.
    let Ok(mut place) = sys.join(device).canonicalize() else { return false };
    if place.join("partition").exists() {
        place.pop();
    }
    let said = |name: &str| std::fs::read_to_string(place.join(name)).unwrap_or_default().trim().to_owned();
    if said("dm/uuid").starts_with("CRYPT-") {
        return true;
    }
    let file = said("loop/backing_file");
    if !file.is_empty() {
        return under_in(mounts, sys, Path::new(&file), depth) != Under::Unknown;
    }
    let slaves: Vec<PathBuf> = std::fs::read_dir(place.join("slaves"))
        .map(|all| all.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    let numbers = slaves.iter().map(|slave| std::fs::read_to_string(slave.join("dev")).unwrap_or_default());
    let below: Vec<bool> = numbers.map(|number| crypt(mounts, sys, number.trim(), depth)).collect();
    !below.is_empty() && below.iter().all(|sealed| *sealed)
}

struct Mount {
    device: String,
    kind: String,
    source: String,
}

/// The mount that a path is on: the longest mount point above it, the last of equal ones (proc_pid_mountinfo(5)).
fn holding(mounts: &str, path: &Path) -> Option<Mount> {
    let mut found: Option<(usize, Mount)> = None;
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (left, right): (Vec<_>, Vec<_>) = (left.split(' ').collect(), right.split(' ').collect());
        let (Some(device), Some(point), Some(kind), Some(source)) =
            (left.get(2), left.get(4), right.first(), right.get(1))
        else {
            continue;
        };
        let point = point.replace("\\040", " ");
        if path.starts_with(&point) && found.as_ref().is_none_or(|(length, _)| point.len() >= *length) {
            let mount = Mount { device: (*device).into(), kind: (*kind).into(), source: (*source).into() };
            found = Some((point.len(), mount));
        }
    }
    found.map(|(_, mount)| mount)
}

fn device_of(file: &Path) -> Option<String> {
    let number = std::fs::metadata(file).ok().filter(|_| file.starts_with("/dev"))?.rdev();
    let major = (number >> 8) & 0xfff | (number >> 32) & !0xfff;
    let minor = number & 0xff | (number >> 12) & !0xff;
    Some(format!("{major}:{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        30 22 253:1 / /srv/data rw,noatime shared:5 - ext4 /dev/mapper/data rw\n\
        31 22 253:2 / /srv/half rw - xfs /dev/mapper/half rw\n\
        32 22 253:3 / /srv/with\\040space rw - xfs /dev/mapper/raid rw\n\
        33 22 7:0 / /srv/loop rw - ext4 /dev/loop0 rw\n\
        34 22 0:50 / /home/x rw - ecryptfs /home/.x rw\n";

    fn machine() -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let file = sys.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        put("sda/dev", "8:0\n");
        put("sda/sda1/partition", "1\n");
        // An LVM volume on dm-crypt on a disk.
        put("dm1/dm/uuid", "LVM-abc\n");
        put("dm1/slaves/dm0/dev", "253:0\n");
        put("dm0/dm/uuid", "CRYPT-LUKS2-abc-data\n");
        put("dm0/slaves/sda/dev", "8:0\n");
        // A volume over an encrypted and a plain disk.
        put("dm2/dm/uuid", "LVM-def\n");
        put("dm2/slaves/dm0/dev", "253:0\n");
        put("dm2/slaves/sda/dev", "8:0\n");
        put("dm3/slaves/dm0/dev", "253:0\n");
        put("loop0/loop/backing_file", "/srv/data/disk.img\n");
        for (number, place) in [
            ("8:0", "sda"),
            ("8:1", "sda/sda1"),
            ("253:0", "dm0"),
            ("253:1", "dm1"),
            ("253:2", "dm2"),
            ("253:3", "dm3"),
            ("7:0", "loop0"),
        ] {
            std::os::unix::fs::symlink(sys.path().join(place), sys.path().join(number)).unwrap();
        }
        sys
    }

    #[test]
    fn every_way_down_must_be_encrypted() {
        let sys = machine();
        let at = |path: &str| under_in(MOUNTS, sys.path(), Path::new(path), DEPTH);
        assert_eq!(at("/srv/data/app/t"), Under::Crypt);
        assert_eq!(at("/srv/half/app"), Under::Unknown);
        assert_eq!(at("/srv/with space/app"), Under::Crypt);
        assert_eq!(at("/srv/loop/app"), Under::Crypt);
        assert_eq!(at("/home/x/app"), Under::Stacked);
        assert_eq!(at("/var/lib"), Under::Unknown);
        assert_eq!(at("/srv/database"), Under::Unknown, "a name that only begins like a mount");
    }

    #[test]
    fn this_machine_answers() {
        let _some_answer = under(Path::new("/"));
        assert_eq!(under(Path::new("/no/such/folder")), Under::Unknown);
        assert_eq!(device_of(Path::new("/etc")), None);
    }
}
