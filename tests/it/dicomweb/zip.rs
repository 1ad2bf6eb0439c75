//! A study to keep: one ZIP file, with every object as it was stored.

use super::world::{STUDIES, World};
use crate::harness::{data_set_of, python_script, small_instance};

/// Reads the file twice: by its directory, and from its beginning as it comes out of a pipe.
const READ: &str = r#"
import io, struct, sys, zipfile, zlib
import pydicom

path = sys.argv[1]
with zipfile.ZipFile(path) as archive:
    assert archive.testzip() is None
    for name in archive.namelist():
        read = pydicom.dcmread(io.BytesIO(archive.read(name)))
        assert name == f"{read.StudyInstanceUID}/{read.SeriesInstanceUID}/{read.SOPInstanceUID}.dcm", name
    names = archive.namelist()

data, at, seen = open(path, "rb").read(), 0, []
while data[at:at + 4] == b"PK\x03\x04":
    name, extra = struct.unpack("<HH", data[at + 26:at + 30])
    seen.append(data[at + 30:at + 30 + name].decode())
    inflate = zlib.decompressobj(-15)
    content = inflate.decompress(data[at + 30 + name + extra:])
    at = len(data) - len(inflate.unused_data)
    mark, crc, packed, whole = struct.unpack("<IIII", data[at:at + 16])
    assert (mark, crc, whole) == (0x08074B50, zlib.crc32(content), len(content))
    at += 16
assert seen == names, (seen, names)
print(len(names))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_study_is_given_as_a_zip_file_with_its_objects_unchanged() {
    let world = World::start().await;
    let instances: Vec<_> =
        [64, 70_000, 3 << 20].iter().enumerate().map(|(n, size)| small_instance(n as u32, *size)).collect();
    world.store(&instances.iter().map(|instance| instance.bytes()).collect::<Vec<_>>()).await;

    let answer = world.get(&format!("{STUDIES}/2.25.7001"), "application/zip").await;

    assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"));
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"2.25.7001.zip\"");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.zip");
    std::fs::write(&path, &answer.body).unwrap();
    let said = {
        let path = path.to_str().unwrap().to_owned();
        tokio::task::spawn_blocking(move || python_script(READ, &[&path])).await.unwrap()
    };
    assert_eq!(said.trim(), "3");
    let one = format!("{STUDIES}/2.25.7001/series/2.25.7001.1/instances/{}", instances[1].sop_instance_uid);
    let file = world.get(&one, "application/dicom; transfer-syntax=*").await;
    assert!(data_set_of(&file.body) == instances[1].data_set);
    assert_eq!(world.get(&one, "application/zip").await.status, 200);
    let video = "application/zip; transfer-syntax=1.2.840.10008.1.2.4.100";
    assert_eq!(world.get(&one, video).await.status, 406);
    let implicit = world.get(&one, "application/zip; transfer-syntax=1.2.840.10008.1.2").await;
    assert_eq!((implicit.status, implicit.header("content-length")), (200, ""), "what is converted has no length yet");
}
