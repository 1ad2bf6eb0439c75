//! A patient as one organisation knows it, and when two of them are, or cannot be, the same person (D-R29, D-R35, D-X9).
//!
//! An empty value says nothing. Sex 0 and 9 say nothing, an identity number that fails its check says nothing either:
//! neither links two records nor contradicts. A contradiction is told by the names of its fields, never by values.

use super::identity::{IdNo, Sex};
use super::query;

/// What is known of a patient; `None` where nothing is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PatientFacts {
    /// As registered; of images with component groups joined by `=`.
    pub name: Option<String>,
    /// GB/T 2261.1.
    pub sex_code: Option<String>,
    /// `yyyy-MM-dd`.
    pub birth_date: Option<String>,
    /// As registered, valid or not.
    pub id_no: Option<String>,
    /// As registered.
    pub card_no: Option<String>,
}

/// Values are patient data: only the names of what is known are shown.
impl std::fmt::Debug for PatientFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = [&self.name, &self.sex_code, &self.birth_date, &self.id_no, &self.card_no];
        let known = FIELDS.iter().zip(fields).filter(|(_, value)| value.is_some()).map(|(name, _)| name);
        f.debug_list().entries(known).finish()
    }
}

const FIELDS: [&str; 5] = ["name", "sex_code", "birth_date", "id_no", "card_no"];

/// Which of two reports about the same patient is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Its values replace what is known.
    Newer,
    /// Its values fill what is empty.
    Older,
}

/// What a report adds to a patient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addition {
    /// The values to be written; `None` where nothing changes.
    pub values: PatientFacts,
    /// Names of fields in which the report contradicts what is known.
    pub contradictions: Vec<&'static str>,
}

impl Addition {
    /// Whether nothing has to be written.
    pub fn is_empty(&self) -> bool {
        self.contradictions.is_empty() && self.values == PatientFacts::default()
    }
}

impl PatientFacts {
    /// Takes values as they are registered: trimmed, without what says nothing, a date without its time.
    pub fn of(name: &str, sex_code: &str, birth_date: &str, id_no: &str, card_no: &str) -> Self {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        Self {
            name: text(name),
            sex_code: text(sex_code),
            birth_date: text(birth_date).map(|date| date.chars().take(10).collect()),
            id_no: text(id_no),
            card_no: text(card_no),
        }
    }

    /// Takes a patient as named in DICOM: sex `M`, `F`, `O`, birth date `yyyyMMdd`. A PatientID that is a valid identity
    /// number counts as one, which is how many modalities are filled in.
    pub fn of_image(name: &str, sex: &str, birth_date: &str, patient_id: &str) -> Self {
        let sex = Sex::parse(sex).map(Sex::code).unwrap_or_default();
        let birth = match (birth_date.len(), birth_date.bytes().all(|b| b.is_ascii_digit())) {
            (8, true) => format!("{}-{}-{}", &birth_date[..4], &birth_date[4..6], &birth_date[6..]),
            _ => String::new(),
        };
        let id_no = IdNo::parse(patient_id).map(|number| number.as_str().to_owned()).unwrap_or_default();
        Self::of(name, sex, &birth, &id_no, "")
    }

    /// What `later`, a report that is newer or older than all before it, adds (D-R29): an empty value never replaces.
    pub fn absorb(&self, incoming: &Self, age: Age) -> Addition {
        let newer = |stored: &Option<String>, incoming: &Option<String>| match (stored, incoming) {
            (None, Some(_)) => incoming.clone(),
            (Some(old), Some(new)) if age == Age::Newer && old != new => incoming.clone(),
            _ => None,
        };
        let sex_code = match sex_of(incoming) {
            // "Unknown" is better than nothing, and worse than anything else.
            None if self.sex_code.is_some() => None,
            _ => newer(&self.sex_code, &incoming.sex_code),
        };
        let id_no = match (number_of(self), number_of(incoming)) {
            // The same number written otherwise, or a wrong one after a right one: nothing new.
            (Some(old), Some(new)) if old == new => None,
            (Some(_), None) => None,
            (None, Some(_)) => incoming.id_no.clone(),
            _ => newer(&self.id_no, &incoming.id_no),
        };
        let values = PatientFacts {
            name: newer(&self.name, &incoming.name),
            sex_code,
            birth_date: newer(&self.birth_date, &incoming.birth_date),
            id_no,
            card_no: newer(&self.card_no, &incoming.card_no),
        };
        // A name is written in many ways, and changes; who has the number decides whose it is.
        let contradictions = self.contradictions(incoming).into_iter().filter(|field| *field != "name").collect();
        Addition { values, contradictions }
    }

    /// Names of the fields in which the two cannot be one person: name, sex, birth date, identity number.
    pub fn contradictions(&self, other: &Self) -> Vec<&'static str> {
        let mut fields = Vec::new();
        if !self.names().is_empty() && !other.names().is_empty() && !self.shares_name(other) {
            fields.push("name");
        }
        if differ(sex_of(self), sex_of(other)) {
            fields.push("sex_code");
        }
        if differ(self.birth_date.as_ref(), other.birth_date.as_ref()) {
            fields.push("birth_date");
        }
        if differ(number_of(self), number_of(other)) {
            fields.push("id_no");
        }
        fields
    }

    /// Whether both have a name and one is the same: groups of DICOM names, width, case and blanks do not count.
    pub fn shares_name(&self, other: &Self) -> bool {
        let others = other.names();
        self.names().iter().any(|name| others.contains(name))
    }

    fn names(&self) -> Vec<String> {
        let keys = query::search_keys(self.name.as_deref().unwrap_or_default());
        keys.into_iter().map(|key| key.replace(['^', ' ', '·'], "")).filter(|key| !key.is_empty()).collect()
    }

    /// The 18 characters of the identity number, when it is valid.
    pub fn id_no_key(&self) -> Option<String> {
        number_of(self)
    }

    /// The same, when birth date and sex do not contradict it: only such a number links (D-R35).
    pub fn trusted_id_no(&self) -> Option<String> {
        let number = IdNo::parse(self.id_no.as_deref()?)?;
        let sex = sex_of(self).is_none_or(|sex| sex == number.sex());
        let birth = self.birth_date.as_ref().is_none_or(|date| date == number.birth_date());
        (sex && birth).then(|| number_of(self)).flatten()
    }
}

fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

fn sex_of(facts: &PatientFacts) -> Option<Sex> {
    facts.sex_code.as_deref().and_then(Sex::parse).filter(|sex| matches!(sex, Sex::Male | Sex::Female))
}

fn number_of(facts: &PatientFacts) -> Option<String> {
    let number = IdNo::parse(facts.id_no.as_deref()?)?;
    // The new form of an old number, so that both are found by one key.
    number.spellings().into_iter().find(|spelling| spelling.len() == 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(name: &str, sex: &str, birth: &str, id_no: &str) -> PatientFacts {
        PatientFacts::of(name, sex, birth, id_no, "")
    }

    const ID: &str = "990101199001010019";

    #[test]
    fn d_r29_an_empty_value_never_replaces_and_a_newer_one_does() {
        let known = PatientFacts::of("测试甲", "1", "1990-01-01", ID, "C01");
        assert!(known.absorb(&PatientFacts::default(), Age::Newer).is_empty());

        let renamed = PatientFacts { name: Some("测试乙".to_owned()), ..PatientFacts::default() };
        assert_eq!(known.absorb(&renamed, Age::Newer).values.name.as_deref(), Some("测试乙"));
        assert_eq!(known.absorb(&renamed, Age::Older).values.name, None);
        assert!(known.absorb(&renamed, Age::Newer).contradictions.is_empty());
    }

    #[test]
    fn d_r29_an_older_report_fills_what_is_empty() {
        let known = patient("测试甲", "", "", "");
        let added = known.absorb(&patient("测试乙", "1", "1990-01-01", ID), Age::Older);
        assert_eq!(added.values, patient("", "1", "1990-01-01", ID));
    }

    #[test]
    fn d_r29_sex_birth_and_number_that_contradict_are_told_by_name_only() {
        let known = patient("测试甲", "1", "1990-01-01", ID);
        let added = known.absorb(&patient("测试甲", "2", "1990-01-02", "990101199001020022"), Age::Newer);
        assert_eq!(added.contradictions[..2], ["sex_code", "birth_date"]);
        assert!(!format!("{known:?} {added:?}").contains("1990"));
    }

    #[test]
    fn unknown_sex_and_an_invalid_number_neither_replace_nor_contradict() {
        let known = patient("测试甲", "1", "", ID);
        let added = known.absorb(&patient("测试甲", "9", "", "990101199001010018"), Age::Newer);
        assert!(added.is_empty(), "{added:?}");
    }

    #[test]
    fn a_date_with_its_time_is_the_same_date() {
        assert_eq!(patient("", "", "1990-01-01 00:00:00", ""), patient("", "", "1990-01-01", ""));
    }

    #[test]
    fn old_and_new_form_of_a_number_have_one_key_and_do_not_contradict() {
        let (old, new) = (patient("", "", "", "990101900101001"), patient("", "", "", ID));
        assert_eq!(old.id_no_key(), new.id_no_key());
        assert!(old.contradictions(&new).is_empty());
        assert!(new.absorb(&old, Age::Newer).is_empty());
    }

    #[test]
    fn d_r35_a_number_that_contradicts_birth_or_sex_does_not_link() {
        assert_eq!(patient("", "1", "1990-01-01", ID).trusted_id_no().as_deref(), Some(ID));
        assert_eq!(patient("", "2", "1990-01-01", ID).trusted_id_no(), None);
        assert_eq!(patient("", "1", "1991-01-01", ID).trusted_id_no(), None);
        assert_eq!(patient("", "", "", "C01").trusted_id_no(), None);
    }

    #[test]
    fn names_of_images_and_reports_meet_in_any_group() {
        let image = PatientFacts::of_image("Ce Shi^Jia=测试^甲", "M", "19900101", "P1");
        assert!(image.shares_name(&patient("测试甲", "", "", "")));
        assert!(image.shares_name(&patient("ＣＥ　ＳＨＩ ＪＩＡ", "", "", "")));
        assert_eq!(image.contradictions(&patient("测试乙", "2", "1990-01-02", "")), ["name", "sex_code", "birth_date"]);
        assert_eq!(PatientFacts::of_image("", "", "1990", ID), patient("", "", "", ID));
    }
}
