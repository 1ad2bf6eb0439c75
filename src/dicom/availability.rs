//! The data set of an Instance Availability Notification (PS3.4 section R.3.2, PS3.3 section C.4.23).

use super::data_set_writer::DataSetWriter;
use super::transfer_syntax::ElementEncoding;
use crate::domain::availability::InstanceAvailability;

const RETRIEVE_AE_TITLE: u32 = 0x0008_0054;
const INSTANCE_AVAILABILITY: u32 = 0x0008_0056;
const REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE: u32 = 0x0008_1111;
const REFERENCED_SERIES_SEQUENCE: u32 = 0x0008_1115;
const REFERENCED_SOP_CLASS_UID: u32 = 0x0008_1150;
const REFERENCED_SOP_INSTANCE_UID: u32 = 0x0008_1155;
const REFERENCED_SOP_SEQUENCE: u32 = 0x0008_1199;
const STUDY_INSTANCE_UID: u32 = 0x0020_000D;
const SERIES_INSTANCE_UID: u32 = 0x0020_000E;

/// Writes a notification about instances of one study, which stand series by series.
pub fn notification(
    study_instance_uid: &str,
    instances: &[InstanceAvailability],
    retrieve_ae_title: &str,
    encoding: ElementEncoding,
) -> Vec<u8> {
    let mut writer = DataSetWriter::new(encoding);
    // Of type 2: procedure steps are not known here.
    writer.sequence(REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, [(); 0], |_, ()| {});
    let series = instances.chunk_by(|one, next| one.series_instance_uid == next.series_instance_uid);
    writer.sequence(REFERENCED_SERIES_SEQUENCE, series, |item, instances| {
        item.sequence(REFERENCED_SOP_SEQUENCE, instances, |item, instance| {
            item.text(RETRIEVE_AE_TITLE, *b"AE", retrieve_ae_title);
            let availability = if instance.is_offline { "OFFLINE" } else { "ONLINE" };
            item.text(INSTANCE_AVAILABILITY, *b"CS", availability);
            item.text(REFERENCED_SOP_CLASS_UID, *b"UI", &instance.sop_class_uid);
            item.text(REFERENCED_SOP_INSTANCE_UID, *b"UI", &instance.sop_instance_uid);
        });
        let series = instances.first().map_or("", |first| &first.series_instance_uid);
        item.text(SERIES_INSTANCE_UID, *b"UI", series);
    });
    writer.text(STUDY_INSTANCE_UID, *b"UI", study_instance_uid);
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::elements::{Elements, Encoding};

    #[test]
    fn instances_stand_below_their_series_with_availability_and_title() {
        let instance = |series: &str, number: u32| InstanceAvailability {
            series_instance_uid: series.to_owned(),
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
            sop_instance_uid: format!("{series}.{number}"),
            is_offline: number == 2,
        };
        let instances = [instance("2.25.1.1", 1), instance("2.25.1.1", 2), instance("2.25.1.2", 1)];

        let bytes = notification("2.25.1", &instances, "YINGKU", ElementEncoding::EXPLICIT_LITTLE);

        let read = Elements::read(&bytes, Encoding::ExplicitLittle);
        assert_eq!(read.end, bytes.len());
        assert_eq!(read.text((0x0020, 0x000D)), Some("2.25.1"));
        let told: Vec<(String, usize)> = read
            .items((0x0008, 0x1115))
            .map(|series| {
                let uid = series.text((0x0020, 0x000E)).unwrap_or_default().to_owned();
                (uid, series.items((0x0008, 0x1199)).count())
            })
            .collect();
        assert_eq!(told, [("2.25.1.1".to_owned(), 2), ("2.25.1.2".to_owned(), 1)]);
        let first = read.items((0x0008, 0x1115)).next().unwrap();
        let availability: Vec<String> =
            first.items((0x0008, 0x1199)).map(|one| one.text((0x0008, 0x0056)).unwrap().to_owned()).collect();
        assert_eq!(availability, ["ONLINE", "OFFLINE"]);
    }
}
