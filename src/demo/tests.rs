use super::*;
use crate::dicom::text::Charset;
use crate::dicom::waveform::{EcgOptions, ecg_svg};

const NOW_MS: i64 = 1_795_000_000_000;

fn exam(kind: Kind) -> Exam {
    exams(NOW_MS).into_iter().find(|exam| exam.kind == kind).unwrap()
}

/// Parses a file with a library that is not ours and returns SOP Class, Patient's Name and Modality.
fn parsed(object: &DemoObject) -> (String, String, String) {
    let file = dicom_object::from_reader(object.to_file().as_slice()).unwrap();
    let text = |tag: (u16, u16)| file.element(dicom_core::Tag(tag.0, tag.1)).unwrap().to_str().unwrap().into_owned();
    (text((0x0008, 0x0016)), text((0x0010, 0x0010)), text((0x0008, 0x0060)))
}

#[test]
fn every_kind_of_object_parses_with_another_library() {
    for exam in exams(NOW_MS) {
        let first = object(&exam, 1).unwrap();
        let (sop_class, name, modality) = parsed(&first);
        assert_eq!(sop_class, first.sop_class_uid);
        assert!(name.contains(exam.patient.name), "{name} reads in its own character set");
        assert_eq!(modality, exam.modality);
    }
}

#[test]
fn the_film_is_an_efilm_of_the_same_study() {
    let exam = exam(Kind::CtWithFilm);
    let film = object(&exam, object_count(&exam)).unwrap();
    assert_eq!(parsed(&film).2, "EFILM");
    let header = ImageHeader::parse(&film.to_file()).unwrap();
    assert_eq!(header.columns, 2048);
}

#[test]
fn all_frames_of_the_loop_are_drawn() {
    let loop_object = object(&exam(Kind::Us), 1).unwrap();
    let first = picture(&loop_object, 1, 640).unwrap();
    let middle = picture(&loop_object, 12, 640).unwrap();
    assert!(picture(&loop_object, ultrasound::FRAMES, 640).is_ok());
    assert_ne!(first, middle, "the loop moves");
}

#[test]
fn the_electrocardiogram_draws_twelve_leads() {
    let svg =
        ecg_svg(&object(&exam(Kind::Ecg), 1).unwrap().to_file(), &Charset::default(), &EcgOptions::default()).unwrap();
    for lead in ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"] {
        assert!(svg.contains(&format!(">{lead}</text>")), "lead {lead}");
    }
}

#[test]
fn pdf_reports_have_a_page_and_jpg_reports_are_pictures() {
    let pdf = report_file(&exam(Kind::Mr)).unwrap();
    let pages = lopdf::Document::load_mem(&pdf).unwrap().get_pages().len();
    assert!((1..=2).contains(&pages));
    let jpg = report_file(&exam(Kind::Dx)).unwrap();
    assert_eq!(image::load_from_memory(&jpg).unwrap().width(), JPG_REPORT_WIDTH);
}

#[test]
fn objects_are_the_same_each_time() {
    let exam = exam(Kind::Mr);
    assert_eq!(object(&exam, 3).unwrap().data_set, object(&exam, 3).unwrap().data_set);
}

#[test]
fn registrations_are_well_formed_and_keep_their_paragraphs() {
    let exam = exam(Kind::CtWithFilm);
    let message = registrations::exam_message(&exam, "http://127.0.0.1:1/reports/EX0001.pdf", NOW_MS);
    let mut reader = quick_xml::Reader::from_str(&message);
    let mut items = 0;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Empty(item) => {
                items += 1;
                let fields = item.attributes().map(Result::unwrap).count();
                assert_eq!(fields, if items == 1 { 3 } else { 59 }, "the organisation, then the 59 fields of B.4");
            }
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(items, 2, "the organisation and the exam");
    assert!(message.contains("&#10;胆囊"), "findings keep their paragraphs");
    assert!(registrations::envelope(&message).contains("&lt;exammaster&gt;"));
}

#[test]
fn the_laboratory_has_a_course_to_draw_and_a_critical_value() {
    let reports = registrations::lab_reports(NOW_MS);
    let messages: Vec<String> = reports.iter().map(|report| registrations::lab_message(report, NOW_MS)).collect();
    let with = |words: &str| messages.iter().filter(|message| message.contains(words)).count();
    for code in ["6690-2", "718-7", "777-3"] {
        assert_eq!(with(&format!("class_code=\"{code}\"")), 5, "{code}");
    }
    assert_eq!(with("result_interpre=\"HH\""), 1);
    let mut numbers: Vec<&str> = reports.iter().map(|report| report.report_form_no).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), reports.len());
}

#[test]
fn the_first_patient_has_two_examinations_of_the_same_kind() {
    let all = exams(NOW_MS);
    let (last, prior) = (&all[0], all.last().unwrap());
    assert_eq!((last.patient.patient_id, last.kind), (prior.patient.patient_id, prior.kind));
    assert!(prior.performed < last.performed && prior.study_instance_uid != last.study_instance_uid);
}
