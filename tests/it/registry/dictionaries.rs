//! Dictionaries take effect at registration, without a restart (RD-26, D-R16).

use yingku::domain::Actor;
use yingku::domain::dictionary::{Entry, MODALITY, ORGANIZATION, listed};
use yingku::integrations::report_registry::Settings;

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

    async fn an_imported_organization_registers_at_once_and_is_called_by_its_name(database: TestDatabase) {
        let everybody = |settings: &mut Settings| settings.senders[0].organizations = vec!["*".into()];
        let service = Service::start_with(database, everybody).await;
        let of_another = exam(&[("org_code", "ORG-T77"), ("report_form_no", "EX0077")]);
        assert!(service.register(&of_another).await.contains("E1006"), "nobody knows it");
        assert_eq!(service.archive.organization_name("ORG-T77"), "ORG-T77");
        let entry = Entry { code: "ORG-T77".into(), meaning: "示例新院".into(), aliases: listed("org-t78") };

        let imported = vec![(ORGANIZATION.to_owned(), vec![entry])];
        service.archive.import_dictionaries(Actor::system("test"), imported).await.unwrap();

        assert!(service.register(&of_another).await.contains("stored"));
        assert_eq!(service.archive.organization_name("ORG-T77"), "示例新院");
        let by_alias = exam(&[("org_code", "org-t78"), ("report_form_no", "EX0078")]);
        assert!(service.register(&by_alias).await.contains("E1006"), "its code alone is its code");
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
