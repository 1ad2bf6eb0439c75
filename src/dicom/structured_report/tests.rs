//! What is read of reports, and of what is no report.

use super::*;

fn element(tag: Tag, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    value.resize(value.len().next_multiple_of(2), b' ');
    let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    bytes.extend(vr);
    if [b"SQ", b"UT"].contains(&vr) {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    [bytes, value].concat()
}

fn sequence(tag: Tag, items: &[Vec<u8>]) -> Vec<u8> {
    let item =
        |item: &Vec<u8>| [&[0xFE, 0xFF, 0x00, 0xE0][..], &(item.len() as u32).to_le_bytes(), item.as_slice()].concat();
    element(tag, b"SQ", &items.iter().flat_map(item).collect::<Vec<u8>>())
}

fn code(tag: Tag, value: &str, scheme: &str, meaning: &[u8]) -> Vec<u8> {
    let parts = [
        element((0x0008, 0x0100), b"SH", value.as_bytes()),
        element((0x0008, 0x0102), b"SH", scheme.as_bytes()),
        element((0x0008, 0x0104), b"LO", meaning),
    ];
    sequence(tag, &[parts.concat()])
}

fn item(kind: &str, name: Vec<u8>, rest: Vec<u8>) -> Vec<u8> {
    [element((0x0040, 0xA040), b"CS", kind.as_bytes()), name, rest].concat()
}

fn name(value: &str, meaning: &str) -> Vec<u8> {
    code((0x0040, 0xA043), value, "DCM", meaning.as_bytes())
}

fn file(class: &str, content: &[Vec<u8>]) -> Vec<u8> {
    [
        vec![0; 128],
        b"DICM".to_vec(),
        element((0x0002, 0x0010), b"UI", b"1.2.840.10008.1.2.1"),
        element((0x0008, 0x0016), b"UI", class.as_bytes()),
        element((0x0040, 0xA040), b"CS", b"CONTAINER"),
        name("113000", "Of Interest"),
        element((0x0040, 0xA491), b"CS", b"COMPLETE"),
        sequence((0x0040, 0xA730), content),
    ]
    .concat()
}

#[test]
fn the_tree_is_read_in_order_with_chinese_labels() {
    let (gbk, _, _) = encoding_rs::GB18030.encode("双肺纹理清晰。\r\n心影不大。");
    let number =
        [element((0x0040, 0xA30A), b"DS", b"12.5"), code((0x0040, 0x08EA), "mm", "UCUM", b"millimeter")].concat();
    let content = [
        item(
            "CONTAINER",
            name("121070", "Findings"),
            sequence(
                (0x0040, 0xA730),
                &[
                    item("TEXT", name("121071", "Finding"), element((0x0040, 0xA160), b"UT", &gbk)),
                    item("NUM", name("999", "Nodule <b>"), sequence((0x0040, 0xA300), &[number])),
                ],
            ),
        ),
        item("PNAME", name("121008", "Person"), element((0x0040, 0xA123), b"PN", b"Ceshi^Jia")),
        item("DATETIME", name("1", "When"), element((0x0040, 0xA120), b"DT", b"20240322144606")),
    ];
    let report = StructuredReport::read(&file("1.2.3", &content), &Charset::default(), Meanings::Chinese).unwrap();
    let shown: Vec<(usize, &str)> = report.lines.iter().map(|line| (line.depth, line.label.as_str())).collect();
    assert_eq!(shown, [(0, "所见"), (1, "所见"), (1, "Nodule <b>"), (0, "观察者姓名"), (0, "When")]);
    let paragraphs = vec!["双肺纹理清晰。".to_owned(), "心影不大。".to_owned()];
    assert_eq!(report.lines[1].content, Content::Text(paragraphs));
    assert_eq!(report.lines[2].content, Content::Number { value: "12.5".to_owned(), unit: "mm".to_owned() });
    assert_eq!(report.lines[3].content, Content::Text(vec!["Ceshi Jia".to_owned()]));
    assert_eq!(report.lines[4].content, Content::Text(vec!["2024-03-22 14:46:06".to_owned()]));
    assert_eq!((report.title.as_str(), report.complete, report.verified), ("关注影像", Some(true), None));
}

#[test]
fn other_readers_are_told_what_the_report_calls_things() {
    let place = item("SCOORD", name("121080", "Best"), element((0x0070, 0x0023), b"CS", b"POLYLINE"));
    let content = [item("TEXT", name("121071", "Finding"), element((0x0040, 0xA160), b"UT", b"clear")), place];
    let report = StructuredReport::read(&file("1.2.3", &content), &Charset::default(), Meanings::AsWritten).unwrap();
    assert_eq!((report.title.as_str(), report.lines[0].label.as_str()), ("Of Interest", "Finding"));
    assert_eq!(report.lines[1].content, Content::Place("polyline".to_owned()));
}

#[test]
fn key_objects_are_listed_once_each() {
    let image = |uid: &str, frames: &str| {
        let reference =
            [element((0x0008, 0x1155), b"UI", uid.as_bytes()), element((0x0008, 0x1160), b"IS", frames.as_bytes())];
        item("IMAGE", Vec::new(), sequence((0x0008, 0x1199), &[reference.concat()]))
    };
    let content = [image("2.25.1", "1\\3"), image("2.25.2", ""), image("2.25.1", "1\\3")];
    let report =
        StructuredReport::read(&file(KEY_OBJECT_SELECTION, &content), &Charset::default(), Meanings::Chinese).unwrap();
    let images: Vec<_> = report.images().iter().map(|r| (r.sop_instance_uid.clone(), r.frames.clone())).collect();
    assert_eq!(images, [("2.25.1".to_owned(), vec![1, 3]), ("2.25.2".to_owned(), vec![])]);
    assert!(report.is_key_objects);
}

#[test]
fn endless_trees_and_other_objects_are_no_reports() {
    let mut deep = item("TEXT", name("1", "x"), element((0x0040, 0xA160), b"UT", b"end"));
    for _ in 0..100 {
        deep = item("CONTAINER", name("1", "x"), sequence((0x0040, 0xA730), &[deep]));
    }
    let report = StructuredReport::read(&file("1.2.3", &[deep]), &Charset::default(), Meanings::Chinese).unwrap();
    assert!(report.cut && report.lines.len() == MAX_DEPTH);
    assert_eq!(StructuredReport::read(&[0; 300], &Charset::default(), Meanings::Chinese), Err(NoReport));
    assert_eq!(StructuredReport::read(&[], &Charset::default(), Meanings::Chinese), Err(NoReport));
}
