//! Resident identity numbers (GB 11643), sex codes (GB/T 2261.1), and how both are shown in logs (D-X4).
//!
//! Eighteen characters: six of place, eight of birth, three of sequence (odd for men), one check character. The old
//! number has fifteen digits, two of the year (19xx) and no check. Checks are soft: a bad number is kept (D-R35).

use time::{Date, Month};

/// Sex by GB/T 2261.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// 0 未知的性别
    Unknown,
    /// 1 男性
    Male,
    /// 2 女性
    Female,
    /// 9 未说明的性别
    Unstated,
}

impl Sex {
    /// Reads a code or a word (D-P11): 0/1/2/9, 男/女/未知, M/F/O/U.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_lowercase().as_str() {
            "1" | "男" | "男性" | "m" | "male" => Some(Sex::Male),
            "2" | "女" | "女性" | "f" | "female" => Some(Sex::Female),
            "0" | "未知" | "未知的性别" | "u" | "不详" => Some(Sex::Unknown),
            // DICOM's "other" is neither of the two, and not unknown either.
            "9" | "未说明" | "未说明的性别" | "o" => Some(Sex::Unstated),
            _ => None,
        }
    }

    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Sex::Unknown => "0",
            Sex::Male => "1",
            Sex::Female => "2",
            Sex::Unstated => "9",
        }
    }

    /// The word shown to people.
    pub fn label(self) -> &'static str {
        match self {
            Sex::Unknown => "未知",
            Sex::Male => "男",
            Sex::Female => "女",
            Sex::Unstated => "未说明",
        }
    }
}

/// A number that passes the checks of GB 11643.
#[derive(Clone, PartialEq, Eq)]
pub struct IdNo {
    number: String,
    birth_date: String,
    sex: Sex,
}

impl std::fmt::Debug for IdNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdNo({})", mask_id_no(&self.number))
    }
}

impl IdNo {
    /// Checks a number: 18 characters with check character, or 15 digits with a real date.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.trim().to_ascii_uppercase();
        let bytes = number.as_bytes();
        let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let (birth, order) = match (bytes.len(), digits) {
            (18, 17 | 18) if check_character(&bytes[..17]) == bytes[17] => (number[6..14].to_owned(), bytes[16]),
            (15, 15) => (format!("19{}", &number[6..12]), bytes[14]),
            _ => return None,
        };
        let month = Month::try_from(birth[4..6].parse::<u8>().ok()?).ok()?;
        let year = birth[..4].parse().ok().filter(|y| (1800..=2200).contains(y))?;
        Date::from_calendar_date(year, month, birth[6..].parse().ok()?).ok()?;
        let birth_date = format!("{}-{}-{}", &birth[..4], &birth[4..6], &birth[6..]);
        let sex = if order % 2 == 1 { Sex::Male } else { Sex::Female };
        Some(Self { number, birth_date, sex })
    }

    /// The number, a final x in upper case.
    pub fn as_str(&self) -> &str {
        &self.number
    }

    /// Date of birth, `yyyy-MM-dd`.
    pub fn birth_date(&self) -> &str {
        &self.birth_date
    }

    /// Male or female.
    pub fn sex(&self) -> Sex {
        self.sex
    }

    /// How else the same number is written in stored reports: with a small x, and the 15 or 18 character form.
    pub fn spellings(&self) -> Vec<String> {
        let mut all = vec![self.number.clone()];
        if self.number.len() == 15 {
            let long = format!("{}19{}", &self.number[..6], &self.number[6..]);
            let check = check_character(long.as_bytes());
            all.push(format!("{long}{}", check as char));
        } else if &self.number[6..8] == "19" {
            all.push(format!("{}{}", &self.number[..6], &self.number[8..17]));
        }
        let small: Vec<String> = all.iter().filter(|n| n.ends_with('X')).map(|n| n.to_lowercase()).collect();
        all.extend(small);
        all
    }
}

/// The check character of ISO 7064 MOD 11-2 over the first 17 digits.
fn check_character(digits: &[u8]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(d, w)| u32::from(d.wrapping_sub(b'0')) * w).sum();
    b"10X98765432"[(sum % 11) as usize]
}

/// What a value given as somebody's identity is (D-Q1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A resident identity number.
    IdNo(IdNo),
    /// Anything else: the number of a card.
    CardNo(String),
}

impl Identity {
    /// Looks at the value itself, since callers disagree about which parameter is which; `None` for nothing.
    pub fn classify(value: &str) -> Option<Self> {
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        Some(IdNo::parse(value).map_or_else(|| Identity::CardNo(value.to_owned()), Identity::IdNo))
    }

    /// Every way in which stored reports may write the value.
    pub fn spellings(&self) -> Vec<String> {
        match self {
            Identity::IdNo(id_no) => id_no.spellings(),
            Identity::CardNo(card_no) => vec![card_no.clone()],
        }
    }
}

/// An identity number for logs: the first three and the last two characters.
pub fn mask_id_no(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() < 8 {
        return "*".repeat(characters.len());
    }
    let (head, tail) = (&characters[..3], &characters[characters.len() - 2..]);
    format!("{}{}{}", String::from_iter(head), "*".repeat(characters.len() - 5), String::from_iter(tail))
}

/// A name for logs: the first character.
pub fn mask_name(text: &str) -> String {
    let mut characters = text.trim().chars();
    match characters.next() {
        Some(first) => format!("{first}{}", "*".repeat(characters.count())),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_r35_a_number_is_checked_and_tells_birth_and_sex() {
        let id_no = IdNo::parse("990101199001010019").unwrap();
        assert_eq!((id_no.birth_date(), id_no.sex()), ("1990-01-01", Sex::Male));
        assert_eq!(IdNo::parse("990101199001010018"), None);
        assert_eq!(IdNo::parse("990101199013010019"), None);
        assert_eq!(IdNo::parse("C00000001"), None);
        assert_eq!(IdNo::parse("９９０１０１１９９００１０１００１９"), None);
    }

    #[test]
    fn d_q1_the_value_and_not_its_position_decides_what_it_is() {
        assert!(matches!(Identity::classify(" 990101199001010019 "), Some(Identity::IdNo(_))));
        assert!(matches!(Identity::classify("990101900101001"), Some(Identity::IdNo(_))));
        assert!(matches!(Identity::classify("990101901301001"), Some(Identity::CardNo(_))));
        assert!(matches!(Identity::classify("990101199001010018"), Some(Identity::CardNo(_))));
        assert_eq!(Identity::classify("  "), None);
    }

    #[test]
    fn d_q1_old_and_new_form_of_a_number_are_the_same_person() {
        let old = IdNo::parse("990101900101001").unwrap();
        assert!(old.spellings().contains(&"990101199001010019".to_owned()));
        let new = IdNo::parse("990101199001010019").unwrap();
        assert!(new.spellings().contains(&"990101900101001".to_owned()));
    }

    #[test]
    fn d_x4_numbers_and_names_are_masked() {
        assert_eq!(mask_id_no("990101199001010019"), "990*************19");
        assert_eq!(mask_id_no("1234"), "****");
        assert_eq!(mask_name("测试甲"), "测**");
    }

    #[test]
    fn d_p11_sex_is_read_from_codes_and_words() {
        assert_eq!(Sex::parse("女"), Some(Sex::Female));
        assert_eq!(Sex::parse("M").map(Sex::code), Some("1"));
        assert_eq!(Sex::parse("O").map(Sex::code), Some("9"));
        assert_eq!(Sex::parse("u").map(Sex::code), Some("0"));
        assert_eq!(Sex::parse("7"), None);
    }
}
