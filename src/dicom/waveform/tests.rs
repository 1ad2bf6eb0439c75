use super::*;

fn gb() -> Charset {
    Charset::gb18030()
}

#[test]
fn an_object_without_waveforms_is_told_apart() {
    assert_eq!(ecg_svg(&[0; 200], &gb(), &EcgOptions::default()), Err(Error::NoWaveform));
    assert_eq!(ecg_svg(&[], &gb(), &EcgOptions::default()), Err(Error::NoWaveform));
    assert_eq!(outline(&[0; 200], &gb()), Err(Error::NoWaveform));
}

#[test]
fn speeds_that_no_paper_has_become_the_usual_one() {
    let asked = EcgOptions { speed_mm_per_s: f64::NAN, gain_mm_per_mv: 20.0, ..EcgOptions::default() };
    assert_eq!(asked.on_paper(), EcgOptions { gain_mm_per_mv: 20.0, ..EcgOptions::default() });
}

fn element(tag: (u16, u16), vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    value.resize(value.len().next_multiple_of(2), b' ');
    let long = [b"SQ", b"OB", b"OW"].contains(&vr);
    let mut bytes = [&tag.0.to_le_bytes()[..], &tag.1.to_le_bytes(), vr].concat();
    if long {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    [bytes, value].concat()
}

fn sequence(tag: (u16, u16), items: &[Vec<u8>]) -> Vec<u8> {
    let item =
        |item: &Vec<u8>| [&[0xFE, 0xFF, 0x00, 0xE0][..], &(item.len() as u32).to_le_bytes(), item.as_slice()].concat();
    element(tag, b"SQ", &items.iter().flat_map(item).collect::<Vec<u8>>())
}

fn channel(lead: &str, unit: &str, [sensitivity, correction, baseline]: [&str; 3]) -> Vec<u8> {
    let code = |value: &str| element((0x0008, 0x0100), b"SH", value.as_bytes());
    [
        sequence((0x003A, 0x0208), &[code(lead)]),
        element((0x003A, 0x0210), b"DS", sensitivity.as_bytes()),
        sequence((0x003A, 0x0211), &[code(unit)]),
        element((0x003A, 0x0212), b"DS", correction.as_bytes()),
        element((0x003A, 0x0213), b"DS", baseline.as_bytes()),
    ]
    .concat()
}

fn group(channels: &[Vec<u8>], (bits, kind): (u16, &str), data: &[u8], padding: &[u8]) -> Vec<u8> {
    let mut group = [
        element((0x003A, 0x0005), b"US", &(channels.len() as u16).to_le_bytes()),
        element((0x003A, 0x001A), b"DS", b"2"),
        sequence((0x003A, 0x0200), channels),
        element((0x5400, 0x1004), b"US", &bits.to_le_bytes()),
        element((0x5400, 0x1006), b"CS", kind.as_bytes()),
    ]
    .concat();
    if !padding.is_empty() {
        group.extend(element((0x5400, 0x100A), b"OW", padding));
    }
    [group, element((0x5400, 0x1010), b"OW", data)].concat()
}

fn values(group: &[u8], start: f64) -> Vec<Vec<f64>> {
    let elements = Elements::read(group, Encoding::ExplicitLittle);
    let options = EcgOptions { start_seconds: start, ..EcgOptions::default() };
    let texts = Texts { terms: Vec::new(), charset: &gb() };
    let found = recording(&elements, Encoding::ExplicitLittle, &texts, &options).unwrap();
    found.channels.into_iter().map(|channel| channel.values).collect()
}

#[test]
fn samples_of_every_width_become_millivolts() {
    let plain = |unit: &str| channel("2:1", unit, ["2", "1", "0"]);
    let bytes = |numbers: &[i32], width: usize| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()[..width].to_vec()).collect()
    };
    for (bits, kind) in [(8, "SB"), (16, "SS"), (32, "SL")] {
        let data = bytes(&[-100, 0, 100, 50], bits as usize / 8);
        let found = values(&group(&[plain("mV")], (bits, kind), &data, &[]), 0.0);
        assert_eq!(found, [[-200.0, 0.0, 200.0, 100.0]], "{kind}");
    }
    let unsigned = values(&group(&[plain("mV")], (8, "UB"), &[200, 0], &[]), 0.0);
    assert_eq!(unsigned, [[400.0, 0.0]]);
    // Two channels side by side, one with a correction and a baseline in microvolts; the second sample begins at 0.5 s.
    let channels = [plain("uV"), channel("2:2", "uV", ["1", "3", "500"])];
    let data = bytes(&[1000, 1, 2000, 2, 3000, 3], 2);
    assert_eq!(values(&group(&channels, (16, "SS"), &data, &[]), 0.5), [[4.0, 6.0], [0.506, 0.509]]);
    let gap = values(&group(&[plain("mV")], (16, "SS"), &bytes(&[1, -32768, 2], 2), &[0, 0x80]), 0.0);
    assert!(gap[0][1].is_nan() && gap[0][2] == 4.0);
}

#[test]
fn all_groups_are_told_with_their_lengths_and_any_can_be_drawn() {
    let one = group(&[channel("2:1", "mV", ["1", "1", "0"])], (16, "SS"), &[0; 40], &[]);
    let other = group(&[channel("9:9", "mm[Hg]", ["1", "1", "0"])], (16, "US"), &[7, 0, 9, 0, 8, 0, 7, 0], &[]);
    let file = [
        vec![0; 128],
        b"DICM".to_vec(),
        element((0x0002, 0x0010), b"UI", b"1.2.840.10008.1.2.1"),
        sequence((0x0040, 0xB020), &[element((0x0070, 0x0006), b"ST", "窦性心律".as_bytes())]),
        sequence((0x5400, 0x0100), &[one, other]),
    ]
    .concat();
    let found = outline(&file, &gb()).unwrap();
    assert_eq!(found.groups.iter().map(|g| (g.channels, g.seconds)).collect::<Vec<_>>(), [(1, 10.0), (1, 2.0)]);
    assert_eq!(found.annotations, ["窦性心律"]);
    let pressure = ecg_svg(&file, &gb(), &EcgOptions { group: Some(1), ..EcgOptions::default() }).unwrap();
    assert!(pressure.contains("mm[Hg]") && pressure.contains("7") && pressure.contains("9"));
    let beyond = EcgOptions { group: Some(2), ..EcgOptions::default() };
    assert_eq!(ecg_svg(&file, &gb(), &beyond), Err(Error::NoWaveform));
    let late = EcgOptions { start_seconds: 100.0, ..EcgOptions::default() };
    assert_eq!(ecg_svg(&file, &gb(), &late), Err(Error::Malformed("too few samples")));
}

#[test]
fn texts_are_read_by_what_is_declared_else_by_the_charset_of_the_sender() {
    // Given a label and a statement in Big5 without a declaration, and in Latin-1 with one.
    let big5 = |text: &str| encoding_rs::BIG5.encode(text).0.into_owned();
    let file = |declared: &str, label: &[u8], statement: &[u8]| {
        let labelled = [channel("9:9", "mV", ["1", "1", "0"]), element((0x003A, 0x0203), b"SH", label)].concat();
        let named = [element((0x003A, 0x0020), b"SH", label), group(&[labelled], (16, "SS"), &[0; 40], &[])];
        [
            vec![0; 128],
            b"DICM".to_vec(),
            element((0x0002, 0x0010), b"UI", b"1.2.840.10008.1.2.1"),
            element((0x0008, 0x0005), b"CS", declared.as_bytes()),
            sequence((0x0040, 0xB020), &[element((0x0070, 0x0006), b"ST", statement)]),
            sequence((0x5400, 0x0100), &[named.concat()]),
        ]
        .concat()
    };
    let undeclared = file("", &big5("節律"), &big5("竇性心律"));
    let sender = Charset::parse("Big5").unwrap();
    let declared = file("ISO_IR 100", b"D\xE9riv\xE9e", b"Rythme r\xE9gulier");
    for (file, charset, label, statement) in
        [(undeclared, sender, "節律", "竇性心律"), (declared, gb(), "Dérivée", "Rythme régulier")]
    {
        let found = outline(&file, &charset).unwrap();
        assert_eq!((found.groups[0].label.as_str(), &found.annotations[..]), (label, &[statement.to_owned()][..]));
        assert!(ecg_svg(&file, &charset, &EcgOptions::default()).unwrap().contains(label));
    }
}
