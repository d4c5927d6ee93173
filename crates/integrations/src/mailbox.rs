//! Where a development server's mail ends: a folder, two files a mail.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use kernel::{Failure, Time};

use crate::Mail;

/// Mails kept; the oldest go first.
const KEPT: usize = 1000;

/// A folder of mails: `<ms>-<id>.eml` as sent, `<ms>-<id>.json` as `{to, subject, text, at}`.
#[derive(Clone, Debug)]
pub struct Mailbox(PathBuf);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub(crate) struct Item {
    /// To whom.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// When it was sent, RFC 3339.
    pub at: String,
}

fn failed(_: io::Error) -> Failure {
    Failure::internal("mail: the mailbox folder cannot be read or written")
}

impl Mailbox {
    /// In `folder`, made when needed.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Keeps a mail. Blocks.
    pub(crate) fn put(&self, id: &str, mail: &Mail, message: &[u8], at: Time) -> Result<(), Failure> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        let Mail { to, subject, text, .. } = mail.clone();
        let item = serde_json::to_vec(&Item { to, subject, text, at: at.to_string() });
        let item = item.map_err(|_| Failure::internal("mail: a mail is not JSON"))?;
        let name = format!("{:015}-{id}", at.0.max(0));
        self.write(&name, "eml", message).and_then(|()| self.write(&name, "json", &item)).map_err(failed)?;
        self.tidy().map_err(failed)
    }

    /// The newest mails, newest first. Blocks.
    pub(crate) fn newest(&self, most: usize) -> Result<Vec<Item>, Failure> {
        let names = self.names().map_err(failed)?;
        let items = names.iter().rev().take(most).filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok());
        Ok(items.collect())
    }

    /// Under another name first, so that a reader never sees half of it.
    fn write(&self, name: &str, ending: &str, bytes: &[u8]) -> io::Result<()> {
        let (begun, whole) = (self.0.join(format!("{name}.{ending}.tmp")), self.0.join(format!("{name}.{ending}")));
        let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&begun)?;
        file.write_all(bytes)?;
        fs::rename(begun, whole)
    }

    /// The JSON files, oldest first.
    fn names(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let json = |path: &PathBuf| path.extension().is_some_and(|e| e == "json");
        let mut names: Vec<_> = entries.filter_map(|e| e.ok().map(|e| e.path())).filter(json).collect();
        names.sort();
        Ok(names)
    }

    fn tidy(&self) -> io::Result<()> {
        let names = self.names()?;
        let gone = |path: &Path| match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        for old in names.iter().take(names.len().saturating_sub(KEPT)) {
            gone(old)?;
            gone(&old.with_extension("eml"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = Mailbox::new(folder.path().join("mail"));
        assert_eq!(mailbox.newest(5), Ok(Vec::new()));
        for n in 0..1005_i64 {
            let mail =
                Mail { to: "a@b.example".to_owned(), subject: n.to_string(), text: "t".to_owned(), tenant: None };
            mailbox.put(&format!("id{n}"), &mail, b"To: a@b.example", Time(1_700_000_000_000 + n)).unwrap();
        }
        let subjects: Vec<_> = mailbox.newest(2).unwrap().into_iter().map(|i| i.subject).collect();
        assert_eq!(subjects, ["1004", "1003"]);
        assert_eq!(mailbox.newest(9999).unwrap().len(), KEPT);
        assert_eq!(fs::read_dir(folder.path().join("mail")).unwrap().count(), 2 * KEPT);
    }

    #[test]
    fn a_strange_file_is_no_mail() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.json"), "{").unwrap();
        assert_eq!(Mailbox::new(folder.path().to_owned()).newest(5), Ok(Vec::new()));
    }
}
