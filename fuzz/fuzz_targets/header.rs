//! Any bytes, in any transfer syntax and any two chunks, are scanned without a panic and with one result (deflate apart).
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::dicom::header::{Header, HeaderLimits, HeaderScanner};
use yingku::dicom::text::Charset;

const TRANSFER_SYNTAXES: [&str; 4] =
    ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"];

fn scan(transfer_syntax_uid: &str, chunks: &[&[u8]]) -> Header {
    let mut scanner = HeaderScanner::new(transfer_syntax_uid, HeaderLimits::default());
    for chunk in chunks {
        scanner.push(chunk);
    }
    scanner.finish()
}

fuzz_target!(|input: &[u8]| {
    let [syntax, cut, data @ ..] = input else { return };
    let transfer_syntax_uid = TRANSFER_SYNTAXES[usize::from(*syntax) % TRANSFER_SYNTAXES.len()];
    let (first, second) = data.split_at(usize::from(*cut).min(data.len()));
    let header = scan(transfer_syntax_uid, &[data]);
    let split = scan(transfer_syntax_uid, &[first, second]);
    // A broken deflate stream may yield a little more or less of what came before the break.
    if !transfer_syntax_uid.ends_with(".99") {
        assert_eq!(header, split);
    }
    header.instance_attributes(&Charset::gb18030());
});
