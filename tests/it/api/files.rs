//! The report file: copies, ranges, tags.

use super::world::{REGION, World, exam};
use crate::each_database;
use crate::files::pdf;
use crate::files::server::ReportServer;

async fn with_file(world: &World, server: &ReportServer) -> String {
    world.register(&[exam(&[("reportfilepath", &server.url("/report.pdf"))])]).await;
    world.fetch_file("EX0001").await;
    let list = world.found(REGION, "/api/v1/reports?card_no=C00000001").await;
    let file = &list["reports"][0]["file"];
    assert_eq!(file["media_type"], "application/pdf");
    file["url"].as_str().unwrap().strip_prefix(&format!("http://{}", world.address)).unwrap().to_owned()
}

each_database! {
    async fn both_copies_are_given_whole(database: TestDatabase) {
        let (world, server) = (World::start(database).await, ReportServer::start().await);
        let path = with_file(&world, &server).await;

        let original = world.get(REGION, &format!("{path}?copy=original")).await;
        let stamped = world.get(REGION, &path).await;

        assert_eq!((original.status, original.header("content-type")), (200, "application/pdf"));
        assert_eq!(original.body, pdf::report());
        assert!(stamped.body.len() > original.body.len() && stamped.body.starts_with(&original.body));
        assert_ne!(original.header("etag"), stamped.header("etag"));
        assert!(stamped.header("content-disposition").contains("report-1-stamped.pdf"));
        assert_eq!(world.refused(REGION, &format!("{path}?copy=paper")).await, (400, "E4006".to_owned()));
        assert_eq!(world.audits("pull_report_file").await.len(), 2);
    }

    async fn a_range_is_given_as_the_standard_says(database: TestDatabase) {
        let (world, server) = (World::start(database).await, ReportServer::start().await);
        let path = format!("{}?copy=original", with_file(&world, &server).await);
        let whole = pdf::report();
        let tag = world.get(REGION, &path).await.header("etag").to_owned();
        let ask = async |range: &str, if_range: &str| {
            let mut request = world.request(REGION, &path).header("range", range);
            if !if_range.is_empty() {
                request = request.header("if-range", if_range);
            }
            world.send(request).await
        };

        let part = ask("bytes=10-19", "").await;
        assert_eq!((part.status, &part.body[..]), (206, &whole[10..20]));
        assert_eq!(part.header("content-range"), format!("bytes 10-19/{}", whole.len()));
        let rest = ask("bytes=100-", &tag).await;
        assert_eq!((rest.status, &rest.body[..]), (206, &whole[100..]));
        assert_eq!(ask("bytes=100-", "\"another\"").await.body, whole, "of another content nothing fits");
        assert_eq!(ask(&format!("bytes={}-", whole.len()), "").await.status, 416);
        let known = world.send(world.request(REGION, &path).header("if-none-match", &tag)).await;
        assert_eq!((known.status, known.body.len()), (304, 0));
        let url = format!("http://{}{path}", world.address);
        let head = world.send(reqwest::Client::new().head(url).bearer_auth(REGION)).await;
        assert_eq!((head.status, head.header("content-length")), (200, whole.len().to_string().as_str()));
        assert_eq!(head.body.len(), 0);
    }
}
