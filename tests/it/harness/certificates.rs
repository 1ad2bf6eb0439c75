//! Certificates for peers that speak TLS, made by OpenSSL for one test.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Package, run, tool};

/// A certificate with its key, both PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// An authority that issues certificates; what it made goes with it.
#[derive(Debug)]
pub struct Authority {
    own: Certificate,
    folder: TempDir,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = self_signed(folder.path(), "authority");
        Self { own, folder }
    }

    /// Its own certificate.
    pub fn certificate(&self) -> &Path {
        &self.own.certificate
    }

    /// A certificate with this common name, for this machine.
    pub fn issue(&self, common_name: &str) -> Certificate {
        self.issue_with(common_name, "DNS:localhost,IP:127.0.0.1", "30")
    }

    /// A certificate for other names than this machine's.
    pub fn issue_for(&self, common_name: &str, names: &str) -> Certificate {
        self.issue_with(common_name, names, "30")
    }

    /// A certificate for this machine that ended yesterday.
    pub fn expired(&self, common_name: &str) -> Certificate {
        self.issue_with(common_name, "DNS:localhost,IP:127.0.0.1", "-1")
    }

    fn issue_with(&self, common_name: &str, names: &str, days: &str) -> Certificate {
        let made = Certificate::named(self.folder.path(), common_name);
        let request = made.certificate.with_extension("csr");
        let mut ask = openssl(&["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        ask.arg("-subj").arg(format!("/O=Test/CN={common_name}"));
        ask.arg("-addext").arg(format!("subjectAltName={names}"));
        run(ask.arg("-keyout").arg(&made.key).arg("-out").arg(&request));
        let mut sign = openssl(&["x509", "-req", "-days", days, "-copy_extensions", "copy", "-CAcreateserial"]);
        sign.arg("-in").arg(&request).arg("-CA").arg(&self.own.certificate).arg("-CAkey").arg(&self.own.key);
        run(sign.arg("-out").arg(&made.certificate));
        made
    }

    /// A certificate that nobody has issued.
    pub fn self_signed(&self, common_name: &str) -> Certificate {
        self_signed(self.folder.path(), common_name)
    }
}

impl Certificate {
    fn named(folder: &Path, name: &str) -> Self {
        Self { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) }
    }

    /// SHA-256 of the certificate, as OpenSSL prints it: hex digits with colons.
    pub fn fingerprint(&self) -> String {
        let mut command = openssl(&["x509", "-noout", "-fingerprint", "-sha256", "-in"]);
        let output = run(command.arg(&self.certificate));
        String::from_utf8(output.stdout).unwrap().trim().rsplit('=').next().unwrap().to_owned()
    }
}

fn self_signed(folder: &Path, common_name: &str) -> Certificate {
    let made = Certificate::named(folder, common_name);
    let mut command = openssl(&["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    command.args(["-days", "30", "-subj"]).arg(format!("/O=Test/CN={common_name}"));
    run(command.arg("-keyout").arg(&made.key).arg("-out").arg(&made.certificate));
    made
}

fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new(tool("openssl", Package::Debian("openssl")));
    command.args(arguments);
    command
}
