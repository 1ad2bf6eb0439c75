//! Configuration of the registry: `[registry]`, `[[sender]]`, `[[client]]`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::reports::prepare_report::Validation;
use crate::soap::XmlLimits;
use crate::tls::CertificateMatch;

/// The registry service.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// Folder of `IAutoReport.asmx` in the URL; case does not matter to callers.
    pub path_prefix: String,
    /// Further full paths on which the same service answers.
    pub aliases: Vec<String>,
    /// Target namespace of the WSDL and of answers to requests that name none.
    pub namespace: String,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Largest request of a caller who is no sender by address, certificate or headers and can prove to be none by what a
    /// message says either, in bytes; queries are small. Default 4 MiB.
    pub max_unknown_body_bytes: usize,
    /// Largest request of a known sender that brings report files with it (`multipart/form-data`), in bytes. Default 128 MiB.
    pub max_upload_bytes: usize,
    /// How long a body may take to arrive, in milliseconds.
    pub body_timeout_ms: u64,
    /// Most records (heads and lines) in one message.
    pub max_items: usize,
    /// Most levels of elements in a message.
    pub xml_depth: usize,
    /// Most attributes of one element.
    pub xml_attributes: usize,
    /// Most elements in a message.
    pub xml_elements: usize,
    /// Most memory that a message may take once it is read, in bytes. Default 128 MiB.
    pub xml_bytes: usize,
    /// Requests that are worked on at the same time; more wait.
    pub max_concurrent: usize,
    /// Memory that the large ones of these requests may take together, in bytes, reckoned from their length; more wait.
    /// Default 512 MiB.
    pub max_memory_bytes: usize,
    /// Bytes kept of a message whose sender is not known, or that is too large.
    pub refused_keep_bytes: usize,
    /// Bytes of a request's headers that are kept with its message.
    pub header_keep_bytes: usize,
    /// `lenient` keeps imperfect records with warnings, `strict` rejects them.
    pub validation: Validation,
    /// Accept reports of organisations that are not configured.
    pub auto_org: bool,
    /// Values of Confidentiality that mean restricted. After a change the stored reports follow at the next start, in the background.
    pub restricted_confidentiality: Vec<String>,
    /// Class_Code or Class_Name as hospitals write it, to DICOM Modality; added to the built-in list.
    pub modality_aliases: BTreeMap<String, String>,
    /// Names by which a service bus calls `ArchiveAutoReport`, `GetLabInfo` or `GetExamInfo`, to these; case does not matter.
    pub services: BTreeMap<String, String>,
    /// Longest span of a query, in days.
    pub max_query_span_days: i64,
    /// Most reports in the answer to a query.
    pub max_masters: usize,
    /// How a refused query is answered: `xml`, `soapfault` or `empty`.
    pub error_style: ErrorStyle,
    /// Append APPLY_FORM_NO, STATE, XMAN_TYPE, HASIMAGE and REPORT_URL to the exams of answers, APPLY_FORM_NO and REPORT_URL
    /// to the lab reports.
    pub extended: bool,
    /// Leave out reports that contradict one of two identities given.
    pub strict_identity: bool,
    /// Answer queries without credentials that come from an address in a client's `addresses`.
    pub anonymous_query: bool,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            path_prefix: "/sehr.service.auto".to_owned(),
            aliases: Vec::new(),
            namespace: "http://tempuri.org/".to_owned(),
            max_body_bytes: 32 * 1024 * 1024,
            max_unknown_body_bytes: 4 * 1024 * 1024,
            max_upload_bytes: 128 * 1024 * 1024,
            body_timeout_ms: 60_000,
            max_items: 5000,
            xml_depth: 32,
            xml_attributes: 256,
            xml_elements: 1_000_000,
            xml_bytes: 128 * 1024 * 1024,
            max_concurrent: 32,
            max_memory_bytes: 512 * 1024 * 1024,
            refused_keep_bytes: 64 * 1024,
            header_keep_bytes: 8 * 1024,
            validation: Validation::Lenient,
            auto_org: false,
            restricted_confidentiality: ["R", "V", "保密", "机密", "绝密"].map(str::to_owned).into(),
            modality_aliases: BTreeMap::new(),
            services: BTreeMap::new(),
            max_query_span_days: 1096,
            max_masters: 500,
            error_style: ErrorStyle::Xml,
            extended: false,
            strict_identity: false,
            anonymous_query: false,
        }
    }
}

/// How a refused query is answered (D-Q6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErrorStyle {
    /// `<root><success>No</success><error>…</error></root>`.
    Xml,
    /// A SOAP fault.
    SoapFault,
    /// `<root></root>`.
    Empty,
}

/// A system that may register reports.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SenderConfig {
    /// Its name in logs and records.
    pub name: String,
    /// Addresses or networks (`10.1.2.0/24`) from which it calls; empty for any, which needs `app_id`, `basic_user` or
    /// `certificate`.
    pub addresses: Vec<String>,
    /// Codes of the organisations for which it registers; `*` for all that are configured.
    pub organizations: Vec<String>,
    /// Value of the header `X-App-Id` that it must send; empty for none.
    pub app_id: String,
    /// File that holds `app_id`.
    pub app_id_file: Option<PathBuf>,
    /// User of HTTP Basic that it must send; empty for none.
    pub basic_user: String,
    /// Password of HTTP Basic.
    pub basic_password: String,
    /// File that holds `basic_password`.
    pub basic_password_file: Option<PathBuf>,
    /// Certificates of which it must show one over TLS: `sha256:<fingerprint>`, `cn:<common name>` or
    /// `dns:<name in subjectAltName>`; empty for none.
    pub certificate: Vec<CertificateMatch>,
    /// What it expects as an acknowledgement: `xml`, `json`, `1`, `true`, `success` or `template`.
    pub ack: Acknowledgement,
    /// The acknowledgement for `ack = "template"`, with {result}, {message}, {total}, {succeeded} and {failed}.
    pub ack_template: String,
    /// A newer report with lines withdraws the lines that it no longer has.
    pub subitems_replace: bool,
    /// Overrides `registry.validation`.
    pub validation: Option<Validation>,
}

/// What a sender expects as an acknowledgement (D-R3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Acknowledgement {
    /// The document of the archive's own, with every record.
    #[default]
    #[serde(rename = "xml")]
    Xml,
    /// The region's JSON: Status, Msg, Total, Rows.
    #[serde(rename = "json")]
    Json,
    /// `1` or `0`.
    #[serde(rename = "1")]
    One,
    /// `true` or `false`.
    #[serde(rename = "true")]
    True,
    /// `success` or `fail`.
    #[serde(rename = "success")]
    Success,
    /// `ack_template` filled in.
    #[serde(rename = "template")]
    Template,
}

/// A system that may query reports.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// Its id (`strCredential`).
    pub id: String,
    /// Its shared secret (`strKey`). Prefer `key_file`.
    pub key: String,
    /// File that holds the shared secret.
    pub key_file: Option<PathBuf>,
    /// Codes of its own organisations, to which its queries are confined; empty for all, shared reports only.
    pub organizations: Vec<String>,
    /// Addresses or networks from which it calls; empty for any.
    pub addresses: Vec<String>,
    /// Whether it sees VIP and restricted reports of other organisations.
    pub vip: bool,
    /// How `strKey` is made: `plain`, `md5_date` or `hmac_date`.
    pub key_mode: KeyMode,
    /// What it may do by DICOMweb: `none`, `read` or `read_and_store`. Default `none`. It says `key` as a bearer token.
    pub dicomweb: DicomwebRight,
    /// Whether it may look at the pages of operations (`/ops/…`). Default false. It says `key` as a bearer token, or id and
    /// key by HTTP Basic.
    pub operations: bool,
    /// Certificates of which it must show one over TLS: `sha256:<fingerprint>`, `cn:<common name>` or
    /// `dns:<name in subjectAltName>`. It then needs no key; a key that it says must be right all the same.
    pub certificate: Vec<CertificateMatch>,
    /// What it may do by `/api/v1` and `/fhir`: `none`, `query` (reports of patients that it names) or `follow` (also by
    /// time: lists, the change feed, exports). Default `none`. It says `key` as a bearer token.
    pub api: ApiRight,
    /// Whether it may record by `/api/v1/recognitions` whether its organisations (all, when it has none of its own) recognised
    /// the images and data of others' reports. Default false. It needs `api`.
    pub recognitions: bool,
    /// The organisation whose objects it stores by DICOMweb. Default: the only one of `organizations`.
    pub store_organization: String,
}

/// What a client may pull by `/api/v1` and `/fhir`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiRight {
    /// Nothing.
    #[default]
    None,
    /// Reports of patients, visits and numbers that it names.
    Query,
    /// Also everything of a time, and everything that changes.
    Follow,
}

/// What a client may do by DICOMweb.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DicomwebRight {
    /// Nothing.
    #[default]
    None,
    /// Search and retrieve.
    Read,
    /// Search, retrieve and store.
    ReadAndStore,
}

impl ClientConfig {
    /// The organisation that it stores for; `None` when it is not clear, or it may not store.
    pub fn stores_for(&self) -> Option<&str> {
        if self.dicomweb != DicomwebRight::ReadAndStore {
            return None;
        }
        match (self.store_organization.as_str(), self.organizations.as_slice()) {
            ("", [only]) => Some(only),
            ("", _) => None,
            (named, _) => Some(named),
        }
    }
}

/// How a client proves that it knows its secret (D-Q5). Dates are `yyyyMMdd` of today in Asia/Shanghai.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyMode {
    /// It sends the secret.
    #[default]
    Plain,
    /// It sends hex MD5 of id, date and secret.
    Md5Date,
    /// It sends hex HMAC-SHA-256 of id and date under the secret.
    HmacDate,
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A text is no address and no network.
    #[error("{owner}: addresses: {text} is neither an address nor a network")]
    Address {
        /// Whose configuration.
        owner: String,
        /// The text.
        text: String,
    },
    /// A secret's file cannot be read.
    #[error("{owner}: {file}: {error}")]
    SecretFile {
        /// Whose configuration.
        owner: String,
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A sender could be anybody.
    #[error("sender {0}: needs addresses, certificate, app_id or basic_user")]
    OpenSender(String),
    /// A sender could register nothing.
    #[error("sender {0}: needs organizations")]
    NoOrganization(String),
    /// A sender expects a template, and there is none, or none of which anything would be filled in.
    #[error("sender {0}: ack_template must hold {{result}} or another of its placeholders when ack is template")]
    NoTemplate(String),
    /// A client has no secret.
    #[error("client {0}: needs key, key_file or certificate")]
    NoKey(String),
    /// A name is missing or there twice.
    #[error("{0}: empty or used twice")]
    Name(String),
    /// A path does not begin with a slash.
    #[error("registry: {0} must begin with / and hold no braces")]
    Path(String),
    /// A path of the server's own.
    #[error("registry: {0} is a path of the server's own")]
    Reserved(String),
    /// Two aliases are one.
    #[error("registry.aliases: {0} stands twice")]
    Alias(String),
    /// A service that is none of ours.
    #[error("registry.services: {0} is no service")]
    Service(String),
    /// A limit that refuses everything.
    #[error("registry.{0}: must be 1 at least")]
    Zero(&'static str),
}

impl RegistryConfig {
    /// The limits of reading.
    pub fn xml_limits(&self) -> XmlLimits {
        XmlLimits {
            depth: self.xml_depth,
            attributes: self.xml_attributes,
            elements: self.xml_elements,
            bytes: self.xml_bytes,
        }
    }

    /// Class names in upper case to DICOM Modality: the built-in list, then the configured one.
    pub fn modalities(&self) -> BTreeMap<String, String> {
        const BUILT_IN: [(&str, &str); 27] = [
            ("MRI", "MR"),
            ("磁共振", "MR"),
            ("核磁共振", "MR"),
            ("CTA", "CT"),
            ("DR", "DX"),
            ("放射", "DX"),
            ("X线", "DX"),
            ("DSA", "XA"),
            ("钼靶", "MG"),
            ("乳腺钼靶", "MG"),
            ("超声", "US"),
            ("B超", "US"),
            ("彩超", "US"),
            ("UIS", "US"),
            ("内镜", "ES"),
            ("胃镜", "ES"),
            ("肠镜", "ES"),
            ("EIS", "ES"),
            ("心电", "ECG"),
            ("心电图", "ECG"),
            ("EKG", "ECG"),
            ("病理", "SM"),
            ("PIS", "SM"),
            ("核医学", "NM"),
            ("PET", "PT"),
            ("PET-CT", "PT"),
            ("眼科", "OP"),
        ];
        let built_in = BUILT_IN.iter().map(|(name, modality)| (name.to_uppercase(), (*modality).to_owned()));
        let configured = self.modality_aliases.iter().map(|(name, m)| (name.trim().to_uppercase(), m.to_uppercase()));
        built_in.chain(configured).collect()
    }
}

/// Reads addresses and networks; one address is a network of one.
pub(super) fn networks(owner: &str, texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let read = |text: &String| {
        let text = text.trim();
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.ok_or_else(|| ConfigError::Address { owner: owner.to_owned(), text: text.to_owned() })
    };
    texts.iter().map(read).collect()
}

/// The secret itself or what its file holds.
pub(super) fn secret(owner: &str, text: &str, file: Option<&PathBuf>) -> Result<String, ConfigError> {
    let Some(file) = file else { return Ok(text.to_owned()) };
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text.trim_end().to_owned()),
        Err(error) => Err(ConfigError::SecretFile { owner: owner.to_owned(), file: file.display().to_string(), error }),
    }
}
