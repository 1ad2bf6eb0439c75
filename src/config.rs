//! The configuration: one TOML file, every key overridable by `YINGKU__SECTION__KEY`.
//!
//! Each section's struct lives with its owner. Unknown keys are errors. [`Config::faults`] names everything that
//! would make a start unsafe or impossible, all at once, so that an operator mends it in one go.

mod environment;
mod faults;
pub mod reference;
mod secrets;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::upkeep::compact::CompactionConfig;
use crate::archive::upkeep::free_space::DiskConfig;
use crate::archive::upkeep::purge_audit::AuditConfig;
use crate::archive::upkeep::purge_inbox::InboxConfig;
use crate::archive::upkeep::scrub::ScrubConfig;
use crate::archive::{LinkRules, QrConfig, RetrieveConfig};
use crate::dicom::render::RenderConfig;
use crate::dimse::{DicomConfig, PeerConfig};
use crate::documents::DocumentsConfig;
use crate::domain::customer::Customer;
use crate::domain::organization::Organization;
use crate::fetch::ReportsConfig;
use crate::index::DatabaseConfig;
use crate::integrations::file_share::FileShareConfig;
use crate::integrations::front::{FrontConfig, UpstreamConfig};
use crate::integrations::report_registry::{self, ClientConfig, RegistryConfig, SenderConfig};
use crate::jobs::JobsConfig;
use crate::jobs::people::PatientsConfig;
use crate::objects::ObjectsConfig;
use crate::telemetry::LogConfig;
use crate::tls::CertificateMatch;
use crate::web::HttpConfig;
use crate::web::api::ApiConfig;
use crate::web::dicomweb::DicomwebConfig;
use crate::web::operations::QualityPageConfig;
use crate::web::pages::PagesConfig;

pub use faults::Fault;

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP server.
    pub http: HttpConfig,
    /// The DICOM listener.
    pub dicom: DicomConfig,
    /// The index.
    pub database: DatabaseConfig,
    /// The object store.
    pub objects: ObjectsConfig,
    /// Institutions whose data is kept.
    pub organization: Vec<Organization>,
    /// DICOM applications that may call us and can be called.
    pub peer: Vec<PeerConfig>,
    /// Folders in which others leave files.
    pub file_share: Vec<FileShareConfig>,
    /// Archives to which everything is forwarded; with one of them this archive is a front.
    pub upstream: Vec<UpstreamConfig>,
    /// What a front keeps.
    pub front: FrontConfig,
    /// Systems that may register reports.
    pub sender: Vec<SenderConfig>,
    /// Systems that may query and pull reports, use DICOMweb and look at the pages of operations.
    pub client: Vec<ClientConfig>,
    /// Hospital systems whose users may open signed pages.
    pub customer: Vec<Customer>,
    /// Registration and query of reports.
    pub registry: RegistryConfig,
    /// How long inbound messages are kept.
    pub inbox: InboxConfig,
    /// How long the audit trail is kept.
    pub audit: AuditConfig,
    /// The page that shows how good the registered data is.
    pub quality: QualityPageConfig,
    /// Where and how report files are fetched.
    pub reports: ReportsConfig,
    /// The QR code on reports.
    pub qr: QrConfig,
    /// Limits of the work on report files.
    pub documents: DocumentsConfig,
    /// The signed pages.
    pub pages: PagesConfig,
    /// DICOMweb.
    pub dicomweb: DicomwebConfig,
    /// How systems pull reports.
    pub api: ApiConfig,
    /// How reports and images find each other.
    pub link: LinkRules,
    /// Rendering of images.
    pub render: RenderConfig,
    /// When the PACS are asked for the images of registered exams.
    pub retrieve: RetrieveConfig,
    /// Background work.
    pub jobs: JobsConfig,
    /// Patients of several organisations who are one person.
    pub patients: PatientsConfig,
    /// Reading all images from time to time.
    pub scrub: ScrubConfig,
    /// Taking back the space of deleted images.
    pub compaction: CompactionConfig,
    /// When too little room is left.
    pub disk: DiskConfig,
    /// Logs.
    pub log: LogConfig,
}

/// Why the configuration could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{path}: {error}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The text is no TOML, or has a key or a value that we do not know.
    #[error("{origin}: {message}")]
    Parse {
        /// The file, or the environment.
        origin: String,
        /// Where and why.
        message: String,
    },
    /// A variable of the environment names no place in the configuration.
    #[error("environment variable {0}: names no section and key (YINGKU__SECTION__KEY)")]
    Variable(String),
    /// Values of variables that do not fit their keys; the values may be secrets and are not told.
    #[error("environment variable {variables}: {reason}")]
    Value {
        /// The variables that may be meant.
        variables: String,
        /// What is wrong.
        reason: String,
    },
    /// A file that holds a secret could not be read.
    #[error("{key}: {path}: {error}")]
    SecretFile {
        /// The key that names the file.
        key: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Everything that must be mended before a start.
    #[error("{}", faults::listing(.0))]
    Faults(Vec<Fault>),
}

impl Config {
    /// Reads the file (none: the defaults), then the environment, then the files that hold secrets.
    pub fn load(path: Option<&Path>) -> Result<Self, Error> {
        let text = match path {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| Error::Read { path: path.to_owned(), error })?
            }
            None => String::new(),
        };
        let origin = path.map_or_else(|| "configuration".to_owned(), |p| p.display().to_string());
        let mut config = Self::parse(&text, &origin, std::env::vars())?;
        secrets::read(&mut config)?;
        Ok(config)
    }

    /// Reads a text and variables; `origin` is named in errors.
    pub fn parse(text: &str, origin: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Self, Error> {
        // Read the file by itself first: its errors then point at its lines.
        toml::from_str::<Config>(text)
            .map_err(|e| Error::Parse { origin: origin.to_owned(), message: e.to_string() })?;
        let mut table: toml::Table = text
            .parse()
            .map_err(|e: toml::de::Error| Error::Parse { origin: origin.to_owned(), message: e.to_string() })?;
        let names = environment::apply(&mut table, variables)?;
        table.try_into().map_err(|error| environment::misfit(&names, &error))
    }

    /// The report registry's part.
    pub fn registry_settings(&self) -> report_registry::Settings {
        report_registry::Settings {
            registry: self.registry.clone(),
            senders: self.sender.clone(),
            clients: self.client.clone(),
            organizations: self.organization.clone(),
            public_url: self.http.public_url.clone(),
        }
    }

    /// Everything that makes a start unsafe or impossible.
    pub fn faults(&self) -> Vec<Fault> {
        faults::find(self)
    }

    /// The certificates by which those who call over HTTP are known.
    pub fn caller_certificates(&self) -> impl Iterator<Item = &CertificateMatch> {
        let clients = self.client.iter().flat_map(|client| &client.certificate);
        clients.chain(self.sender.iter().flat_map(|sender| &sender.certificate))
    }

    /// The configuration itself, if it has no faults.
    pub fn checked(self) -> Result<Self, Error> {
        let faults = self.faults();
        if faults.is_empty() { Ok(self) } else { Err(Error::Faults(faults)) }
    }
}
