//! How far walks over stored rows have come.

use yingku::index::restamps::{self, Restamp};
use yingku::index::{Error, Index};

use crate::each_database;

async fn begin(index: &Index) {
    let begun = index.write(|tx| Box::pin(async move { restamps::begin(tx, "policy", "", 1, None).await }));
    begun.await.unwrap();
}

async fn advance(index: &Index, walk: Restamp, from: i64) -> bool {
    let noted = index.write(move |tx| Box::pin(async move { restamps::advance(tx, &walk, from).await }));
    noted.await.unwrap_or_else(|error: Error| panic!("{error}"))
}

each_database! {
    async fn a_walk_that_was_begun_again_meanwhile_leaves_nothing_out(database: TestDatabase) {
        let index = database.open().await;
        begin(&index).await;
        let mut walk = restamps::get(&index).await.unwrap().unwrap();
        (walk.after_id, walk.stamped) = (500, 7);
        assert!(advance(&index, walk.clone(), 0).await);

        begin(&index).await;
        walk.after_id = 900;
        assert!(!advance(&index, walk, 500).await, "it is not there any more");

        let now = restamps::get(&index).await.unwrap().unwrap();
        assert_eq!((now.after_id, now.stamped), (0, 0));
    }
}
