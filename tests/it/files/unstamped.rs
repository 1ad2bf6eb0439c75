//! Files that take no QR code: whoever pulls reports is told why, and so are those who look after the data (D-I9).

use yingku::archive::reports::measure_quality::QualityScope;
use yingku::domain::Actor;

use super::pdf;
use super::server::ReportServer;
use crate::api::containers::exam;
use crate::api::world::{NOW, REGION, World};
use crate::each_database;

each_database! {
    async fn d_i9_a_file_that_cannot_be_stamped_says_why_to_whoever_pulls_and_is_counted(database: TestDatabase) {
        let (world, server) = (World::start(database).await, ReportServer::start().await);
        let signed = pdf::report_with("", "/MediaBox [0 0 9 9] /X << /ByteRange [0 1 2 3] >>", "0 0 m");
        *server.book.changing.lock().unwrap() = signed;
        let named = [("SIGNED", server.url("/changing.pdf")), ("PLAIN", server.url("/report.pdf"))];
        for (number, address) in &named {
            world.register(&[exam(&[("report_form_no", number), ("reportfilepath", address)])]).await;
            world.fetch_file(number).await;
        }
        let file_of = async |number: &str| {
            let path = format!("/api/v1/reports?organization=ORG-T01&report_form_no={number}");
            world.found(REGION, &path).await["reports"][0]["file"].clone()
        };

        let (signed, plain) = (file_of("SIGNED").await, file_of("PLAIN").await);

        assert_eq!((&signed["stamped"], &signed["stamp_reason"]), (&false.into(), &"signed".into()), "{signed}");
        assert!(plain["stamped"] == true && plain.get("stamp_reason").is_none(), "{plain}");
        let document = world.found(REGION, "/fhir/DocumentReference").await.to_string();
        assert!(!document.contains("stamp_reason"), "{document}");
        let unstamped = world.archive.unstamped_files(Some("ORG-T01"), 10).await.unwrap();
        let told: Vec<_> = unstamped.iter().map(|file| (file.report_form_no.as_str(), file.reason.as_str())).collect();
        assert_eq!(told, [("SIGNED", "signed")]);
        let scope = QualityScope { from: NOW - 1000, to: NOW + 1000, organizations: None };
        let quality = world.archive.measure_quality(Actor::system("test"), scope).await.unwrap();
        let counted: Vec<_> = quality.organizations["ORG-T01"].unstamped.iter().collect();
        assert_eq!(counted, [(&"signed".to_owned(), &1)]);
    }
}
