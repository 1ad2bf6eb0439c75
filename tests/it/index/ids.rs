//! Ids that need no round trip.

use std::collections::HashSet;

use yingku::index::Ids;
use yingku::params;

use crate::each_database;

each_database! {
    async fn ids_of_many_tasks_and_two_leases_never_meet(database: TestDatabase) {
        let (index, one) = database.open_with_ids().await;
        let two = Ids::lease(&index).await.unwrap();

        let mut makers = Vec::new();
        for ids in [one.clone(), one, two.clone(), two] {
            makers.push(tokio::task::spawn_blocking(move || (0..20_000).map(|_| ids.next()).collect::<Vec<_>>()));
        }
        let mut seen = HashSet::new();
        for maker in makers {
            let made = maker.await.unwrap();
            assert!(made.is_sorted(), "ids of one maker grow");
            seen.extend(made);
        }

        assert_eq!(seen.len(), 80_000);
    }

    async fn a_node_number_that_was_given_back_is_leased_again(database: TestDatabase) {
        let (index, first) = database.open_with_ids().await;
        let second = Ids::lease(&index).await.unwrap();
        first.release(&index).await.unwrap();

        let third = Ids::lease(&index).await.unwrap();

        let node = |id: i64| (id >> 12) & 1023;
        assert_eq!(node(third.next()), node(first.next()));
        assert_ne!(node(third.next()), node(second.next()));
    }

    async fn a_lease_that_has_ended_is_taken_over_and_a_renewed_one_is_not(database: TestDatabase) {
        let (index, first) = database.open_with_ids().await;
        let end = |index: yingku::index::Index| async move {
            index
                .write(|tx| Box::pin(async move { tx.execute("UPDATE node SET lease_until = 1", params![]).await }))
                .await
                .unwrap();
        };
        end(index.clone()).await;
        first.renew(&index).await.unwrap();
        let second = Ids::lease(&index).await.unwrap();
        end(index.clone()).await;
        let third = Ids::lease(&index).await.unwrap();

        let node = |id: i64| (id >> 12) & 1023;
        assert_ne!(node(second.next()), node(first.next()));
        assert_eq!(node(third.next()), node(first.next()), "the smallest free number");
    }
}
