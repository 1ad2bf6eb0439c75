//! SOAP and tolerant XML, protocol only: who calls what, and what it means, is for the integrations.
//!
//! [`encoding`] makes text of bytes, [`xml`] makes a tree of text, [`envelope`] finds the operation and its parameters
//! in SOAP 1.1, SOAP 1.2 or a plain document, [`form`] does so for HTML forms, [`json`] makes the
//! same tree of JSON, [`limits`] says how large all that may be, [`wsdl`] describes a service,
//! [`service_header`] reads the header of a service bus.
//! What hospitals send is read as widely as is safe; what is sent back is strict. No document type declaration is
//! ever read and no entity of a document's own is ever expanded (D-X5).

pub mod encoding;
pub mod envelope;
pub mod form;
pub mod json;
pub mod limits;
pub mod service_header;
pub mod wsdl;
pub mod xml;

pub use envelope::{Call, EnvelopeError, Parameter, Version};
pub use wsdl::{Operation, Service};
pub use xml::{Element, XmlError, XmlLimits};
