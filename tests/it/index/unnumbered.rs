//! Series and instances without a number stand behind those that have one, on both engines.

use yingku::domain::scope::{Filter, Order, Paging, SortBy};
use yingku::index::exam_pages::{self, Content};
use yingku::index::find::{Confidentiality, Readable};
use yingku::index::instances;
use yingku::index::retrieval::{self, RetrieveKeys};
use yingku::index::{Index, exam_details};
use yingku::params;

use super::arrivals::instance;
use super::exam_lists::whole;
use crate::each_database;

const PLAIN: &str = "1.2.840.10008.1.2.1";
const VIDEO: &str = "1.2.840.10008.1.2.4.102";

/// In the order of their arrival: the number of the series, that of the instance, the transfer syntax.
const ARRIVED: [(Option<i64>, Option<i64>, &str); 6] = [
    (None, Some(1), PLAIN),
    (Some(2), None, PLAIN),
    (Some(2), Some(5), PLAIN),
    (Some(1), None, VIDEO),
    (Some(1), Some(2), PLAIN),
    (Some(1), Some(1), PLAIN),
];

async fn pk_of(index: &Index, uid: &str) -> i64 {
    let sql = "SELECT id FROM instance WHERE sop_instance_uid = $1";
    index.query_opt(sql, params![uid]).await.unwrap().unwrap().int("id").unwrap()
}

each_database! {
    async fn what_has_no_number_comes_last(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        let write = index.write(move |tx| {
            Box::pin(async move {
                for (number, (of_series, of_instance, syntax)) in (0..).zip(ARRIVED) {
                    let mut new = instance(number);
                    new.study.study_date = "20240303".to_owned();
                    new.study.study_time = "080000".to_owned();
                    new.study.observation_uid = "uid-1".to_owned();
                    new.series.series_instance_uid = format!("2.25.1.{}", of_series.unwrap_or(9));
                    new.series.series_number = of_series;
                    new.instance.instance_number = of_instance;
                    new.instance.transfer_syntax_uid = syntax.to_owned();
                    let parents = instances::ensure_parents(tx, &ids, 0, &new).await?;
                    instances::insert(tx, ids.next(), 0, parents.series_pk, &new).await?;
                }
                Ok::<_, yingku::index::Error>(())
            })
        });
        write.await.unwrap();

        let readable = Readable { org_code: "ORG-T01".to_owned(), confidentiality: Confidentiality::Everything };
        let keys = RetrieveKeys { study_instance_uids: vec!["2.25.1".to_owned()], ..RetrieveKeys::default() };
        let found = retrieval::find(&index, &readable, &keys, 100).await.unwrap();
        let uids: Vec<&str> = found.iter().map(|instance| instance.sop_instance_uid.as_str()).collect();
        assert_eq!(uids, [5, 4, 3, 2, 1, 0].map(|number| format!("2.25.1.1.{number}")));

        let paging = Paging { by: SortBy::Observed, order: Order::Newest, after: None, limit: 10 };
        let entries = exam_pages::find(&index, &whole(None), &Filter::default(), &paging).await.unwrap();
        assert_eq!(entries.len(), 1);
        let series = exam_details::series_of(&index, &entries[0], 10).await.unwrap();
        let told: Vec<(Option<i64>, i64)> = series.iter().map(|row| (row.number, row.first_instance)).collect();
        let first = |number: u32| {
            let index = &index;
            async move { pk_of(index, &format!("2.25.1.1.{number}")).await }
        };
        assert_eq!(told, [(Some(1), first(5).await), (Some(2), first(2).await), (None, first(0).await)]);
        assert!(entries[0].contents.has(Content::Images));
        assert!(!entries[0].contents.has(Content::Videos), "told by the first of the series, which is a picture");
    }
}
