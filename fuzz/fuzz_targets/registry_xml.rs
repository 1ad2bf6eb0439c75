//! Any bytes are read as a message, and any text as a registration document, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::integrations::report_registry::{RegistryConfig, read_batch};
use yingku::soap::{XmlLimits, encoding, envelope, form, xml};

fuzz_target!(|input: &[u8]| {
    let text = encoding::decode(input, None);
    let _ = envelope::read(&text, "text/xml", &XmlLimits::default());
    let _ = form::parse(input, Some("gbk"), &XmlLimits::default());
    let _ = read_batch(&text, &RegistryConfig::default());
    // What is escaped must read back as the same text, less what XML forbids and with its line ends.
    let legal: String = text.chars().filter(|&c| xml::is_legal(c)).collect();
    let document = format!("<r>{}</r>", xml::escape(&text));
    assert_eq!(xml::parse(&document, &XmlLimits::default()).map(|d| d.root.text), Ok(legal));
});
