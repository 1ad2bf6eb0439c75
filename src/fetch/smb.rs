//! Report files on shares that are not mounted, read over SMB by Samba's own program `smbclient` (ADR 5).
//!
//! The program stands beside, it is not linked: protocol versions, signing, encryption, NTLM and DFS are Samba's work. One
//! process fetches one file and writes it to its standard output; what comes is counted and looked at on the way, and a process whose
//! file is too large, too slow or no report is ended. User name and password go through a pipe: no list of processes shows them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::received::{Fetched, Receiving};
use super::share::names_of;
use super::source::Source;
use super::{Error, ShareFault};

/// What is read of the program's messages.
const MESSAGE_BYTES: u64 = 16 * 1024;
/// What cannot stand in a name on Windows, and what `smbclient` would take for the end of a command.
const NOT_IN_NAMES: [char; 8] = ['"', ';', '*', '?', '<', '>', '|', '\\'];

/// One `[[reports.smb]]`: a share that is read over SMB, by the program `smbclient`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmbShare {
    /// The share or drive as it is registered, e.g. `\\srv\rpt` or `R:\`; a folder below it is possible.
    pub share: String,
    /// The share that is called instead, e.g. `\\10.1.2.3\rpt`, where registered names mean nothing here; needed for a drive.
    /// Default: `share`. User name (`NAME` or `DOMAIN\NAME`) and password are those of `[[reports.credential]]` for the host
    /// called here; without an entry the server is asked as a guest.
    #[serde(default)]
    pub target: Option<String>,
    /// The server's TCP port. Default 445.
    #[serde(default = "default_port")]
    pub port: u16,
    /// What protects the way: `sign` (default) or `encrypt` (SMB 3); a server that cannot is not read from.
    #[serde(default)]
    pub protection: SmbProtection,
}

impl Default for SmbShare {
    fn default() -> Self {
        Self { share: String::new(), target: None, port: default_port(), protection: SmbProtection::default() }
    }
}

fn default_port() -> u16 {
    445
}

/// What protects the way to an SMB server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SmbProtection {
    /// Messages are signed.
    #[default]
    Sign,
    /// Messages are encrypted, which wants SMB 3.
    Encrypt,
}

impl SmbShare {
    /// Server, share, and the folder below it.
    fn called(&self) -> Option<(String, String, Vec<String>)> {
        let Ok(Source::Share(path)) = Source::parse(self.target.as_deref().unwrap_or(&self.share)) else { return None };
        let mut names = names_of(path.strip_prefix("//")?).map(str::to_owned);
        let (server, share) = (names.next()?, names.next()?);
        // Nothing of a name may be taken for an option, a port or a list of servers.
        let plain = |name: &str| name.chars().all(|c| c.is_alphanumeric() || "-._$ ".contains(c));
        (plain(&server) && plain(&share) && !server.starts_with('-')).then(|| (server, share, names.collect()))
    }

    /// Whether the entry names a share that can be called.
    pub(super) fn is_usable(&self) -> bool {
        self.called().is_some()
    }
}

/// Whether a program is there: in `PATH`, when it is a bare name.
pub(super) fn is_program(program: &Path) -> bool {
    let bare = program.components().count() == 1;
    let path = std::env::var_os("PATH").filter(|_| bare);
    path.map_or_else(|| program.is_file(), |path| std::env::split_paths(&path).any(|at| at.join(program).is_file()))
}

/// One file on a server.
#[derive(Debug)]
pub(super) struct SmbFile {
    server: String,
    share: String,
    path: String,
    port: u16,
    protection: SmbProtection,
    host: String,
}

impl SmbFile {
    /// The file below an entry; nothing when its name cannot be said to the program.
    pub(super) fn new(entry: &SmbShare, below: &[String], host: &str) -> Option<Self> {
        let (server, share, folder) = entry.called()?;
        let names = || folder.iter().chain(below);
        if names().any(|name| name.contains(NOT_IN_NAMES) || name == "..") {
            return None;
        }
        let path = names().map(|name| format!("\\{name}")).collect();
        Some(Self { server, share, path, port: entry.port, protection: entry.protection, host: host.to_owned() })
    }

    /// The host that is called, in lower case.
    pub(super) fn server(&self) -> String {
        self.server.to_lowercase()
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Fetches the file. The caller limits the time; the process ends with the future.
    pub(super) async fn fetch(
        &self,
        program: &Path,
        login: Option<(&str, &str)>,
        read_timeout: Duration,
        max_bytes: usize,
    ) -> Result<Fetched, Error> {
        let protection = match self.protection {
            SmbProtection::Sign => "sign",
            SmbProtection::Encrypt => "encrypt",
        };
        let mut command = Command::new(program);
        command
            .arg(format!("//{}/{}", self.server, self.share))
            .args(["--stderr", "--debuglevel=1", "--name-resolve=host"])
            .args([format!("--port={}", self.port), format!("--client-protection={protection}")])
            .arg(format!("--timeout={}", read_timeout.as_secs().max(1)))
            .arg(if login.is_some() { "--authentication-file=/dev/stdin" } else { "--no-pass" })
            .arg(format!("--command=get \"{}\" -", self.path))
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([("LC_ALL", "C.UTF-8"), ("HOME", "/nonexistent")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let failed = |_| Error::Connection { host: self.host.clone(), reason: "smbclient cannot be run" };
        let mut child = command.spawn().map_err(failed)?;
        let (Some(mut input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Error::Stopped);
        };
        if let Some((user, password)) = login {
            let (domain, user) = user.split_once('\\').unwrap_or(("", user));
            let mut said = format!("username = {user}\npassword = {password}\n");
            if !domain.is_empty() {
                said += &format!("domain = {domain}\n");
            }
            // Who does not read it says why on the other side.
            let _ = input.write_all(said.as_bytes()).await;
        }
        drop(input);
        let (received, said) = tokio::join!(self.receive(output, max_bytes), messages(errors));
        let received = received?;
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            return Err(self.fault(&said));
        }
        if announced(&said).is_some_and(|length| length != received.length()) {
            return Err(Error::Share { host: self.host.clone(), fault: ShareFault::Changing });
        }
        received.finish()
    }

    async fn receive(&self, mut output: impl AsyncRead + Unpin, max_bytes: usize) -> Result<Receiving<'_>, Error> {
        let mut received = Receiving::new(&self.host, max_bytes, 0)?;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let read = output.read(&mut chunk).await;
            let length = read.map_err(|_| Error::Share { host: self.host.clone(), fault: ShareFault::Unreadable })?;
            if length == 0 {
                return Ok(received);
            }
            received.take(&chunk[..length])?;
        }
    }

    /// What the program says about a failure, in our words: its own hold the path.
    fn fault(&self, said: &str) -> Error {
        let fault = |fault| Error::Share { host: self.host.clone(), fault };
        let away = |reason| Error::Connection { host: self.host.clone(), reason };
        let Some(at) = said.find("NT_STATUS_") else { return away("smbclient failed") };
        let name = &said[at + "NT_STATUS_".len()..];
        match name.split(|c: char| !c.is_ascii_uppercase() && c != '_').next().unwrap_or_default() {
            "OBJECT_NAME_NOT_FOUND"
            | "OBJECT_PATH_NOT_FOUND"
            | "NO_SUCH_FILE"
            | "NOT_A_DIRECTORY"
            | "BAD_NETWORK_NAME"
            | "OBJECT_NAME_INVALID" => fault(ShareFault::Missing),
            "FILE_IS_A_DIRECTORY" => fault(ShareFault::NoFile),
            "SHARING_VIOLATION" | "FILE_LOCK_CONFLICT" | "DELETE_PENDING" => fault(ShareFault::Changing),
            "ACCESS_DENIED" => fault(ShareFault::Forbidden),
            "LOGON_FAILURE"
            | "WRONG_PASSWORD"
            | "NO_SUCH_USER"
            | "ACCOUNT_DISABLED"
            | "ACCOUNT_LOCKED_OUT"
            | "ACCOUNT_EXPIRED"
            | "ACCOUNT_RESTRICTION"
            | "PASSWORD_EXPIRED"
            | "PASSWORD_MUST_CHANGE"
            | "LOGON_TYPE_NOT_GRANTED" => fault(ShareFault::Login),
            "NOT_SUPPORTED" | "INVALID_NETWORK_RESPONSE" => {
                away("the server cannot protect the way as reports.smb asks")
            }
            "IO_TIMEOUT" => away("the server is silent"),
            _ => away("the SMB server cannot be reached or refused"),
        }
    }
}

/// The beginning of what the program says; the rest is read and dropped, so that it never waits.
async fn messages(mut errors: impl AsyncRead + Unpin) -> String {
    let mut said = Vec::new();
    let _ = (&mut errors).take(MESSAGE_BYTES).read_to_end(&mut said).await;
    let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&said).into_owned()
}

/// The length that the server told when the file was opened.
fn announced(said: &str) -> Option<u64> {
    let line = said.lines().rfind(|line| line.starts_with("getting file "))?;
    line.rsplit_once(" of size ")?.1.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(share: &str, target: Option<&str>) -> SmbShare {
        SmbShare { share: share.to_owned(), target: target.map(str::to_owned), ..SmbShare::default() }
    }

    fn file(entry: &SmbShare, below: &[&str]) -> Option<String> {
        let below: Vec<String> = below.iter().map(|name| (*name).to_owned()).collect();
        SmbFile::new(entry, &below, "srv").map(|file| format!("//{}/{} {}", file.server, file.share, file.path))
    }

    #[test]
    fn a_target_stands_for_what_is_registered() {
        assert_eq!(file(&entry(r"\\srv\rpt", None), &["a.pdf"]).unwrap(), r"//srv/rpt \a.pdf");
        let drive = entry(r"R:\", Some(r"\\10.1.2.3\reports$\out"));
        assert_eq!(file(&drive, &["2026", "胸部 报告.pdf"]).unwrap(), r"//10.1.2.3/reports$ \out\2026\胸部 报告.pdf");
        for unusable in [entry(r"R:\", None), entry(r"\\srv", None), entry(r"\\-srv\rpt", None), entry("", None)] {
            assert!(!unusable.is_usable(), "{unusable:?}");
        }
    }

    #[test]
    fn a_name_never_begins_another_command() {
        let share = entry(r"\\srv\rpt", None);
        for name in ["a\";del x;\".pdf", "a;b.pdf", "*.pdf", "a?.pdf", "a|b", "a\\..\\b", ".."] {
            assert_eq!(file(&share, &[name]), None, "{name}");
        }
    }

    #[test]
    fn what_the_program_says_is_told_in_our_words() {
        let file = SmbFile::new(&entry(r"\\srv\rpt", None), &["a.pdf".to_owned()], "srv").unwrap();
        let told = |said: &str| file.fault(said);
        let fault = |said: &str| match told(said) {
            Error::Share { fault, .. } => fault,
            other => panic!("{said}: {other}"),
        };
        assert_eq!(fault("NT_STATUS_OBJECT_NAME_NOT_FOUND opening remote file \\a.pdf"), ShareFault::Missing);
        assert_eq!(fault("session setup failed: NT_STATUS_LOGON_FAILURE\n"), ShareFault::Login);
        assert!(!told("session setup failed: NT_STATUS_LOGON_FAILURE").is_retryable());
        let away = told("do_connect: Connection to srv failed (Error NT_STATUS_CONNECTION_REFUSED)");
        assert!(away.is_retryable() && !away.to_string().contains("a.pdf"), "{away}");
        assert!(told("").is_retryable());
    }

    #[test]
    fn the_length_is_read_from_behind_the_name() {
        let said =
            "getting file \\x of size 7 as b.pdf of size 12 as - (1.0 KiloBytes/sec) (average 1.0 KiloBytes/sec)\n";
        assert_eq!(announced(said), Some(12));
        assert_eq!(announced("nothing"), None);
    }
}
