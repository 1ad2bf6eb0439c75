//! Data elements of synthetic objects, in Explicit VR Little Endian (PS3.5 section 7.1.2).

/// One element; a value of odd length gets the padding of its value representation.
pub fn element(group: u16, element: u16, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == "UI" { 0 } else { b' ' });
    }
    let mut bytes = [group.to_le_bytes(), element.to_le_bytes()].concat();
    bytes.extend(vr.as_bytes());
    if vr == "OB" {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    bytes.extend(value);
    bytes
}
