//! Command sets of C-FIND (PS3.7 section 9.3.2).

use super::{COMMAND_DATA_SET_TYPE, Command, DATA_SET_FOLLOWS};
use crate::dimse::status::Status;

const OFFENDING_ELEMENT: u16 = 0x0901;

impl Command {
    /// The response to this C-FIND-RQ with a match to follow.
    pub(crate) fn pending_response(&self, status: Status) -> Self {
        let mut response = self.response(status, "");
        response.set_number(COMMAND_DATA_SET_TYPE, DATA_SET_FOLLOWS);
        response
    }

    /// Names the element that is wrong.
    pub(crate) fn with_offending_element(mut self, tag: u32) -> Self {
        let mut value = ((tag >> 16) as u16).to_le_bytes().to_vec();
        value.extend_from_slice(&(tag as u16).to_le_bytes());
        self.elements.insert(OFFENDING_ELEMENT, value);
        self
    }
}
