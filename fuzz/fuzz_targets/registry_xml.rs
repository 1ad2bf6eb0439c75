//! Any message of a sender is read without a panic, within the limits, and what we write ourselves reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::integrations::report_registry::{RegistryConfig, read_batch};
use yingku::soap::encoding::decode;
use yingku::soap::{XmlLimits, envelope, xml};

fuzz_target!(|input: &[u8]| {
    let config = RegistryConfig::default();
    let limits = XmlLimits::default();
    let text = decode(input, None);
    let _ = read_batch(&text, &config);
    let _ = envelope::read(&text, "text/xml; charset=utf-8", &limits);
    let _ = envelope::read(&text, "application/soap+xml", &limits);

    let legal: String = text.chars().filter(|c| xml::is_legal(*c)).collect();
    let written = format!("<root a=\"{}\">{}</root>", xml::escape_attribute(&legal), xml::escape(&legal));
    let document = xml::parse(&written, &limits).expect("what we write can be read");
    assert_eq!(document.root.attributes, [("a".to_owned(), legal)]);
});
