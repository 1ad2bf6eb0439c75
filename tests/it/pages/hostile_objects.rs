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
