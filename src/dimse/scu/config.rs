//! How a peer is asked and drained: the keys of `[[peer]]` that concern our own associations.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dicom::text::Charset;
use crate::domain::customer::Secret;
use crate::domain::{AeTitle, Uid};

/// Fields of user identity have lengths of 16 bits, and share an item with another one.
const MOST_IDENTITY_BYTES: usize = 16 * 1024;

/// How images are fetched from a peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RetrieveMethod {
    /// Not at all.
    #[default]
    Off,
    /// C-MOVE to our own AE title: the peer opens associations to our listener.
    Move,
    /// C-GET: objects come on the association that asks.
    Get,
}

/// The information model of a query (PS3.4 section C.6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QueryRoot {
    /// Study Root.
    #[default]
    Study,
    /// Patient Root: every request names the patient.
    Patient,
}

impl QueryRoot {
    /// SOP class of C-FIND.
    pub fn find(self) -> &'static str {
        match self {
            QueryRoot::Study => "1.2.840.10008.5.1.4.1.2.2.1",
            QueryRoot::Patient => "1.2.840.10008.5.1.4.1.2.1.1",
        }
    }

    /// SOP class of C-MOVE.
    pub fn retrieve_by_move(self) -> &'static str {
        match self {
            QueryRoot::Study => "1.2.840.10008.5.1.4.1.2.2.2",
            QueryRoot::Patient => "1.2.840.10008.5.1.4.1.2.1.2",
        }
    }

    /// SOP class of C-GET.
    pub fn retrieve_by_get(self) -> &'static str {
        match self {
            QueryRoot::Study => "1.2.840.10008.5.1.4.1.2.2.3",
            QueryRoot::Patient => "1.2.840.10008.5.1.4.1.2.1.3",
        }
    }
}

/// Associations that we open to a peer. Table `[peer.scu]` below its `[[peer]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScuConfig {
    /// The title by which we call the peer when it is another than the one by which it calls us. Default its `ae_title`.
    pub called_ae_title: Option<AeTitle>,
    /// Our title towards this peer, which may call us by it too. Default `dicom.ae_title`.
    pub calling_ae_title: Option<AeTitle>,
    /// User name that we show the peer (user identity negotiation). Default none.
    pub user: String,
    /// Passcode that we show with it; without TLS it can be read on the way. Prefer `passcode_file`.
    pub passcode: Secret,
    /// File that holds the passcode.
    pub passcode_file: Option<PathBuf>,
    /// Whether the peer must say that it has checked the user; one that does not is not used. Default false.
    pub user_confirmed: bool,
    /// Exams that are fetched from this peer at the same time, one association each. Default 2.
    pub max_associations: u32,
    /// Time for the connection, and again for the answer to the A-ASSOCIATE-RQ, in milliseconds. Default 20000.
    pub connect_timeout_ms: u64,
    /// Longest silence of the peer while an answer is awaited, in milliseconds. Default 60000.
    pub answer_timeout_ms: u64,
    /// Longest silence during a C-MOVE or C-GET, in milliseconds; archives that recall from tape need more. Default 600000.
    pub retrieve_silence_ms: u64,
    /// Longest C-FIND, in milliseconds. Default 300000.
    pub find_timeout_ms: u64,
    /// Longest C-MOVE or C-GET of one study or series, in milliseconds. Default 7200000 (2 h).
    pub retrieve_timeout_ms: u64,
    /// Answers to one C-FIND; a peer that sends more is cut off. Default 20000.
    pub max_matches: usize,
    /// Longest data set that comes with a response of C-FIND, C-MOVE or C-GET, in bytes. Default 131072.
    pub max_identifier_bytes: usize,
    /// Responses and objects of one C-MOVE or C-GET; a peer that sends more is cut off. Default 100000.
    pub max_messages: usize,
    /// Longest answer to an A-ASSOCIATE-RQ, in bytes. Default 262144.
    pub max_associate_answer_bytes: u32,
    /// Longest command set, in bytes. Default 16384.
    pub max_command_bytes: usize,
    /// Longest report of storage commitment on an association that we opened, in bytes. Default 16777216.
    pub max_report_bytes: usize,
    /// Studies that one exam may have at this peer; further ones are left. Default 16.
    pub max_studies: usize,
    /// Character set of our questions, declared when a value is not ASCII. Default `GB18030`.
    pub query_charset: Charset,
    /// Character set of answers that declare none or a wrong one. Default `charset` of the peer.
    pub answer_charset: Option<Charset>,
    /// Transfer syntaxes (UIDs) in which C-GET takes objects, the best first. Default: all that we know, as the peer
    /// has them.
    pub transfer_syntaxes: Vec<String>,
    /// Organisations whose exams are looked for at this peer. More than one, or another than `organization`, needs
    /// `retrieve = "get"`. Default its `organization`.
    pub organizations: Vec<String>,
    /// Whether the peer may be asked for the numbers of related series and instances; some archives answer nothing
    /// when they are asked. Default true.
    pub ask_counts: bool,
    /// Whether the peer may be asked at IMAGE level when it tells no numbers. Default true.
    pub ask_images: bool,
    /// Whether single series may be fetched when only they are incomplete; otherwise the whole study. Default true.
    pub fetch_series: bool,
}

impl Default for ScuConfig {
    fn default() -> Self {
        Self {
            called_ae_title: None,
            calling_ae_title: None,
            user: String::new(),
            passcode: Secret::default(),
            passcode_file: None,
            user_confirmed: false,
            max_associations: 2,
            connect_timeout_ms: 20_000,
            answer_timeout_ms: 60_000,
            retrieve_silence_ms: 600_000,
            find_timeout_ms: 300_000,
            retrieve_timeout_ms: 7_200_000,
            max_matches: 20_000,
            max_identifier_bytes: 128 * 1024,
            max_messages: 100_000,
            max_associate_answer_bytes: 256 * 1024,
            max_command_bytes: 16 * 1024,
            max_report_bytes: 16 * 1024 * 1024,
            max_studies: 16,
            query_charset: Charset::gb18030(),
            answer_charset: None,
            transfer_syntaxes: Vec::new(),
            organizations: Vec::new(),
            ask_counts: true,
            ask_images: true,
            fetch_series: true,
        }
    }
}

impl ScuConfig {
    /// What is wrong with these values, one sentence each; empty when nothing is.
    pub(crate) fn faults(&self, peer: &AeTitle, organization: &str, retrieve: RetrieveMethod) -> Vec<String> {
        let mut faults = Vec::new();
        for uid in self.transfer_syntaxes.iter().filter(|uid| Uid::parse(uid).is_err()) {
            faults.push(format!("peer {peer}: scu.transfer_syntaxes: {uid:?} is no UID"));
        }
        let others = self.organizations.iter().any(|code| code != organization);
        if others && retrieve == RetrieveMethod::Move {
            // What a C-MOVE brings comes by the listener, which knows the peer by one organisation.
            faults.push(format!(
                "peer {peer}: scu.organizations names others than `organization`: use retrieve = \"get\""
            ));
        }
        let has_passcode = !self.passcode.0.is_empty() || self.passcode_file.is_some();
        if self.user.is_empty() && (has_passcode || self.user_confirmed) {
            faults.push(format!("peer {peer}: scu.passcode and scu.user_confirmed need scu.user"));
        }
        if self.user.len() > MOST_IDENTITY_BYTES || self.passcode.0.len() > MOST_IDENTITY_BYTES {
            faults.push(format!("peer {peer}: scu.user and scu.passcode may have {MOST_IDENTITY_BYTES} bytes"));
        }
        for (key, least, value) in [
            ("max_identifier_bytes", 4096, self.max_identifier_bytes as u64),
            ("max_associate_answer_bytes", 4096, u64::from(self.max_associate_answer_bytes)),
            ("max_command_bytes", 1024, self.max_command_bytes as u64),
            ("max_report_bytes", 4096, self.max_report_bytes as u64),
        ] {
            if value < least {
                faults.push(format!("peer {peer}: scu.{key} must be {least} at least"));
            }
        }
        for (key, value) in [
            ("max_associations", u64::from(self.max_associations)),
            ("max_matches", self.max_matches as u64),
            ("max_messages", self.max_messages as u64),
            ("max_studies", self.max_studies as u64),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("answer_timeout_ms", self.answer_timeout_ms),
            ("retrieve_silence_ms", self.retrieve_silence_ms),
            ("find_timeout_ms", self.find_timeout_ms),
            ("retrieve_timeout_ms", self.retrieve_timeout_ms),
        ] {
            if value == 0 {
                faults.push(format!("peer {peer}: scu.{key} must be 1 at least"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_another_organisation_come_by_get_only() {
        let title = AeTitle::parse("PACS01").unwrap();
        let shared = ScuConfig { organizations: vec!["ORG-T02".to_owned()], ..ScuConfig::default() };
        assert_eq!(shared.faults(&title, "ORG-T01", RetrieveMethod::Move).len(), 1);
        assert_eq!(shared.faults(&title, "ORG-T01", RetrieveMethod::Get), Vec::<String>::new());
        let wrong = ScuConfig { max_matches: 0, transfer_syntaxes: vec!["x".to_owned()], ..ScuConfig::default() };
        assert_eq!(wrong.faults(&title, "ORG-T01", RetrieveMethod::Off).len(), 2);
    }

    #[test]
    fn a_passcode_needs_a_user_and_limits_leave_room_for_the_least() {
        let title = AeTitle::parse("PACS01").unwrap();
        let faults = |scu: ScuConfig| scu.faults(&title, "ORG-T01", RetrieveMethod::Off);
        let passcode = Secret("synthetic".to_owned());
        assert_eq!(faults(ScuConfig { passcode: passcode.clone(), ..ScuConfig::default() }).len(), 1);
        assert_eq!(faults(ScuConfig { user_confirmed: true, ..ScuConfig::default() }).len(), 1);
        assert!(faults(ScuConfig { user: "archive".to_owned(), passcode, ..ScuConfig::default() }).is_empty());
        let narrow = ScuConfig { max_command_bytes: 1, max_report_bytes: 1, max_messages: 0, ..ScuConfig::default() };
        assert_eq!(faults(narrow).len(), 3);
        let at_once = ScuConfig { find_timeout_ms: 0, retrieve_timeout_ms: 0, ..ScuConfig::default() };
        let found = faults(at_once);
        assert!(matches!(&found[..], [find, retrieve]
            if find.contains("scu.find_timeout_ms must be 1") && retrieve.contains("scu.retrieve_timeout_ms must be 1")));
    }
}
