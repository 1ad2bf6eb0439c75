//! Synthetic people: everything about one follows from a number.

use super::HOSPITALS;

/// Reports of one person.
pub const REPORTS_OF_ONE: u64 = 20;
/// Hospitals that know a person, each under a number of its own.
pub const RECORDS_OF_ONE: u64 = 2;

/// Code of a hospital.
pub fn hospital(number: u64) -> String {
    // Another bench has one hospital, and no remainder then.
    format!("ORG-C{:02}", number.checked_rem(HOSPITALS).unwrap_or_default())
}

/// The hospital of a patient record.
pub fn hospital_of(person: u64, record: u64) -> String {
    hospital(person + record * 5)
}

/// A valid identity number (GB 11643) of a place that there is not.
pub fn id_no(person: u64) -> String {
    let (place, year, order) = (person % 10_000, 1940 + person % 60, person / 10_000 % 1000);
    let digits = format!("99{place:04}{year}0101{order:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{digits}{}", char::from(b"10X98765432"[sum as usize % 11]))
}

/// Birth date, as the identity number has it.
pub fn birth_date(person: u64) -> String {
    format!("{}-01-01", 1940 + person % 60)
}

/// Card number.
pub fn card_no(person: u64) -> String {
    format!("C{person:09}")
}

/// The number under which a hospital knows the person.
pub fn patient_id(person: u64, record: u64) -> String {
    format!("P{:09}", person * RECORDS_OF_ONE + record)
}

/// The person's name; a hundred people in a million have the same.
pub fn name(person: u64) -> String {
    const SURNAMES: [char; 10] = ['甲', '乙', '丙', '丁', '戊', '己', '庚', '辛', '壬', '癸'];
    let given = |at: u64| char::from_u32(0x4E00 + (at % 1000) as u32 * 7).unwrap_or('子');
    format!("测{}{}", SURNAMES[(person % 10) as usize], given(person / 10))
}
