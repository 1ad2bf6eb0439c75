//! Whatever a caller sends: an association request is read and answered, messages are taken apart, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::dimse::{DicomConfig, dissect};

fuzz_target!(|input: &[u8]| {
    let config = DicomConfig::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let found = runtime.block_on(dissect(input, &config));
    assert!(found.data_set_bytes <= input.len() as u64 && found.commands.len() <= input.len());
});
