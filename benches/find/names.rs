//! Synthetic values: everything of a study follows from its number.

/// The organisation of all studies.
pub const ORGANIZATION: &str = "ORG-T01";
/// Days over which the studies are spread.
const DAYS: u64 = 3650;
/// Devices that make StudyInstanceUIDs.
const DEVICES: u64 = 40;

const SURNAMES: [(&str, &str); 40] = [
    ("Wang", "王"),
    ("Li", "李"),
    ("Zhang", "张"),
    ("Liu", "刘"),
    ("Chen", "陈"),
    ("Yang", "杨"),
    ("Huang", "黄"),
    ("Zhao", "赵"),
    ("Wu", "吴"),
    ("Zhou", "周"),
    ("Xu", "徐"),
    ("Sun", "孙"),
    ("Ma", "马"),
    ("Zhu", "朱"),
    ("Hu", "胡"),
    ("Guo", "郭"),
    ("He", "何"),
    ("Lin", "林"),
    ("Gao", "高"),
    ("Luo", "罗"),
    ("Zheng", "郑"),
    ("Liang", "梁"),
    ("Xie", "谢"),
    ("Song", "宋"),
    ("Tang", "唐"),
    ("Deng", "邓"),
    ("Han", "韩"),
    ("Feng", "冯"),
    ("Cao", "曹"),
    ("Peng", "彭"),
    ("Zeng", "曾"),
    ("Xiao", "肖"),
    ("Tian", "田"),
    ("Dong", "董"),
    ("Pan", "潘"),
    ("Yuan", "袁"),
    ("Cai", "蔡"),
    ("Jiang", "蒋"),
    ("Yu", "余"),
    ("Du", "杜"),
];
const SYLLABLES: [(&str, &str); 30] = [
    ("xiao", "小"),
    ("ming", "明"),
    ("hong", "红"),
    ("wei", "伟"),
    ("fang", "芳"),
    ("na", "娜"),
    ("min", "敏"),
    ("jing", "静"),
    ("qiang", "强"),
    ("lei", "磊"),
    ("jun", "军"),
    ("yang", "洋"),
    ("yong", "勇"),
    ("yan", "艳"),
    ("jie", "杰"),
    ("juan", "娟"),
    ("tao", "涛"),
    ("chao", "超"),
    ("xia", "霞"),
    ("ping", "平"),
    ("gang", "刚"),
    ("gui", "桂"),
    ("ying", "英"),
    ("hua", "华"),
    ("yu", "玉"),
    ("lan", "兰"),
    ("feng", "凤"),
    ("mei", "梅"),
    ("lin", "琳"),
    ("bo", "波"),
];

/// Two studies of one patient stand 100,000 apart or less.
fn patient(study: u64) -> u64 {
    study / 2
}

/// Scatters numbers, the same in every run.
fn scattered(number: u64, salt: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(salt.wrapping_mul(0xD1B5_4A32_D192_ED03));
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ (x >> 32)
}

/// Surname of the patient in letters and characters.
pub fn surname(study: u64) -> (&'static str, &'static str) {
    // The first ones are the most frequent, as in life.
    let spread = scattered(patient(study), 1) % 1600;
    SURNAMES[(spread * spread / 64_000) as usize % SURNAMES.len()]
}

/// Given name of the patient in letters and characters.
pub fn given(study: u64) -> (String, String) {
    let first = SYLLABLES[(scattered(patient(study), 2) % 30) as usize];
    let second = SYLLABLES[(scattered(patient(study), 3) % 30) as usize];
    (format!("{}{}", first.0, second.0), format!("{}{}", first.1, second.1))
}

/// The whole name.
pub fn name(study: u64) -> String {
    let (surname, given) = (surname(study), given(study));
    format!("{}^{}={}^{}", surname.0, given.0, surname.1, given.1)
}

/// (0010,0020)
pub fn patient_id(study: u64) -> String {
    format!("L{:09}", scattered(patient(study), 4) % 1_000_000_000)
}

/// (0008,0050)
pub fn accession_number(study: u64) -> String {
    format!("A{study:010}")
}

/// (0020,000D): a root for each of some devices, then a number that grows, as devices make them.
pub fn study_uid(study: u64) -> String {
    format!("1.2.826.0.1.3680043.9.7777.{}.1{study:09}", scattered(study, 5) % DEVICES + 1)
}

/// A UUID that follows no order.
pub fn observation_uid(study: u64) -> String {
    let (high, low) = (scattered(study, 8), scattered(study, 9));
    let (a, b, c) = (high >> 32, high >> 16 & 0xFFFF, high & 0xFFF);
    format!("{a:08x}-{b:04x}-5{c:03x}-{:04x}-{:012x}", 0x8000 | low >> 50, low & 0xFFFF_FFFF_FFFF)
}

/// (0008,0020): studies come in the order of their dates.
pub fn date(study: u64, studies: u64) -> String {
    date_of_day(study * DAYS / studies.max(1))
}

/// A range of so many days that begins at a day made from the number.
pub fn dates_from(number: u64, days: u64) -> String {
    let first = scattered(number, 6) % (DAYS - days + 1);
    format!("{}-{}", date_of_day(first), date_of_day(first + days - 1))
}

/// Days since 2015-01-01.
fn date_of_day(day: u64) -> String {
    let first = time::Date::from_calendar_date(2015, time::Month::January, 1).unwrap();
    let date = first + time::Duration::days(day as i64);
    format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
}

/// The modality of a study's image series.
pub fn modality(study: u64) -> &'static str {
    match scattered(study, 7) % 1000 {
        0 => "OPT",
        1..=9 => "XA",
        10..=409 => "CT",
        410..=559 => "MR",
        560..=699 => "US",
        _ => "DX",
    }
}
