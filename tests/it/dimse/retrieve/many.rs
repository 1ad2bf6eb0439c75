//! Thousands of instances leave in little memory.

use yingku::index::Index;

use super::*;
use crate::harness::ServerProcess;

const COPIES: i64 = 4_999;
const PIXEL_BYTES: usize = 60 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_instances_go_over_several_associations_in_little_memory() {
    let port = free_port();
    let peer =
        format!("\n[[peer]]\nae_title = 'STORESCP'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\n");
    let mut server = ServerProcess::start_with(&peer).await;
    let mut set = DataSet::ct("2.25.9.1.1");
    set.text(0x0020_000D, "UI", "2.25.9").text(0x0020_000E, "UI", "2.25.9.1");
    set.bytes(0x7FE0_0010, "OW", &[7; PIXEL_BYTES]);
    let called = target(server.dicom(), "PACS01", "YINGKU");
    let mut association = Association::connect(&called, &[Proposal::storage(CT_IMAGE, EXPLICIT_LE)]).await.unwrap();
    association.store(&file_of("2.25.9.1.1", &set.encode())).await.unwrap();
    association.release().await.unwrap();
    // Given rows that share one object: the way out does not look at what is in it.
    let copy = "INSERT INTO instance (id, series_pk, org_code, sop_instance_uid, sop_class_uid, transfer_syntax_uid, \
                number_of_frames, content_hash, object_key, object_offset, object_length, dataset_offset, \
                header_state, calling_ae_title, received_at) SELECT $1, series_pk, org_code, $2, sop_class_uid, \
                transfer_syntax_uid, number_of_frames, content_hash, object_key, object_offset, object_length, \
                dataset_offset, header_state, calling_ae_title, received_at FROM instance \
                WHERE sop_instance_uid = '2.25.9.1.1'";
    let index = Index::open(&server.database()).await.unwrap();
    let copied = index.write(move |tx| {
        Box::pin(async move {
            for number in 1..=COPIES {
                tx.execute(copy, yingku::params![number, format!("2.25.9.1.1.{number}")]).await?;
            }
            Ok::<_, yingku::index::Error>(())
        })
    });
    copied.await.unwrap();
    index.close().await;
    let mut receiver = Command::new(tool("storescp", Package::Debian("dcmtk")));
    let _receiver = Killed(receiver.args(["--fork", "--ignore", &port.to_string()]).spawn().unwrap());
    listening(port).await;
    let before = server.peak_memory();

    let called = server.dicom().port().to_string();
    let arguments = ["-v", "-S", "-aet", "PACS01", "-aec", "YINGKU", "-aem", "STORESCP", "127.0.0.1", &called];
    let keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.9"];
    let said = dcmtk("movescu", &[&arguments[..], &keys].concat()).await;

    assert!(said.contains("Received Final Move Response (Success)"), "{said}");
    let growth = server.peak_memory() - before;
    // What went out is 300 MB.
    assert!(growth < 150 * 1024 * 1024, "memory grew by {growth} bytes");
    assert!(server.terminate().await.success());
}
