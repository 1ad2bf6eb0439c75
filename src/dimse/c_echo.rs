//! C-ECHO (PS3.7 section 9.1.5, PS3.4 annex A): are you there?

use super::association::{Association, AssociationError};
use super::message::Command;
use super::status::Status;

/// Answers a C-ECHO-RQ.
pub(super) async fn serve(
    association: &mut Association,
    context_id: u8,
    request: &Command,
) -> Result<(), AssociationError> {
    association.drain_data_set(context_id, request).await?;
    association.respond(context_id, &request.response(Status::SUCCESS, "")).await
}
