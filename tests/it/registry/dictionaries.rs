//! Dictionaries take effect at registration, without a restart (RD-26, D-R16).

use yingku::domain::Actor;
use yingku::domain::dictionary::{Entry, MODALITY, listed};

use super::{Service, exam};
use crate::each_database;

each_database! {
    async fn d_r16_an_imported_alias_makes_the_modality_at_once(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("class_code", "本院磁共振室")])).await;
        assert_eq!(service.row("SELECT modality FROM exam_report").await.text("modality").unwrap(), "");
        let entry = Entry { code: "MR".into(), meaning: "磁共振".into(), aliases: listed("本院磁共振室") };

        let imported = vec![(MODALITY.to_owned(), vec![entry])];
        service.archive.import_dictionaries(Actor::system("test"), imported).await.unwrap();
        service.register(&exam(&[("class_code", "本院磁共振室"), ("conclusion", "结论二")])).await;

        assert_eq!(service.row("SELECT modality FROM exam_report").await.text("modality").unwrap(), "MR");
        assert_eq!(service.row("SELECT class_code FROM exam_report").await.text("class_code").unwrap(), "本院磁共振室");
    }

    async fn words_for_event_type_and_sex_become_their_codes(database: TestDatabase) {
        let service = Service::start(database).await;

        service.register(&exam(&[("event_type", "住院"), ("sex_code", "男性")])).await;

        let row = service.row("SELECT event_type, sex_code FROM exam_report").await;
        assert_eq!((row.text("event_type").unwrap(), row.text("sex_code").unwrap()), ("2".into(), "1".into()));
    }

    async fn another_process_takes_a_change_over_when_it_looks(database: TestDatabase) {
        let service = Service::start(database).await;
        assert!(!service.archive.refresh_dictionaries().await.unwrap());
        let sql = "UPDATE dictionary_version SET version = version + 1";
        let insert = "INSERT INTO dictionary_entry (dictionary, code, meaning, aliases, position) \
                      VALUES ('recognition', '3', '全国HR', '', 0)";
        service.index.write(move |tx| Box::pin(async move {
            tx.execute(insert, Vec::new()).await?;
            tx.execute(sql, Vec::new()).await
        })).await.unwrap();

        assert!(service.archive.refresh_dictionaries().await.unwrap());

        let entry = service.archive.dictionaries().find("recognition", "3").cloned();
        assert_eq!(entry.map(|entry| entry.meaning), Some("全国HR".to_owned()));
    }
}
