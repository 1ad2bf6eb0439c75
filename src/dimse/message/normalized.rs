//! Command sets of the normalised services (PS3.7 section 10.3): N-EVENT-REPORT, N-ACTION and N-CREATE.

use super::{AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, Command, CommandField, DATA_SET_FOLLOWS, NO_DATA_SET};
use crate::dimse::status::Status;

const REQUESTED_SOP_CLASS_UID: u16 = 0x0003;
const REQUESTED_SOP_INSTANCE_UID: u16 = 0x1001;
const EVENT_TYPE_ID: u16 = 0x1002;
const ACTION_TYPE_ID: u16 = 0x1008;

impl Command {
    pub(crate) fn requested_sop_class_uid(&self) -> String {
        self.text(REQUESTED_SOP_CLASS_UID)
    }

    pub(crate) fn requested_sop_instance_uid(&self) -> String {
        self.text(REQUESTED_SOP_INSTANCE_UID)
    }

    pub(crate) fn action_type_id(&self) -> Option<u16> {
        self.number(ACTION_TYPE_ID)
    }

    pub(crate) fn event_type_id(&self) -> Option<u16> {
        self.number(EVENT_TYPE_ID)
    }

    /// N-ACTION-RQ with a data set.
    pub(crate) fn action_request(message_id: u16, sop_class_uid: &str, sop_instance_uid: &str, action: u16) -> Self {
        let mut command = Self::request(CommandField::ActionRequest, message_id, DATA_SET_FOLLOWS);
        command.set_text(REQUESTED_SOP_CLASS_UID, sop_class_uid, b'\0');
        command.set_text(REQUESTED_SOP_INSTANCE_UID, sop_instance_uid, b'\0');
        command.set_number(ACTION_TYPE_ID, action);
        command
    }

    /// N-CREATE-RQ with a data set.
    pub(crate) fn create_request(message_id: u16, sop_class_uid: &str, sop_instance_uid: &str) -> Self {
        let mut command = Self::request(CommandField::CreateRequest, message_id, DATA_SET_FOLLOWS);
        command.set_text(AFFECTED_SOP_CLASS_UID, sop_class_uid, b'\0');
        command.set_text(AFFECTED_SOP_INSTANCE_UID, sop_instance_uid, b'\0');
        command
    }

    /// N-EVENT-REPORT-RQ with a data set.
    pub(crate) fn event_report_request(
        message_id: u16,
        sop_class_uid: &str,
        sop_instance_uid: &str,
        event: u16,
    ) -> Self {
        let mut command = Self::request(CommandField::EventReportRequest, message_id, DATA_SET_FOLLOWS);
        command.set_text(AFFECTED_SOP_CLASS_UID, sop_class_uid, b'\0');
        command.set_text(AFFECTED_SOP_INSTANCE_UID, sop_instance_uid, b'\0');
        command.set_number(EVENT_TYPE_ID, event);
        command
    }

    /// The response to this N-ACTION-RQ or N-EVENT-REPORT-RQ: what was requested is what was affected.
    pub(crate) fn normalized_response(&self, status: Status, comment: &str) -> Self {
        let mut response = self.response(status, comment);
        for (from, to) in
            [(REQUESTED_SOP_CLASS_UID, AFFECTED_SOP_CLASS_UID), (REQUESTED_SOP_INSTANCE_UID, AFFECTED_SOP_INSTANCE_UID)]
        {
            let text = self.text(from);
            if !text.is_empty() {
                response.set_text(to, &text, b'\0');
            }
        }
        for element in [EVENT_TYPE_ID, ACTION_TYPE_ID] {
            if let Some(number) = self.number(element) {
                response.set_number(element, number);
            }
        }
        response.set_number(super::COMMAND_DATA_SET_TYPE, NO_DATA_SET);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_of_an_action_names_what_was_requested_as_affected() {
        let request = Command::action_request(5, "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1", 1);
        let request = Command::parse(&request.encode()).unwrap();
        assert_eq!(request.field(), CommandField::ActionRequest);
        assert!(request.has_data_set());

        let response = Command::parse(&request.normalized_response(Status::SUCCESS, "").encode()).unwrap();

        assert_eq!(response.field(), CommandField::ActionResponse);
        assert_eq!(response.affected_sop_class_uid(), "1.2.840.10008.1.20.1");
        assert_eq!(response.affected_sop_instance_uid(), "1.2.840.10008.1.20.1.1");
        assert_eq!((response.action_type_id(), response.message_id_being_responded_to()), (Some(1), 5));
        assert!(!response.has_data_set());
    }
}
