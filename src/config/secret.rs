//! Secrets come from files, systemd credentials or the environment, and are never shown.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::de::DeValue;

use super::problem::Problem;
use super::section::Section;

const HINT: &str =
    "write { file = \"/path\" }, { credential = \"NAME\" } (systemd's LoadCredential) or { env = \"NAME\" }";

impl Section<'_> {
    /// A secret. `warnings` takes a word about secrets written in the open.
    pub(super) fn secret(&self, key: &'static str, warnings: &mut Vec<String>) -> Option<SecretString> {
        let (value, span) = self.value(key)?;
        self.note_secret(key, value, span);
        match value {
            DeValue::String(text) => {
                warnings.push(format!("{}: `{key}` is written in the open\nhint: {HINT}", self.file.name));
                Some(SecretString::from(text.to_string()))
            }
            DeValue::Table(table) if table.len() == 1 => {
                let (kind, name) = table.iter().next()?;
                let DeValue::String(name) = name.get_ref() else {
                    self.add(self.problem(key, "must name its source with a text").hint(HINT));
                    return None;
                };
                match kind.get_ref().as_ref() {
                    "file" => self.read_file(key, Path::new(name.as_ref())),
                    "credential" => self.read_credential(key, name),
                    "env" => {
                        if let Ok(value) = std::env::var(name.as_ref()) {
                            Some(SecretString::from(value))
                        } else {
                            self.add(self.problem(key, format!("environment variable `{name}` is not set")));
                            None
                        }
                    }
                    other => {
                        self.add(self.problem(key, format!("`{other}` is not a source of secrets")).hint(HINT));
                        None
                    }
                }
            }
            _ => {
                self.add(self.problem(key, "must be a secret").hint(HINT));
                None
            }
        }
    }

    fn read_credential(&self, key: &str, name: &str) -> Option<SecretString> {
        if name.is_empty() || name.contains('/') || name.contains("..") {
            self.add(self.problem(key, format!("`{name}` is not the name of a credential")));
            return None;
        }
        let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
            self.add(
                self.problem(key, format!("credential `{name}` cannot be read: systemd passed none"))
                    .hint(format!("add `LoadCredential={name}:/path/to/file` to the unit")),
            );
            return None;
        };
        self.read(key, &PathBuf::from(directory).join(name))
    }

    fn read_file(&self, key: &str, path: &Path) -> Option<SecretString> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.permissions().mode() & 0o004 != 0 => {
                self.add(
                    self.problem(key, format!("`{}` can be read by everybody", path.display()))
                        .hint(format!("chmod o-rwx {}", path.display())),
                );
                None
            }
            Ok(_) => self.read(key, path),
            Err(error) => {
                self.add(unreadable(self, key, path, &error));
                None
            }
        }
    }

    fn read(&self, key: &str, path: &Path) -> Option<SecretString> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned())),
            Err(error) => {
                self.add(unreadable(self, key, path, &error));
                None
            }
        }
    }
}

fn unreadable(section: &Section<'_>, key: &str, path: &Path, error: &std::io::Error) -> Problem {
    section.problem(key, format!("cannot read `{}`: {error}", path.display()))
}
