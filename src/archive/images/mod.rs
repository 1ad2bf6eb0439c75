//! Images and attachments: taken in, read, converted and drawn.

pub(super) mod attachment_note;
pub mod convert_instance;
pub(super) mod growing_series;
pub mod image_access;
pub(super) mod instance_rows;
mod kept;
pub mod read_attachment;
pub mod read_document;
pub mod read_frames;
pub mod read_image;
pub mod read_metadata;
pub mod read_object;
pub mod read_video;
mod refused_object;
pub mod render_instance;
pub mod store_attachment;
pub mod store_instance;
