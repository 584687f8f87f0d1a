//! Secrets come from files, systemd credentials or the environment, and are never shown.
//!
//! One that cannot be read is no mistake of the configuration by itself: the user of a command beside the daemon may not read
//! what the daemon can, and may not need it. It is noted, and whatever needs it refuses to go on.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::de::DeValue;

use super::mistake::Unread;
use super::section::Section;

const HINT: &str =
    "write { file = \"/path\" }, { credential = \"NAME\" } (systemd's LoadCredential) or { env = \"NAME\" }";

impl Section<'_> {
    /// A secret; none as well when it could not be read, which is noted then. `warnings` takes a word about secrets written
    /// in the open.
    pub(super) fn secret(&self, key: &'static str, warnings: &mut Vec<String>) -> Option<SecretString> {
        let (value, span) = self.value(key)?;
        self.note_secret(key, value, span.clone());
        match value {
            DeValue::String(text) => {
                let line = self.file.line(span.start);
                warnings.push(format!(
                    "{}:{line}: `{}` is written in plain text\nhint: {HINT}",
                    self.file.name,
                    self.key(key)
                ));
                Some(SecretString::from(text.to_string()))
            }
            DeValue::Table(table) if table.len() == 1 => {
                let (kind, name) = table.iter().next()?;
                let DeValue::String(name) = name.get_ref() else {
                    self.add(self.mistake(key, "must name its source with a text").hint(HINT));
                    return None;
                };
                match kind.get_ref().as_ref() {
                    "file" => self.read_file(key, Path::new(name.as_ref())),
                    "credential" => self.read_credential(key, name),
                    "env" => {
                        if let Ok(value) = std::env::var(name.as_ref()) {
                            Some(SecretString::from(value))
                        } else {
                            self.unread(key, format!("environment variable `{name}` is not set"), None, true);
                            None
                        }
                    }
                    other => {
                        self.add(self.mistake(key, format!("`{other}` is not a source of secrets")).hint(HINT));
                        None
                    }
                }
            }
            _ => {
                self.add(self.mistake(key, "must be a secret").hint(HINT));
                None
            }
        }
    }

    /// Whether a secret is configured and could not be read.
    pub(super) fn is_unread(&self, key: &str) -> bool {
        let key = self.key(key);
        self.all_unread().iter().any(|unread| unread.mistake.key == key)
    }

    /// Whether any secret of this table or of those in it could not be read.
    pub(super) fn has_unread(&self) -> bool {
        let table = self.key("");
        self.all_unread().iter().any(|unread| unread.mistake.key.starts_with(&table))
    }

    /// A credential of the unit. Beside the unit, where systemd passes none, from the folders that it is usually loaded from:
    /// `secrets` next to the configuration, as the unit that driftd ships does, and systemd's own `/etc/credstore`.
    fn read_credential(&self, key: &str, name: &str) -> Option<SecretString> {
        if name.is_empty() || name.contains('/') || name.contains("..") {
            self.add(self.mistake(key, format!("`{name}` is not the name of a credential")));
            return None;
        }
        if let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") {
            let path = PathBuf::from(directory).join(name);
            return match std::fs::read_to_string(&path) {
                Ok(text) => Some(without_newline(&text)),
                Err(error) => {
                    let hint = format!("add `LoadCredential={name}:/path/to/file` to the unit");
                    self.unread(
                        key,
                        format!("cannot read credential `{}`: {error}", path.display()),
                        Some(hint),
                        false,
                    );
                    None
                }
            };
        }
        let beside = Path::new(&self.file.name).parent().unwrap_or(Path::new("."));
        let folders = [beside.join("secrets"), PathBuf::from("/etc/credstore")];
        let mut looked = Vec::new();
        for path in folders.map(|folder| folder.join(name)) {
            match std::fs::metadata(&path) {
                Ok(_) => return self.read_file(key, &path),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    looked.push(format!("`{}` is not there", path.display()));
                }
                Err(error) => looked.push(format!("`{}`: {error}", path.display())),
            }
        }
        let message = format!(
            "credential `{name}` is passed by systemd to the daemon's unit alone, and {}",
            looked.join(", ")
        );
        let hint = format!(
            "in the unit, add `LoadCredential={name}:/path/to/file`; beside it, run this as a user that may read the file (sudo -u \
             driftd ...), or set CREDENTIALS_DIRECTORY to the folder that has `{name}`"
        );
        self.unread(key, message, Some(hint), true);
        None
    }

    /// The path of a file that is no secret: certificates, a template. One that cannot be read is noted as a secret is: the
    /// daemon may be able to.
    pub(super) fn file(&self, key: &'static str) -> Option<PathBuf> {
        self.string(key).map(|path| self.present_file(key, path.into()))
    }

    /// As [`Self::file`], of a file that has to be named.
    pub(super) fn required_file(&self, key: &'static str, what: &str) -> Option<PathBuf> {
        self.required(key, what).map(|path| self.present_file(key, path.into()))
    }

    fn present_file(&self, key: &str, path: PathBuf) -> PathBuf {
        let is_folder = path.is_dir().then(|| std::io::Error::from(ErrorKind::IsADirectory));
        if let Some(error) = is_folder.or_else(|| std::fs::File::open(&path).err()) {
            self.cannot_read(key, &path, &error);
        }
        path
    }

    /// The path of a file that holds a key or a token and is read by somebody else: TLS, librdkafka. One that everybody can
    /// read is noted as a secret that cannot be used, and so is one that cannot be read here.
    pub(super) fn key_file(&self, key: &'static str) -> Option<PathBuf> {
        self.string(key).map(|path| self.closed_file(key, path.into()))
    }

    /// As [`Self::key_file`], of a file that has to be named.
    pub(super) fn required_key_file(&self, key: &'static str, what: &str) -> Option<PathBuf> {
        self.required(key, what).map(|path| self.closed_file(key, path.into()))
    }

    fn closed_file(&self, key: &str, path: PathBuf) -> PathBuf {
        match std::fs::File::open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) if is_open(&metadata) => self.open_to_all(key, &path),
            Ok(_) => {}
            Err(error) => self.cannot_read(key, &path, &error),
        }
        path
    }

    fn cannot_read(&self, key: &str, path: &Path, error: &std::io::Error) {
        let elsewhere = error.kind() == ErrorKind::PermissionDenied;
        self.unread(key, format!("cannot read `{}`: {error}", path.display()), None, elsewhere);
    }

    fn open_to_all(&self, key: &str, path: &Path) {
        let hint = format!("chmod o-rwx {}", path.display());
        self.unread(key, format!("`{}` can be read by everybody", path.display()), Some(hint), false);
    }

    fn read_file(&self, key: &str, path: &Path) -> Option<SecretString> {
        let readable = std::fs::metadata(path).and_then(|metadata| {
            if is_open(&metadata) {
                return Ok(None);
            }
            std::fs::read_to_string(path).map(Some)
        });
        match readable {
            Ok(Some(text)) => Some(without_newline(&text)),
            Ok(None) => {
                self.open_to_all(key, path);
                None
            }
            Err(error) => {
                self.cannot_read(key, path, &error);
                None
            }
        }
    }

    fn unread(&self, key: &str, message: String, hint: Option<String>, elsewhere: bool) {
        let mut mistake = self.mistake(key, message);
        if let Some(hint) = hint {
            mistake = mistake.hint(hint);
        }
        self.add_unread(Unread { mistake, elsewhere });
    }
}

/// Whether everybody on this machine can read a file.
fn is_open(metadata: &std::fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o004 != 0
}

fn without_newline(text: &str) -> SecretString {
    SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned())
}
