//! The lists of the signed pages, as `list_exams` asks for them.

use yingku::domain::criteria::{Criteria, Key, Span};
use yingku::domain::scope::{Filter, Order, Paging, Scope, SortBy};
use yingku::index::{Index, exam_pages};

use super::{names, time};

/// Entries of one part of a list, and one more that tells whether more follow.
const PART: i64 = 51;
const TARGET_MS: Option<f64> = Some(50.0);

pub async fn measure(index: &Index, studies: u64, rounds: u64) {
    let find = async |scope: Scope, filter: Filter, paging: Paging| {
        exam_pages::find(index, &scope, &filter, &paging).await.unwrap().len()
    };
    let newest = || Paging { by: SortBy::Observed, order: Order::Newest, after: None, limit: PART };
    let ask = async |n| find(of_patient(n, Key::PatientId), Filter::default(), newest()).await;
    time("list of a patient", TARGET_MS, studies, rounds, ask).await;
    let ask = async |n| find(of_patient(n, Key::Accession), Filter::default(), newest()).await;
    time("list of an accession", TARGET_MS, studies, rounds, ask).await;
    let ask = async |n| {
        let uid = format!("0{}", &names::observation_uid(n - n % 10 + 1)[1..]);
        exam_pages::get(index, &everything(), &uid).await.unwrap().iter().count()
    };
    time("one exam", Some(5.0), studies, rounds, ask).await;
    let ask = async |_| find(everything(), Filter::default(), newest()).await;
    time("list, newest", TARGET_MS, studies, rounds, ask).await;
    let ask = async |_| find(everything(), Filter::default(), Paging { order: Order::Oldest, ..newest() }).await;
    time("list, oldest", TARGET_MS, studies, rounds, ask).await;
    let ask = async |n| {
        let after = Some((day(n, studies), names::observation_uid(n)));
        find(everything(), Filter::default(), Paging { after, ..newest() }).await
    };
    time("list, deep page", TARGET_MS, studies, rounds, ask).await;
    let ask = async |_| find(Scope { organizations: None, ..everything() }, Filter::default(), newest()).await;
    time("list, all organisations", TARGET_MS, studies, rounds, ask).await;
    let ask = async |n| {
        let observed = Span { from: day(n, studies), to: day(n + studies / 120, studies) };
        let filter = Filter { observed, types: vec!["CT".to_owned()], ..Filter::default() };
        find(everything(), filter, newest()).await
    };
    time("list, month, CT", TARGET_MS, studies, rounds, ask).await;
    let ask = async |n| {
        let filter = Filter { name: names::name(n), ..Filter::default() };
        find(everything(), filter, newest()).await
    };
    time("list, name", TARGET_MS, studies, rounds, ask).await;
    let ask = async |n| {
        let filter = Filter { accession: names::accession_number(n), ..Filter::default() };
        find(everything(), filter, newest()).await
    };
    time("list, number", TARGET_MS, studies, rounds, ask).await;
}

/// What a link about one patient opens.
fn of_patient(study: u64, key: Key) -> Scope {
    let value = if key == Key::Accession { names::accession_number(study) } else { names::patient_id(study) };
    let criteria = Criteria { all_of: vec![(key, value)], ..Criteria::default() };
    Scope { criteria, free_search: false, ..everything() }
}

/// What a link of the hospital's own staff opens.
fn everything() -> Scope {
    Scope {
        free_search: true,
        organizations: Some(vec![names::ORGANIZATION.to_owned()]),
        home: names::ORGANIZATION.to_owned(),
        unreviewed: true,
        ..Scope::default()
    }
}

fn day(study: u64, studies: u64) -> String {
    let date = names::date(study.min(studies - 1), studies);
    format!("{}-{}-{} 10:30:00", &date[..4], &date[4..6], &date[6..])
}
