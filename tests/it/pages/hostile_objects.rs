//! Objects that no honest device makes, on the pages of their exam.

use yingku::dicom::part10;

use super::world::{Exam, World};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

const ACCESSION: (&str, &str) = ("AccessionNumber", "A0001");

/// A file of the data set, which says its SOP class and instance itself.
fn file(set: &DataSet) -> Vec<u8> {
    let mut file = part10::meta(&set.text_of(0x0008_0016), &set.text_of(0x0008_0018), EXPLICIT_LE, "TEST");
    file.extend_from_slice(&set.encode());
    file
}

#[tokio::test]
async fn frames_beyond_all_numbers_leave_the_page_of_their_exam_alone() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    for uid in ["2.25.1", "2.25.2"] {
        let mut set = DataSet::ct(uid);
        assert_eq!(set.text_of(0x0008_0016), CT_IMAGE);
        world.store_file(file(set.text(0x0028_0008, "IS", "9223372036854775807")), 1).await;
    }
    let exam = world.open("ClinicExam", &[ACCESSION, ("ShowType", "2")]).await;
    let fresh = world.get(&format!("{exam}?tab=images")).await;
    // As an earlier version of the program wrote them.
    world.execute("UPDATE instance SET number_of_frames = 9223372036854775807", Vec::new()).await;
    let earlier = world.get(&format!("{exam}?tab=images&i=2147483648")).await;

    for page in [fresh, earlier] {
        assert_eq!(page.status, 200);
        assert!(page.text().contains("4294967294"), "each has what an IS can say: {}", page.text());
    }
}

#[tokio::test]
async fn a_document_with_pixels_is_a_document_where_only_data_is_shown() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    world.store_file(file(&DataSet::ct("2.25.1")), 1).await;
    let mut document = DataSet::ct("2.25.2");
    let document = document.text(0x0008_0016, "UI", "1.2.826.0.1.3680043.8.1055.9").text(0x0008_0060, "CS", "DOC");
    world.store_file(file(document.text(0x0020_000E, "UI", "2.25.1000.2")), 1).await;
    let image = world.count("SELECT id AS n FROM instance WHERE sop_instance_uid = '2.25.1'").await;
    let document = world.count("SELECT id AS n FROM instance WHERE sop_instance_uid = '2.25.2'").await;

    for (show_type, of_document) in [("2", 200), ("3", 404)] {
        let exam = world.open("ClinicExam", &[ACCESSION, ("ShowType", show_type)]).await;
        let status = async |pk: i64| world.get(&format!("{exam}/frame/{pk}/1.jpg")).await.status;
        assert_eq!((status(image).await, status(document).await), (200, of_document), "ShowType {show_type}");
    }
}
