//! What `yingku serve --demo` adds: a configuration with fresh secrets, a synthetic hospital, links that open.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::sign_link::signed_link;
use crate::archive::Archive;
use crate::config::Config;
use crate::demo;

const FILE: &str = "storage/demo.toml";
const CALLING_AE_TITLE: &str = "DEMOPACS";

/// The demo's configuration; written with fresh secrets when it is not there yet.
pub(super) fn configuration_file() -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(FILE);
    if !path.exists() {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        write_private(&path, &configuration()).with_context(|| FILE)?;
    }
    Ok(path)
}

fn configuration() -> String {
    let secret = || hex::encode(rand::random::<[u8; 16]>());
    let guid = uuid::Uuid::new_v4();
    format!(
        r#"# Written by `yingku serve --demo` with fresh secrets: a configuration to try things out with.
# Everything listens on this machine only. docs/configuration.md explains each key.

[http]
listen = "127.0.0.1:8080"
public_url = "http://127.0.0.1:8080"

[dicom]
listen = "127.0.0.1:11112"
ae_title = "YINGKU"

[database]
url = "sqlite://storage/yingku.db"

[objects]
url = "file://storage/objects"

[[organization]]
code = "{organization}"
name = "{name}"

# The demo's own PACS, and one for you: storescu -aec YINGKU -aet PACS01 127.0.0.1 11112 file.dcm
[[peer]]
ae_title = "{CALLING_AE_TITLE}"
host = "127.0.0.1"
port = 11114
organization = "{organization}"

[[peer]]
ae_title = "PACS01"
host = "127.0.0.1"
port = 11113
organization = "{organization}"

[[sender]]
name = "ris"
addresses = ["127.0.0.1/32"]
organizations = ["{organization}"]

[[client]]
id = "region"
key = "{key}"

[[customer]]
guid = "{guid}"
secret = "{secret}"
organization = "{organization}"
# Links of the demo stay good for a day, so that there is time to look around.
token = {{ max_age_s = 86400 }}

[reports]
allow = ["http://127.0.0.1:*"]
"#,
        organization = demo::ORGANIZATION_CODE,
        name = demo::ORGANIZATION_NAME,
        key = secret(),
        secret = secret(),
    )
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
