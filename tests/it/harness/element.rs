//! Data elements in Explicit VR Little Endian (PS3.5 section 7.1.2), written apart from the archive's own code. Benches send
//! them too.

/// One element in Explicit VR Little Endian, padded to an even length.
pub fn element(group: u16, element: u16, vr: &str, value: &[u8]) -> Vec<u8> {
    let padding = if vr == "UI" || vr.starts_with('O') { 0 } else { b' ' };
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(padding);
    }
    let mut bytes = Vec::with_capacity(value.len() + 12);
    bytes.extend(group.to_le_bytes());
    bytes.extend(element.to_le_bytes());
    bytes.extend(vr.as_bytes());
    if matches!(vr, "OB" | "OW" | "SQ" | "UN" | "UT" | "UC" | "UR" | "OD" | "OF" | "OL" | "OV" | "SV" | "UV") {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    bytes.extend(value);
    bytes
}
