//! A multipart body gives the same parts however it is cut; one that is put together from parts gives those parts.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use yingku::web::dicomweb::parts_of;

const TYPE: &str = "multipart/related; type=\"application/dicom\"; boundary=b0";
const MOST_PARTS: usize = 8;

fn parts(body: &[u8], step: usize) -> Result<Vec<Vec<u8>>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let chunks = body.chunks(step.max(1)).map(Bytes::copy_from_slice).collect();
    runtime.block_on(parts_of(TYPE, chunks, MOST_PARTS))
}

fuzz_target!(|input: &[u8]| {
    let [step, body @ ..] = input else { return };
    let whole = parts(body, body.len());
    assert_eq!(parts(body, usize::from(*step)), whole);
    let text = String::from_utf8_lossy(body);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _ = runtime.block_on(parts_of(&text, vec![Bytes::copy_from_slice(body)], MOST_PARTS));

    let sent: Vec<&[u8]> = body.chunks(body.len() / 3 + 1).collect();
    if memchr::memmem::find(body, b"\r\n--b0").is_some() || memchr::memmem::find(body, b"--b0").is_some() {
        return;
    }
    let mut made = Vec::new();
    for part in &sent {
        made.extend_from_slice(b"\r\n--b0\r\nContent-Type: application/dicom\r\n\r\n");
        made.extend_from_slice(part);
    }
    made.extend_from_slice(b"\r\n--b0--");
    if !sent.is_empty() {
        let found = parts(&made, usize::from(*step));
        assert_eq!(found, Ok(sent.iter().map(|part| part.to_vec()).collect()));
    }
});
