use super::*;

fn query(level: Level, keys: &[(u32, &str)]) -> Query {
    let mut query = Query::new(level);
    for (tag, value) in keys {
        assert_eq!(query.add_key(*tag, value), Ok(KeySupport::Matched), "{value}");
    }
    query
}

fn study_accepts(keys: &[(u32, &str)], values: &[(u32, &str)]) -> bool {
    accepts(&query(Level::Study, keys), values)
}

fn accepts(query: &Query, values: &[(u32, &str)]) -> bool {
    query.accepts(|tag| values.iter().find(|(of, _)| *of == tag).map(|(_, value)| *value))
}

#[test]
fn the_attributes_are_sorted_for_the_search() {
    assert!(Attribute::all().is_sorted_by_key(|attribute| attribute.tag));
}

#[test]
fn each_kind_of_matching_decides() {
    use tag::*;
    let table = [
        (ACCESSION_NUMBER, "A1", "A1", true),
        (ACCESSION_NUMBER, "A1 ", "A1", true),
        (ACCESSION_NUMBER, "a1", "A1", false),
        (ACCESSION_NUMBER, "A*", "A1", true),
        (ACCESSION_NUMBER, "A?", "A12", false),
        (ACCESSION_NUMBER, "A1\\B2", "B2", true),
        (ACCESSION_NUMBER, "", "", true),
        (ACCESSION_NUMBER, "*", "", true),
        (ACCESSION_NUMBER, "A*", "", false),
        (ACCESSION_NUMBER, "A%", "A1", false),
        (STUDY_INSTANCE_UID, "2.25.1\\2.25.2", "2.25.2", true),
        (STUDY_INSTANCE_UID, "2.25.1\\2.25.2", "2.25.3", false),
        (STUDY_DATE, "20240301", "20240301", true),
        (STUDY_DATE, "2024.03.01", "20240301", true),
        (STUDY_DATE, "20240301-20240331", "20240331", true),
        (STUDY_DATE, "-20240331", "20240401", false),
        (STUDY_DATE, "20240301-", "20250101", true),
        (STUDY_DATE, "20240301-", "", false),
        (STUDY_TIME, "10-12", "125959", true),
        (STUDY_TIME, "10-12", "130000", false),
        (STUDY_TIME, "1446", "144606.5", true),
        (STUDY_TIME, "14:46:06", "144606", true),
        (STUDY_TIME, "1000-", "nonsense", false),
        (PATIENT_NAME, "WANG^xiao*", "Wang^Xiaoming", true),
        (PATIENT_NAME, "ＷＡＮＧ*", "Wang^Xiaoming", true),
        (PATIENT_NAME, "王*", "Wang^Xiaoming=王^小明", true),
        (PATIENT_NAME, "Wang^Xiaoming=王^小红", "Wang^Xiaoming=王^小明", false),
        (PATIENT_NAME, "Wang^Xiaoming=王^小明", "Wang^Xiaoming", true),
        (PATIENT_NAME, "Wang", "Wang^Xiaoming", false),
        (PATIENT_NAME, "Wang^Xiaoming^^", "Wang^Xiaoming", true),
        (PATIENT_NAME, "*小明", "Wang^Xiaoming=王^小明", true),
    ];
    for (tag, asked, stored, expected) in table {
        assert_eq!(study_accepts(&[(tag, asked)], &[(tag, stored)]), expected, "{asked} {stored}");
    }
}

#[test]
fn empty_values_and_lists_of_any_kind_match_when_they_are_asked_for() {
    use tag::*;
    let asking = |key: (u32, &str)| {
        let query = Query::new(Level::Series).with_empty_values(EmptyValueMatching::Empty);
        let mut query = query.with_multiple_values(MultipleValueMatching::Any);
        query.add_key(key.0, key.1).map(|_| query)
    };
    for (tag, asked, stored, expected) in [
        (ACCESSION_NUMBER, "\"\"", "", true),
        (ACCESSION_NUMBER, "\"\"", "A1", false),
        (ACCESSION_NUMBER, "\"\"\\A1", "", true),
        (ACCESSION_NUMBER, "\"\"\\A1", "A1", true),
        (ACCESSION_NUMBER, "\"\"\\A1", "A2", false),
        (ACCESSION_NUMBER, "A1\\B*", "B7", true),
        (ACCESSION_NUMBER, "A1\\B*", "A12", false),
        (ACCESSION_NUMBER, "A1\\*", "", true),
        (PATIENT_NAME, "\"\"", "", true),
        (PATIENT_NAME, "Wang*\\Li^B", "li^b", true),
        (PATIENT_NAME, "Wang*\\Li^B", "Li^C", false),
        (STUDY_DATE, "\"\"", "20240301", false),
        (STUDY_DATE, "20240301\\20240305-20240306", "20240306", true),
        (STUDY_DATE, "20240301\\20240305-20240306", "20240302", false),
        (SERIES_NUMBER, "\"\"", "", true),
        (SERIES_NUMBER, "1\\3", "3", true),
        (SERIES_NUMBER, "1\\3", "2", false),
    ] {
        let query = asking((tag, asked)).unwrap();
        assert_eq!(accepts(&query, &[(tag, stored)]), expected, "{asked} {stored}");
    }
    for (tag, asked) in [(STUDY_INSTANCE_UID, "\"\""), (MODALITIES_IN_STUDY, "\"\""), (STUDY_DATE, "20240301\\x")] {
        assert_eq!(asking((tag, asked)).err(), Some(QueryError::InvalidValue(tag)), "{asked}");
    }
    let long = ["A*"; 101].join("\\");
    assert_eq!(asking((ACCESSION_NUMBER, long.as_str())).err(), Some(QueryError::TooLong(ACCESSION_NUMBER)));
    // Plain texts keep their index.
    let texts = asking((ACCESSION_NUMBER, "A1\\A2")).unwrap();
    let list = Matching::OneOf(vec!["A1".to_owned(), "A2".to_owned()]);
    assert_eq!(texts.condition(ACCESSION_NUMBER), Some(&list));
    // Nobody asked: two quotes are a text.
    assert!(study_accepts(&[(ACCESSION_NUMBER, "\"\"")], &[(ACCESSION_NUMBER, "\"\"")]));
    assert!(!study_accepts(&[(ACCESSION_NUMBER, "\"\"")], &[(ACCESSION_NUMBER, "")]));
}

#[test]
fn a_date_and_a_time_make_one_range_when_combined() {
    use tag::{STUDY_DATE, STUDY_TIME};
    let keys = [(STUDY_DATE, "20240301-20240303"), (STUDY_TIME, "2200-0600")];
    let separate = query(Level::Study, &keys);
    let combined = query(Level::Study, &keys).with_date_time(DateTimeMatching::Combined);
    for (date, time, expected) in [
        ("20240301", "2159", false),
        ("20240301", "2200", true),
        ("20240302", "1200", true),
        ("20240303", "060030", true),
        ("20240303", "0601", false),
        ("20240304", "0000", false),
        ("20240301", "", true),
        ("", "2200", false),
    ] {
        let values = [(STUDY_DATE, date), (STUDY_TIME, time)];
        assert_eq!(accepts(&combined, &values), expected, "{date} {time}");
    }
    assert!(!accepts(&separate, &[(STUDY_DATE, "20240302"), (STUDY_TIME, "1200")]));
}

#[test]
fn values_that_do_not_fit_are_errors_and_unknown_keys_are_not() {
    let mut query = Query::new(Level::Study);
    for (tag, value) in [
        (tag::STUDY_DATE, "2024"),
        (tag::STUDY_DATE, "-"),
        (tag::STUDY_TIME, "1"),
        (tag::STUDY_INSTANCE_UID, "1.2.*"),
        (tag::STUDY_INSTANCE_UID, "' OR 1=1"),
        (tag::STUDY_DATE, "20240101\\20240102"),
        (tag::STUDY_TIME, "10\\12"),
        (tag::PATIENT_NAME, "Wang^A\\Li^B"),
    ] {
        assert_eq!(query.add_key(tag, value), Err(QueryError::InvalidValue(tag)), "{value}");
    }
    let mut of_images = Query::new(Level::Instance).with_names(NameMatching::Fuzzy);
    for tag in [tag::SERIES_NUMBER, tag::INSTANCE_NUMBER, tag::ROWS, tag::PATIENT_NAME] {
        assert_eq!(of_images.add_key(tag, "1\\2"), Err(QueryError::InvalidValue(tag)), "{tag:08X}");
    }
    assert_eq!(of_images.add_key(tag::ROWS, "512\\"), Ok(KeySupport::Matched), "an empty value is none");
    assert_eq!(of_images.add_key(tag::PATIENT_NAME, "*\\*"), Ok(KeySupport::Matched), "everything matches everything");
    let long = "x".repeat(2000);
    assert_eq!(query.add_key(tag::STUDY_ID, &long), Err(QueryError::TooLong(tag::STUDY_ID)));
    assert_eq!(query.add_key(0x0009_1001, "x"), Ok(KeySupport::Unsupported));
    assert_eq!(query.add_key(tag::MODALITY, "CT"), Ok(KeySupport::Unsupported));
    assert_eq!(query.add_key(tag::NUMBER_OF_STUDY_RELATED_SERIES, "3"), Ok(KeySupport::Returned));
    assert!(query.conditions().is_empty());
}

#[test]
fn keys_in_a_sequence_must_fit_one_item_together() {
    let (step, procedure) = (tag::SCHEDULED_PROCEDURE_STEP_ID, tag::REQUESTED_PROCEDURE_ID);
    let mut query = Query::new(Level::Series);
    assert_eq!(query.add_key(step, "S1"), Ok(KeySupport::Unsupported), "it is known in the sequence only");
    let sequence = tag::REQUEST_ATTRIBUTES_SEQUENCE;
    assert_eq!(query.add_nested_key(sequence, step, "S?"), Ok(KeySupport::Matched));
    assert_eq!(query.add_nested_key(sequence, procedure, "P1"), Ok(KeySupport::Matched));
    assert_eq!(query.add_nested_key(sequence, tag::MODALITY, "CT"), Ok(KeySupport::Unsupported));
    let fits = |item: [&'static str; 2]| query.accepts_item(move |tag| if tag == step { item[0] } else { item[1] });
    assert!(fits(["S1", "P1"]) && fits(["S2", "P1"]));
    assert!(!fits(["S1", "P2"]) && !fits(["S11", "P1"]) && !fits(["", "P1"]));
    assert!(query.accepts(|_| None), "items are not the row's own values");
}

#[test]
fn a_wildcard_is_matched_without_trying_everything() {
    let pattern = Pattern::new(&"a*".repeat(400));
    assert!(!pattern.matches(&"b".repeat(100_000)));
    assert!(pattern.matches(&"a".repeat(1000)));
    assert!(Pattern::new("**a**?").matches("xaay"));
    assert!(!Pattern::new("?").matches(""));
    assert_eq!(Pattern::new("王*").prefix(), "王");
}

proptest::proptest! {
    #[test]
    fn any_text_in_any_key_is_read_or_refused(value: String, stored: String) {
        for attribute in Attribute::all() {
            let mut query = Query::new(Level::Instance);
            if query.add_key(attribute.tag, &value).is_ok() {
                query.accepts(|_| Some(stored.as_str()));
            }
        }
    }
}
