//! The head of a DICOM file: preamble, prefix and file meta information (PS3.10 section 7.1).
//!
//! A received data set is stored behind a head of our own; its bytes are not touched.

use super::content_hash::HashAlgorithm;
use super::text::Charset;

/// Our Implementation Class UID: `2.25.` and the number of a UUID made once for Yingku (PS3.5 annex B.2).
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.246142471700911520352752467837577493493";
/// Our Implementation Version Name.
pub const IMPLEMENTATION_VERSION_NAME: &str = "YINGKU_010";

const PREAMBLE_BYTES: usize = 128;
const PREFIX: &[u8; 4] = b"DICM";
/// Meta information is far smaller; private information in it may reach some KiB.
const MAX_META_BYTES: usize = 1024 * 1024;

const MEDIA_STORAGE_SOP_CLASS_UID: u16 = 0x0002;
const MEDIA_STORAGE_SOP_INSTANCE_UID: u16 = 0x0003;
const TRANSFER_SYNTAX_UID: u16 = 0x0010;
const SOURCE_AE_TITLE: u16 = 0x0016;
const PRIVATE_CREATOR_UID: u16 = 0x0100;
const PRIVATE_INFORMATION: u16 = 0x0102;

/// What the archive notes about an object in the object's own file, so that an index can be rebuilt from files alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The organisation that it belongs to.
    pub org_code: String,
    /// When it came, milliseconds since 1970 UTC.
    pub received_at: i64,
    /// In which character set its texts are that declare none, where no sender's title tells it: what a watched folder or
    /// an import was told.
    pub charset: Option<Charset>,
    /// Length and hash ([`super::content_hash`]) of the data set; nothing when they were not known before the file had to be
    /// written.
    pub content: Option<(u64, String)>,
}

/// What the file meta information says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// (0002,0002)
    pub media_storage_sop_class_uid: String,
    /// (0002,0003)
    pub media_storage_sop_instance_uid: String,
    /// (0002,0010)
    pub transfer_syntax_uid: String,
    /// (0002,0016), empty when absent.
    pub source_application_entity_title: String,
    /// Our own note in (0002,0102).
    pub receipt: Option<Receipt>,
    /// Where the data set begins, in bytes from the start of the file.
    pub dataset_offset: u64,
}

/// Why bytes are no DICOM file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileMetaError {
    /// Neither `DICM` after 128 bytes nor a file meta group at the start.
    #[error("not a DICOM file: no DICM prefix and no file meta information")]
    NotDicom,
    /// The bytes given end inside the file meta information.
    #[error("the file meta information is cut off")]
    Truncated,
    /// The file meta information is no Explicit VR Little Endian.
    #[error("the file meta information does not parse")]
    Malformed,
    /// The file meta information is larger than a megabyte.
    #[error("the file meta information is larger than 1 MiB")]
    TooLarge,
    /// The file meta information names no transfer syntax.
    #[error("the file meta information names no transfer syntax")]
    NoTransferSyntax,
}

/// Writes preamble, prefix and file meta information for a data set that follows.
pub fn meta(sop_class_uid: &str, sop_instance_uid: &str, transfer_syntax_uid: &str, calling_ae_title: &str) -> Vec<u8> {
    with_private(sop_class_uid, sop_instance_uid, transfer_syntax_uid, calling_ae_title, None)
}

/// The same with a receipt as private information. The head ends with [`content_note`], which a writer that learns length
/// and hash later puts over the last bytes of the head.
pub fn meta_with_receipt(
    sop_class_uid: &str,
    sop_instance_uid: &str,
    transfer_syntax_uid: &str,
    calling_ae_title: &str,
    receipt: &Receipt,
) -> Vec<u8> {
    let mut note = format!("org={}\nreceived={}\n", receipt.org_code.replace('\n', " "), receipt.received_at);
    if let Some(charset) = &receipt.charset {
        note.push_str(&format!("charset={}\n", charset.as_str()));
    }
    if note.len() % 2 == 1 {
        note.push('\n');
    }
    let (length, hash) = receipt.content.clone().unwrap_or_default();
    note.push_str(&content_note(length, &hash));
    with_private(sop_class_uid, sop_instance_uid, transfer_syntax_uid, calling_ae_title, Some(note.as_bytes()))
}

/// The part of a receipt that tells length and hash; always of the same, even length.
pub fn content_note(length: u64, content_hash: &str) -> String {
    let (algorithm, digits) = (HashAlgorithm::of(content_hash).name(), HashAlgorithm::digits(content_hash));
    format!("length={length:020}\n{algorithm}={digits:0>64}\n")
}

fn read_receipt(value: &[u8]) -> Option<Receipt> {
    let note = std::str::from_utf8(value).ok()?;
    let field = |name: &str| note.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let length = field("length")?.parse().ok()?;
    let hash = [HashAlgorithm::Blake3, HashAlgorithm::Sha256].into_iter().find_map(|algorithm| {
        let digits = field(algorithm.name()).filter(|digits| digits.bytes().any(|digit| digit != b'0'))?;
        Some(algorithm.with_digits(digits))
    });
    Some(Receipt {
        org_code: field("org")?.to_owned(),
        received_at: field("received")?.parse().ok()?,
        charset: field("charset").and_then(|name| Charset::parse(name).ok()),
        content: hash.map(|hash| (length, hash)),
    })
}

fn with_private(
    sop_class_uid: &str,
    sop_instance_uid: &str,
    transfer_syntax_uid: &str,
    calling_ae_title: &str,
    private: Option<&[u8]>,
) -> Vec<u8> {
    let mut group = Vec::with_capacity(320);
    put(&mut group, 0x0001, b"OB", &[0x00, 0x01], 0);
    put(&mut group, MEDIA_STORAGE_SOP_CLASS_UID, b"UI", sop_class_uid.as_bytes(), 0);
    put(&mut group, MEDIA_STORAGE_SOP_INSTANCE_UID, b"UI", sop_instance_uid.as_bytes(), 0);
    put(&mut group, TRANSFER_SYNTAX_UID, b"UI", transfer_syntax_uid.as_bytes(), 0);
    put(&mut group, 0x0012, b"UI", IMPLEMENTATION_CLASS_UID.as_bytes(), 0);
    put(&mut group, 0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.as_bytes(), b' ');
    if !calling_ae_title.is_empty() {
        put(&mut group, SOURCE_AE_TITLE, b"AE", calling_ae_title.as_bytes(), b' ');
    }
    if let Some(private) = private {
        put(&mut group, PRIVATE_CREATOR_UID, b"UI", IMPLEMENTATION_CLASS_UID.as_bytes(), 0);
        put(&mut group, PRIVATE_INFORMATION, b"OB", private, 0);
    }
    let mut head = Vec::with_capacity(PREAMBLE_BYTES + 16 + group.len());
    head.resize(PREAMBLE_BYTES, 0);
    head.extend_from_slice(PREFIX);
    put(&mut head, 0x0000, b"UL", &(group.len() as u32).to_le_bytes(), 0);
    head.extend_from_slice(&group);
    head
}

/// Appends one element of group 0002 in Explicit VR Little Endian; a short VR's value is cut at 65534 bytes.
fn put(out: &mut Vec<u8>, element: u16, vr: &[u8; 2], value: &[u8], padding: u8) {
    let value = &value[..value.len().min(0xFFFE)];
    let padded = value.len() + value.len() % 2;
    out.extend_from_slice(&0x0002_u16.to_le_bytes());
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(vr);
    if vr == b"OB" {
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&(padded as u32).to_le_bytes());
    } else {
        out.extend_from_slice(&(padded as u16).to_le_bytes());
    }
    out.extend_from_slice(value);
    if padded > value.len() {
        out.push(padding);
    }
}

/// Reads the file meta information from the first bytes of a file; some KiB are enough for every ordinary file.
///
/// Files that begin with group 0002 at once (no preamble) are read as well. A bare data set is
/// [`FileMetaError::NotDicom`]: without meta information its transfer syntax would be a guess.
pub fn read_meta(prefix: &[u8]) -> Result<FileMeta, FileMetaError> {
    let start = if prefix.get(PREAMBLE_BYTES..PREAMBLE_BYTES + 4) == Some(PREFIX.as_slice()) {
        PREAMBLE_BYTES + 4
    } else if prefix.starts_with(PREFIX) {
        4
    } else if prefix.starts_with(&[0x02, 0x00, 0x00, 0x00, b'U', b'L']) {
        0
    } else {
        return Err(FileMetaError::NotDicom);
    };
    let mut meta = FileMeta {
        media_storage_sop_class_uid: String::new(),
        media_storage_sop_instance_uid: String::new(),
        transfer_syntax_uid: String::new(),
        source_application_entity_title: String::new(),
        receipt: None,
        dataset_offset: 0,
    };
    let mut is_ours = false;
    let mut at = start;
    // The group length is often wrong; the change of group is not.
    loop {
        match prefix.get(at..at + 2) {
            Some([0x02, 0x00]) => {}
            Some(_) => break,
            None if at == prefix.len() && !meta.transfer_syntax_uid.is_empty() => break,
            None => return Err(FileMetaError::Truncated),
        }
        let (element, value, next) = element_at(prefix, at)?;
        let text = || String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned();
        match element {
            MEDIA_STORAGE_SOP_CLASS_UID => meta.media_storage_sop_class_uid = text(),
            MEDIA_STORAGE_SOP_INSTANCE_UID => meta.media_storage_sop_instance_uid = text(),
            TRANSFER_SYNTAX_UID => meta.transfer_syntax_uid = text(),
            SOURCE_AE_TITLE => meta.source_application_entity_title = text(),
            PRIVATE_CREATOR_UID => is_ours = text() == IMPLEMENTATION_CLASS_UID,
            PRIVATE_INFORMATION if is_ours => meta.receipt = read_receipt(value),
            _ => {}
        }
        at = next;
    }
    if meta.transfer_syntax_uid.is_empty() {
        return Err(FileMetaError::NoTransferSyntax);
    }
    meta.dataset_offset = at as u64;
    Ok(meta)
}

fn element_at(bytes: &[u8], at: usize) -> Result<(u16, &[u8], usize), FileMetaError> {
    let head: [u8; 8] = bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).ok_or(FileMetaError::Truncated)?;
    let vr = [head[4], head[5]];
    if !vr.iter().all(u8::is_ascii_uppercase) {
        return Err(FileMetaError::Malformed);
    }
    let (value_at, length) = if matches!(&vr, b"OB" | b"OW" | b"UN" | b"UT" | b"SQ" | b"OF" | b"UC" | b"UR") {
        let long: [u8; 4] =
            bytes.get(at + 8..at + 12).and_then(|b| b.try_into().ok()).ok_or(FileMetaError::Truncated)?;
        (at + 12, u32::from_le_bytes(long) as usize)
    } else {
        (at + 8, usize::from(u16::from_le_bytes([head[6], head[7]])))
    };
    let next = value_at.checked_add(length).filter(|next| *next <= MAX_META_BYTES).ok_or(FileMetaError::TooLarge)?;
    let value = bytes.get(value_at..next).ok_or(FileMetaError::Truncated)?;
    Ok((u16::from_le_bytes([head[2], head[3]]), value, next))
}

#[cfg(test)]
mod tests {
    use super::super::transfer_syntax::EXPLICIT_VR_LITTLE_ENDIAN;
    use super::*;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

    fn meta_explicit_little_endian(sop_class_uid: &str, sop_instance_uid: &str) -> Vec<u8> {
        meta(sop_class_uid, sop_instance_uid, EXPLICIT_VR_LITTLE_ENDIAN, "")
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut file = meta(CT, "1.2.3", "1.2.840.10008.1.2.4.70", "PACS01");
        let head = file.len();
        file.extend_from_slice(&[0x08, 0x00, 0x05, 0x00]);
        let read = read_meta(&file).unwrap();
        assert_eq!(read.media_storage_sop_class_uid, CT);
        assert_eq!(read.media_storage_sop_instance_uid, "1.2.3");
        assert_eq!(read.transfer_syntax_uid, "1.2.840.10008.1.2.4.70");
        assert_eq!(read.dataset_offset, head as u64);
    }

    #[test]
    fn a_receipt_is_read_back_and_its_end_can_be_written_later() {
        let digits = "ab".repeat(32);
        for (org_code, charset, hash) in
            [("ORG-T01", None, format!("blake3:{digits}")), ("ORG-T0", Some("EUC-KR"), digits)]
        {
            let receipt = Receipt {
                org_code: org_code.to_owned(),
                received_at: 1_763_700_000_123,
                charset: charset.map(|name| Charset::parse(name).unwrap()),
                content: None,
            };
            let mut file = meta_with_receipt(CT, "1.2.3", EXPLICIT_VR_LITTLE_ENDIAN, "PACS01", &receipt);
            let read = read_meta(&file).unwrap();
            assert_eq!(read.receipt, Some(receipt.clone()));
            assert_eq!(
                (read.source_application_entity_title.as_str(), read.dataset_offset),
                ("PACS01", file.len() as u64)
            );

            let note = content_note(77, &hash);
            let at = file.len() - note.len();
            file[at..].copy_from_slice(note.as_bytes());
            let known = Receipt { content: Some((77, hash)), ..receipt };
            assert_eq!(read_meta(&file).unwrap().receipt, Some(known.clone()));
            assert_eq!(meta_with_receipt(CT, "1.2.3", EXPLICIT_VR_LITTLE_ENDIAN, "PACS01", &known), file);
        }
    }

    #[test]
    fn private_information_of_others_is_no_receipt() {
        let mut file = meta_with_receipt(
            CT,
            "1.2.3",
            EXPLICIT_VR_LITTLE_ENDIAN,
            "",
            &Receipt { org_code: "ORG-T01".to_owned(), received_at: 1, charset: None, content: None },
        );
        let creator = file.windows(6).position(|bytes| bytes == [2, 0, 0, 1, b'U', b'I']).unwrap();
        file[creator + 8] = b'3';
        assert_eq!(read_meta(&file).unwrap().receipt, None);
    }

    #[test]
    fn the_group_length_counts_what_follows_it() {
        let file = meta(CT, "1.2.3", EXPLICIT_VR_LITTLE_ENDIAN, "A");
        let length = u32::from_le_bytes(file[140..144].try_into().unwrap());
        assert_eq!(144 + length as usize, file.len());
        assert_eq!(file.len() % 2, 0);
    }

    #[test]
    fn a_file_without_preamble_is_read_when_it_begins_with_its_meta_information() {
        let file = meta_explicit_little_endian(CT, "1.2.3");
        assert_eq!(read_meta(&file[132..]).unwrap().media_storage_sop_instance_uid, "1.2.3");
        assert_eq!(read_meta(&file[128..]).unwrap().media_storage_sop_instance_uid, "1.2.3");
    }

    #[test]
    fn what_is_no_dicom_file_says_why() {
        let file = meta_explicit_little_endian(CT, "1.2.3");
        assert_eq!(read_meta(b"%PDF-1.7"), Err(FileMetaError::NotDicom));
        assert_eq!(read_meta(&[]), Err(FileMetaError::NotDicom));
        assert_eq!(read_meta(&file[..200]), Err(FileMetaError::Truncated));
        let mut wild = file[..132].to_vec();
        wild.extend_from_slice(&[2, 0, 1, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(read_meta(&wild), Err(FileMetaError::TooLarge));
        let mut bare = file[..132].to_vec();
        bare.extend_from_slice(&[8, 0, 5, 0]);
        assert_eq!(read_meta(&bare), Err(FileMetaError::NoTransferSyntax));
    }
}
