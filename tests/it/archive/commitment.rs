//! A request of storage commitment that is made again under its name is answered for its own list.

use yingku::archive::Archive;
use yingku::archive::peers::commit_storage::RequestCommitment;
use yingku::domain::Clock;
use yingku::domain::commitment::ReferencedInstance;
use yingku::index::commitments::{self, CommitmentState};
use yingku::index::{Error, Index};

use crate::each_database;
use crate::harness::dataset::CT_IMAGE;
use crate::harness::{TestDatabase, TestStore, archive};

/// All at one moment: requests of one millisecond differ too.
const NOW: i64 = 1_711_262_400_000;

async fn open(database: &TestDatabase, store: &TestStore) -> (Archive, Index) {
    let (index, ids) = database.open_with_ids().await;
    (archive::build(index.clone(), store.open(), Clock::fixed(NOW), ids), index)
}

/// Asks for instances that are not there, always under one name.
async fn ask(archive: &Archive, instances: usize) -> i64 {
    let of =
        |number| ReferencedInstance { sop_class_uid: CT_IMAGE.to_owned(), sop_instance_uid: format!("2.25.{number}") };
    let request = RequestCommitment {
        org_code: "ORG-T01".to_owned(),
        calling_ae_title: "PACS01".to_owned(),
        remote_addr: "127.0.0.1:104".to_owned(),
        transaction_uid: "2.25.4711".to_owned(),
        instances: (1..=instances).map(of).collect(),
    };
    archive.request_commitment(request).await.unwrap()
}

each_database! {
    async fn who_asks_anew_while_the_first_answer_is_sent_is_answered_for_the_new_list(database: TestDatabase) {
        let store = TestStore::folder();
        let (archive, _) = open(&database, &store).await;
        let id = ask(&archive, 1).await;
        let first = archive.check_commitment(id).await.unwrap().unwrap();
        assert_eq!(first.failed.len(), 1);

        assert_eq!(ask(&archive, 3).await, id);
        assert!(!archive.commitment_reported(id, first.checked_at).await.unwrap(), "that was another request");

        let second = archive.check_commitment(id).await.unwrap().expect("nobody was told of the new list");
        assert_eq!(second.failed.len(), 3);
        assert!(archive.commitment_reported(id, second.checked_at).await.unwrap());
        assert_eq!(archive.check_commitment(id).await.unwrap(), None);
    }

    async fn what_was_found_of_one_list_is_not_written_down_for_another(database: TestDatabase) {
        let store = TestStore::folder();
        let (archive, index) = open(&database, &store).await;
        let id = ask(&archive, 3).await;
        let first = commitments::get(&index, id).await.unwrap().unwrap();

        ask(&archive, 2).await;
        let late = index.write(move |tx| {
            Box::pin(async move {
                commitments::set_checked(tx, id, first.updated_at, NOW, &[(0, 0x0112), (2, 0x0112)]).await
            })
        });
        let late: Result<_, Error> = late.await;

        assert_eq!(late.unwrap(), None);
        let kept = commitments::get(&index, id).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.failures), (CommitmentState::Requested, Vec::new()));
        let second = archive.check_commitment(id).await.unwrap().unwrap();
        assert_eq!((second.failed.len(), second.committed.len()), (2, 0));
    }
}
