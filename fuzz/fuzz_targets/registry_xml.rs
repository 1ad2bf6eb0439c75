//! Any bytes are read as a message in every wire form, by a service bus in each of its dialects too, and any text as a
//! registration document, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::integrations::report_registry::{RegistryConfig, read_batch, read_request};
use yingku::soap::service_header::ServiceHeader;
use yingku::soap::{Parameter, XmlLimits, encoding, envelope, form, xml};

const TYPES: [&str; 5] =
    ["text/xml", "application/soap+xml; charset=gbk", "application/json", "application/x-www-form-urlencoded", ""];
const PATHS: [&str; 5] =
    ["/a/GetLabInfo", "/a/ArchiveAutoReport", "/a/CallInterface", "/a/AppointmentDealInterface", "/WSInterface"];

fuzz_target!(|input: &[u8]| {
    let config = RegistryConfig::default();
    for (content_type, path) in TYPES.into_iter().flat_map(|of| PATHS.map(|path| (of, path))) {
        if let Some(told) = read_request(input, content_type, path, &config) {
            assert!(told.contains("E2001"), "a code is told: {told}");
        }
    }
    let text = encoding::decode(input, None);
    let _ = envelope::read(&text, "text/xml", &XmlLimits::default());
    let _ = form::parse(input, Some("gbk"), &XmlLimits::default());
    let _ = read_batch(&text, &config);
    let header = ServiceHeader::read(&Parameter::Text(text.clone()), &XmlLimits::default());
    assert!(header.is_none_or(|header| !header.service.is_empty()));
    // What is escaped must read back as the same text, less what XML forbids and with its line ends.
    let legal: String = text.chars().filter(|&c| xml::is_legal(c)).collect();
    let document = format!("<r>{}</r>", xml::escape(&text));
    assert_eq!(xml::parse(&document, &XmlLimits::default()).map(|d| d.root.text), Ok(legal));
});
