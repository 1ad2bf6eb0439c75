//! What `yingku serve --demo` adds: a configuration with fresh secrets, a synthetic hospital, links that open.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::sign_link::signed_link;
use crate::archive::Archive;
use crate::archive::upkeep::queue::{JobCount, JobKind, JobState};
use crate::config::Config;
use crate::demo::{self, DemoTargets};
use crate::domain::{AeTitle, Clock};
use crate::integrations::report_registry::ApiRight;

const FILE: &str = "storage/demo.toml";
const CALLING_AE_TITLE: &str = "DEMOPACS";
/// How long to wait until the report files are fetched and stamped; the links work before as well.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
# It may follow /api/v1 and /fhir, record recognitions, read images by DICOMweb and look at /ops/…
api = "follow"
recognitions = true
dicomweb = "read"
operations = true
addresses = ["127.0.0.1/32"]

[[customer]]
guid = "{guid}"
secret = "{secret}"
organization = "{organization}"
prior_exams = true
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

/// Fills an empty archive through its front doors, then prints links.
pub(super) async fn show(
    config: &Config,
    archive: &Archive,
    http: SocketAddr,
    dicom: SocketAddr,
) -> anyhow::Result<()> {
    if archive.is_empty().await? {
        println!("影库 is empty: the synthetic hospital {} sends its exams …", demo::ORGANIZATION_NAME);
        let summary = demo::load(&DemoTargets {
            dicom,
            called_ae_title: config.dicom.ae_title.clone(),
            calling_ae_title: AeTitle::parse(CALLING_AE_TITLE)?,
            http_base: format!("http://{http}"),
            report_server_bind: DemoTargets::loopback(),
            now_ms: Clock::System.now_ms(),
        })
        .await?;
        println!(
            "{} image objects, {} exam reports and {} lab reports came in",
            summary.objects,
            summary.exams.len(),
            summary.lab_reports
        );
        // The hospital's report server must live until the files have been fetched.
        wait_for_files(archive).await?;
        drop(summary.report_server);
    }
    print_links(config)
}

async fn wait_for_files(archive: &Archive) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if !are_files_awaited(&archive.count_jobs().await?) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Other work, as the scrub of next month, is always in the queue.
fn are_files_awaited(counts: &[JobCount]) -> bool {
    let awaited = |state| matches!(state, JobState::Ready | JobState::Running);
    counts.iter().any(|c| c.kind == JobKind::FetchReportFile && awaited(c.state) && c.count > 0)
}

fn print_links(config: &Config) -> anyhow::Result<()> {
    let customer = config.customer.first().context("links need a [[customer]] in the configuration")?;
    let exams = demo::exams(Clock::System.now_ms());
    let link = |page, parameters: &[(&str, &str)]| signed_link(config, customer, page, "demo", parameters);
    println!("\nSigned links (签名链接), good for {} hours:", customer.token.max_age_s / 3600);
    for exam in &exams {
        let parameters = [("AccessionNumber", exam.accession_number), ("OrganizationID", demo::ORGANIZATION_CODE)];
        println!("  {}\n    {}", exam.title(), link("ClinicExam", &parameters)?);
    }
    if let Some(exam) = exams.first() {
        let parameters = [("IDCardNO", exam.patient.id_no.as_str())];
        println!("  {} 的检查列表\n    {}", exam.patient.name, link("ClinicExamView", &parameters)?);
    }
    if let Some(client) = config.client.iter().find(|client| client.api == ApiRight::Follow && !client.key.is_empty()) {
        let bearer = format!("curl -H 'Authorization: Bearer {}'", client.key);
        let root = config.http.public_url.trim_end_matches('/');
        println!("\nFor systems (供系统调用), as the client {}:", client.id);
        println!("  {bearer} '{root}/api/v1/changes?include=report&limit=1'");
        if let Some(exam) = exams.first() {
            println!("  {bearer} '{root}/api/v1/reports?id_no={}'", exam.patient.id_no);
        }
        println!("  {bearer} '{root}/fhir/DiagnosticReport?_count=1'    {root}/ops/quality");
    }
    println!("\nAnother one: yingku sign-link --config {FILE} AccessionNumber=…\nctrl-c stops the server.\n");
    Ok(())
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_wait_for_report_files_and_for_nothing_else() {
        let count = |kind, state, count| JobCount { kind, state, count };
        let later = count(JobKind::Scrub, JobState::Ready, 1);
        assert!(!are_files_awaited(&[later.clone(), count(JobKind::FetchReportFile, JobState::Done, 5)]));
        assert!(are_files_awaited(&[later, count(JobKind::FetchReportFile, JobState::Running, 1)]));
    }
}
