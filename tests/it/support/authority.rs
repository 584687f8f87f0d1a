//! Certificates of an authority that exists for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority: `ca.pem` in its folder.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    pub fn new(folder: &Path) -> Self {
        let authority = Self { folder: folder.to_owned() };
        let made = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority"];
        authority.openssl(&[&["req", "-x509", "-days", "2"], &NEW_KEY[..], &made[..]].concat());
        authority
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for a host or a client of this name, and its key.
    pub fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let [key, request, certificate, extensions] =
            ["key", "csr", "pem", "ext"].map(|ending| format!("{name}.{ending}"));
        fs::write(
            self.folder.join(&extensions),
            format!("subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\n"),
        )
        .unwrap();
        let subject = format!("/CN={name}");
        let made = ["-keyout", &key, "-out", &request, "-subj", &subject];
        self.openssl(&[&["req"], &NEW_KEY[..], &made[..]].concat());
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &extensions,
            "-out",
            &certificate,
        ]);
        (self.folder.join(certificate), self.folder.join(key))
    }

    /// Runs openssl in the authority's folder.
    pub fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).current_dir(&self.folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
