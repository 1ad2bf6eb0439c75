//! Command sets (PS3.7 section 6.3 and annex E): always Implicit VR Little Endian, group 0000.

mod find;
mod normalized;
mod retrieve;

use std::collections::BTreeMap;

use super::status::Status;

const GROUP_LENGTH: u16 = 0x0000;
const AFFECTED_SOP_CLASS_UID: u16 = 0x0002;
const COMMAND_FIELD: u16 = 0x0100;
const MESSAGE_ID: u16 = 0x0110;
const MESSAGE_ID_BEING_RESPONDED_TO: u16 = 0x0120;
const PRIORITY: u16 = 0x0700;
const COMMAND_DATA_SET_TYPE: u16 = 0x0800;
const STATUS: u16 = 0x0900;
const ERROR_COMMENT: u16 = 0x0902;
const AFFECTED_SOP_INSTANCE_UID: u16 = 0x1000;

const NO_DATA_SET: u16 = 0x0101;
const DATA_SET_FOLLOWS: u16 = 0x0001;
const RESPONSE_BIT: u16 = 0x8000;
/// LO: 64 characters.
const MAX_COMMENT_BYTES: usize = 64;

pub use retrieve::SubOperationCounts;

/// The commands that have a meaning here (0000,0100).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandField {
    StoreRequest,
    StoreResponse,
    EchoRequest,
    EchoResponse,
    FindRequest,
    FindResponse,
    GetRequest,
    GetResponse,
    MoveRequest,
    MoveResponse,
    EventReportRequest,
    EventReportResponse,
    ActionRequest,
    ActionResponse,
    CancelRequest,
    Other(u16),
}

impl CommandField {
    fn of(value: u16) -> Self {
        match value {
            0x0001 => CommandField::StoreRequest,
            0x8001 => CommandField::StoreResponse,
            0x0030 => CommandField::EchoRequest,
            0x8030 => CommandField::EchoResponse,
            0x0020 => CommandField::FindRequest,
            0x8020 => CommandField::FindResponse,
            0x0010 => CommandField::GetRequest,
            0x8010 => CommandField::GetResponse,
            0x0021 => CommandField::MoveRequest,
            0x8021 => CommandField::MoveResponse,
            0x0100 => CommandField::EventReportRequest,
            0x8100 => CommandField::EventReportResponse,
            0x0130 => CommandField::ActionRequest,
            0x8130 => CommandField::ActionResponse,
            0x0FFF => CommandField::CancelRequest,
            other => CommandField::Other(other),
        }
    }

    fn value(self) -> u16 {
        match self {
            CommandField::StoreRequest => 0x0001,
            CommandField::StoreResponse => 0x8001,
            CommandField::EchoRequest => 0x0030,
            CommandField::EchoResponse => 0x8030,
            CommandField::FindRequest => 0x0020,
            CommandField::FindResponse => 0x8020,
            CommandField::GetRequest => 0x0010,
            CommandField::GetResponse => 0x8010,
            CommandField::MoveRequest => 0x0021,
            CommandField::MoveResponse => 0x8021,
            CommandField::EventReportRequest => 0x0100,
            CommandField::EventReportResponse => 0x8100,
            CommandField::ActionRequest => 0x0130,
            CommandField::ActionResponse => 0x8130,
            CommandField::CancelRequest => 0x0FFF,
            CommandField::Other(value) => value,
        }
    }

    /// Whether this is a response, which nobody asked an acceptor for.
    pub(crate) fn is_response(self) -> bool {
        self.value() & RESPONSE_BIT != 0
    }
}

/// Why bytes are no command set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("command set: {0}")]
pub(crate) struct CommandError(&'static str);

/// A command set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Command {
    elements: BTreeMap<u16, Vec<u8>>,
}

impl Command {
    /// Reads a command set; a wrong group length is forgiven.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, CommandError> {
        let mut elements = BTreeMap::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some((head, after)) = rest.split_first_chunk::<8>() else {
                return Err(CommandError("ends inside an element"));
            };
            if head[..2] != [0, 0] {
                return Err(CommandError("element outside group 0000"));
            }
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let Some((value, after)) = after.split_at_checked(length) else {
                return Err(CommandError("ends inside a value"));
            };
            elements.insert(u16::from_le_bytes([head[2], head[3]]), value.to_vec());
            rest = after;
        }
        let command = Self { elements };
        if command.number(COMMAND_FIELD).is_none() {
            return Err(CommandError("no Command Field"));
        }
        Ok(command)
    }

    /// Writes the command set with its group length.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        for (element, value) in self.elements.iter().filter(|(element, _)| **element != GROUP_LENGTH) {
            put(&mut body, *element, value);
        }
        let mut bytes = Vec::with_capacity(12 + body.len());
        put(&mut bytes, GROUP_LENGTH, &(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    pub(crate) fn field(&self) -> CommandField {
        CommandField::of(self.number(COMMAND_FIELD).unwrap_or_default())
    }

    /// Command Field as it is on the wire.
    pub(crate) fn code(&self) -> u16 {
        self.number(COMMAND_FIELD).unwrap_or_default()
    }

    pub(crate) fn message_id(&self) -> u16 {
        self.number(MESSAGE_ID).unwrap_or_default()
    }

    pub(crate) fn message_id_being_responded_to(&self) -> u16 {
        self.number(MESSAGE_ID_BEING_RESPONDED_TO).unwrap_or_default()
    }

    pub(crate) fn has_data_set(&self) -> bool {
        self.number(COMMAND_DATA_SET_TYPE) != Some(NO_DATA_SET)
    }

    pub(crate) fn status(&self) -> Option<Status> {
        self.number(STATUS).map(Status)
    }

    pub(crate) fn error_comment(&self) -> String {
        self.text(ERROR_COMMENT)
    }

    pub(crate) fn affected_sop_class_uid(&self) -> String {
        self.text(AFFECTED_SOP_CLASS_UID)
    }

    pub(crate) fn affected_sop_instance_uid(&self) -> String {
        self.text(AFFECTED_SOP_INSTANCE_UID)
    }

    /// C-ECHO-RQ.
    pub(crate) fn echo_request(message_id: u16) -> Self {
        let mut command = Self::request(CommandField::EchoRequest, message_id, NO_DATA_SET);
        command.set_text(AFFECTED_SOP_CLASS_UID, crate::dicom::sop_class::VERIFICATION, b'\0');
        command
    }

    /// C-STORE-RQ of medium priority.
    pub(crate) fn store_request(message_id: u16, sop_class_uid: &str, sop_instance_uid: &str) -> Self {
        let mut command = Self::request(CommandField::StoreRequest, message_id, DATA_SET_FOLLOWS);
        command.set_number(PRIORITY, 0);
        command.set_text(AFFECTED_SOP_CLASS_UID, sop_class_uid, b'\0');
        command.set_text(AFFECTED_SOP_INSTANCE_UID, sop_instance_uid, b'\0');
        command
    }

    /// A C-FIND, C-MOVE or C-GET request of medium priority, with its identifier to follow.
    pub(crate) fn query_request(code: u16, message_id: u16, sop_class_uid: &str) -> Self {
        let mut command = Self::request(CommandField::Other(code), message_id, DATA_SET_FOLLOWS);
        command.set_number(PRIORITY, 0);
        command.set_text(AFFECTED_SOP_CLASS_UID, sop_class_uid, b'\0');
        command
    }

    fn request(field: CommandField, message_id: u16, data_set: u16) -> Self {
        let mut command = Self::default();
        command.set_number(COMMAND_FIELD, field.value());
        command.set_number(MESSAGE_ID, message_id);
        command.set_number(COMMAND_DATA_SET_TYPE, data_set);
        command
    }

    /// The response to this request, without a data set.
    pub(crate) fn response(&self, status: Status, comment: &str) -> Self {
        let mut response = Self::default();
        response.set_number(COMMAND_FIELD, self.field().value() | RESPONSE_BIT);
        response.set_number(MESSAGE_ID_BEING_RESPONDED_TO, self.message_id());
        response.set_number(COMMAND_DATA_SET_TYPE, NO_DATA_SET);
        response.set_number(STATUS, status.0);
        for (element, padding) in [(AFFECTED_SOP_CLASS_UID, b'\0'), (AFFECTED_SOP_INSTANCE_UID, b'\0')] {
            let text = self.text(element);
            if !text.is_empty() {
                response.set_text(element, &text, padding);
            }
        }
        if !comment.is_empty() {
            let ascii: String = comment.chars().filter(char::is_ascii).take(MAX_COMMENT_BYTES).collect();
            response.set_text(ERROR_COMMENT, &ascii, b' ');
        }
        response
    }

    pub(crate) fn number(&self, element: u16) -> Option<u16> {
        let bytes = self.elements.get(&element)?.get(..2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn text(&self, element: u16) -> String {
        let bytes = self.elements.get(&element).map(Vec::as_slice).unwrap_or_default();
        String::from_utf8_lossy(bytes).trim_matches([' ', '\0']).to_owned()
    }

    pub(crate) fn set_number(&mut self, element: u16, value: u16) {
        self.elements.insert(element, value.to_le_bytes().to_vec());
    }

    pub(crate) fn set_text(&mut self, element: u16, text: &str, padding: u8) {
        let mut value = text.as_bytes().to_vec();
        if !value.len().is_multiple_of(2) {
            value.push(padding);
        }
        self.elements.insert(element, value);
    }
}

fn put(out: &mut Vec<u8>, element: u16, value: &[u8]) {
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_request_is_read_back_and_answered() {
        let request = Command::store_request(7, "1.2.840.10008.5.1.4.1.1.2", "1.2.3");
        let read = Command::parse(&request.encode()).unwrap();
        assert_eq!(read.field(), CommandField::StoreRequest);
        assert!(read.has_data_set());
        assert_eq!(read.affected_sop_instance_uid(), "1.2.3");
        let response = Command::parse(&read.response(Status::OUT_OF_RESOURCES, "disk 满").encode()).unwrap();
        assert_eq!(response.field(), CommandField::StoreResponse);
        assert_eq!(response.message_id_being_responded_to(), 7);
        assert_eq!(response.status(), Some(Status(0xA700)));
        assert_eq!(response.affected_sop_instance_uid(), "1.2.3");
        assert_eq!(response.error_comment(), "disk");
        assert!(!response.has_data_set());
    }

    #[test]
    fn the_group_length_counts_what_follows_it() {
        let bytes = Command::echo_request(1).encode();
        assert_eq!(u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize, bytes.len() - 12);
        assert_eq!(bytes.len() % 2, 0);
    }

    #[test]
    fn what_is_no_command_set_is_refused() {
        assert!(Command::parse(&[]).is_err());
        assert!(Command::parse(&[0; 5]).is_err());
        assert!(Command::parse(&[8, 0, 5, 0, 0, 0, 0, 0]).is_err());
        assert!(Command::parse(&[0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0]).is_err());
        assert!(Command::parse(&[0, 0, 0x10, 1, 2, 0, 0, 0, 1, 0]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_what_parses_is_written_alike(bytes: Vec<u8>) {
            if let Ok(command) = Command::parse(&bytes) {
                let mut again = Command::parse(&command.encode()).unwrap();
                again.elements.remove(&GROUP_LENGTH);
                let mut command = command;
                command.elements.remove(&GROUP_LENGTH);
                proptest::prop_assert_eq!(command, again);
            }
        }
    }
}
