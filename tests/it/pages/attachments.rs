//! Attachments of an exam on its page: shown by kind, sent with their type and by ranges, recorded (D-I14, D-P18).

use tiff::encoder::TiffEncoder;
use tiff::encoder::colortype::Gray8;
use yingku::archive::images::store_attachment::AttachmentOutcome;
use yingku::domain::attachment::{AttachmentKind, AttachmentType};
use yingku::domain::customer::{Customer, Permission};

use super::world::{Exam, World, customer, link};
use crate::files::pdf;

const ACCESSION: (&str, &str) = ("AccessionNumber", "A0001");

async fn attach(world: &World, kind: AttachmentKind, media_type: AttachmentType, bytes: &[u8]) -> AttachmentOutcome {
    world.attachment(kind, media_type, "<b>测试</b>", bytes).await
}

/// The address behind the first `src` or `href` that holds `/attachment/`.
fn address(page: &str) -> String {
    let at = page.find("/attachment/").expect("there is an attachment");
    let begin = page[..at].rfind('"').unwrap() + 1;
    page[begin..].split(['"', '?']).next().unwrap().to_owned()
}

#[tokio::test]
async fn scans_of_the_request_are_with_the_request_and_others_have_a_tab() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let jpeg = [&[0xFF, 0xD8, 0xFF][..], b"request"].concat();
    attach(&world, AttachmentKind::RequestForm, AttachmentType::Jpeg, &jpeg).await;
    attach(&world, AttachmentKind::Video, AttachmentType::Mp4, b"0000ftypisom").await;
    attach(&world, AttachmentKind::Ecg, AttachmentType::Xml, b"<AnnotatedECG/>").await;

    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    let request = world.get(&format!("{exam}?tab=request")).await.text();
    let others = world.get(&format!("{exam}?tab=attachments")).await;
    assert!(request.contains("申请单扫描件") && !request.contains("采集视频"));
    assert!(others.header("content-security-policy").contains("media-src 'self'"));
    let others = others.text();
    assert!(others.contains("<video controls") && others.contains("心电文件") && !others.contains("申请单扫描件"));
    assert!(others.contains("&#60;b&#62;") || others.contains("&lt;b&gt;"), "a title is text");

    let scan = world.get(&address(&request)).await;
    assert_eq!((scan.status, scan.header("content-type"), &scan.body[..]), (200, "image/jpeg", &jpeg[..]));
    assert!(scan.header("content-disposition").starts_with("inline"));
    world.get(&address(&request)).await;
    world.get(&format!("{}?download=1", address(&request))).await;
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'view_attachment'").await, 1);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'download_attachment'").await, 1);
}

#[tokio::test]
async fn a_film_is_sent_by_ranges_and_xml_never_as_a_page() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let film: Vec<u8> = [b"0000ftypisom".as_slice(), &[7; 1000]].concat();
    attach(&world, AttachmentKind::Video, AttachmentType::Mp4, &film).await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    let path = address(&world.get(&format!("{exam}?tab=attachments")).await.text());
    let url = format!("http://{}{path}", world.address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let part = client.get(&url).header("range", "bytes=4-11").send().await.unwrap();
    assert_eq!(part.status().as_u16(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 4-11/1012");
    assert_eq!(&part.bytes().await.unwrap()[..], b"ftypisom");
    let beyond = client.get(&url).header("range", "bytes=5000-").send().await.unwrap();
    assert_eq!((beyond.status().as_u16(), &beyond.headers()["content-range"]), (416, &"bytes */1012".parse().unwrap()));

    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    attach(&world, AttachmentKind::Ecg, AttachmentType::Xml, b"<x><script>1</script></x>").await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    let path = address(&world.get(&format!("{exam}?tab=attachments")).await.text());
    let answer = world.get(&path).await;
    assert!(answer.header("content-disposition").starts_with("attachment"));
    assert!(answer.header("content-security-policy").contains("sandbox"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'view_attachment'").await, 0);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'download_attachment'").await, 1);
}

#[tokio::test]
async fn what_no_page_shows_is_a_download_and_refused_where_there_are_none() {
    const JPEG: &str = "SELECT id AS n FROM attachment WHERE media_type = 'image/jpeg'";
    const XML: &str = "SELECT id AS n FROM attachment WHERE media_type = 'application/xml'";
    const PDF: &str = "SELECT id AS n FROM attachment WHERE media_type = 'application/pdf'";
    let world = World::for_customer(Customer { download: Permission::Denied, ..customer() }).await;
    world.exam(Exam::new(1)).await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    attach(&world, AttachmentKind::Ecg, AttachmentType::Jpeg, b"\xFF\xD8\xFFpicture").await;
    attach(&world, AttachmentKind::Ecg, AttachmentType::Xml, b"<AnnotatedECG/>").await;
    attach(&world, AttachmentKind::Report, AttachmentType::Pdf, &pdf::report()).await;
    for (sql, status) in [(JPEG, 200), (XML, 403), (PDF, 403)] {
        let pk = world.count(sql).await;
        assert_eq!(world.get(&format!("{exam}/attachment/{pk}")).await.status, status);
        assert_eq!(world.get(&format!("{exam}/attachment/{pk}?download=1")).await.status, 403);
    }
    let page = world.get(&format!("{exam}?tab=attachments")).await.text();
    assert!(!page.contains("download=1") && !page.contains("打开"), "{page}");
    // The pages of a PDF are looked at as pictures, of which each is one.
    let document = world.count(PDF).await;
    assert!(page.contains(&format!("src=\"{exam}/attachment/{document}/page/1.png\"")), "{page}");
    assert!(!page.contains("page/2.png"));
    let drawn = world.get(&format!("{exam}/attachment/{document}/page/1.png?e=400")).await;
    assert_eq!((drawn.status, drawn.header("content-type")), (200, "image/png"));
    assert!(image::load_from_memory(&drawn.body).unwrap().width() == 400);
    assert_eq!(world.get(&format!("{exam}/attachment/{document}/page/2.png")).await.status, 404);
    let jpeg = world.count(JPEG).await;
    assert_eq!(world.get(&format!("{exam}/attachment/{jpeg}/page/1.png")).await.status, 404, "it has no pages");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'view_attachment'").await, 2);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'download_attachment'").await, 0);
}

#[tokio::test]
async fn a_pdf_is_shown_page_by_page_and_opened_where_it_may_be_saved() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let bytes = pdf::report_of_pages(3);
    attach(&world, AttachmentKind::Report, AttachmentType::Pdf, &bytes).await;
    attach(&world, AttachmentKind::Report, AttachmentType::Pdf, b"%PDF-1.4 damaged").await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    let page = world.get(&format!("{exam}?tab=attachments")).await.text();
    assert_eq!((page.matches("/page/").count(), page.matches("打开").count()), (3, 2), "{page}");
    let third = page.split("src=\"").find(|rest| rest.contains("/page/3.png")).unwrap().split('"').next().unwrap();
    assert_eq!(world.get(third).await.status, 200);
    let file = world.get(third.trim_end_matches("/page/3.png")).await;
    assert_eq!((file.status, &file.body[..]), (200, &bytes[..]));
    assert!(file.header("content-disposition").starts_with("inline"));
}

/// A TIFF whose pages are 300 by 400 dots of these greys.
fn tiff(grays: &[u8]) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    {
        let mut encoder = TiffEncoder::new(&mut file).unwrap();
        for gray in grays {
            encoder.write_image::<Gray8>(300, 400, &vec![*gray; 300 * 400]).unwrap();
        }
    }
    file.into_inner()
}

#[tokio::test]
async fn a_tiff_is_looked_at_page_by_page_also_where_it_may_not_be_saved() {
    const CONSENT: &str = "SELECT id AS n FROM attachment WHERE kind = 'consent'";
    let world = World::for_customer(Customer { download: Permission::Denied, ..customer() }).await;
    world.exam(Exam::new(1)).await;
    attach(&world, AttachmentKind::Consent, AttachmentType::Tiff, &tiff(&[60, 180])).await;
    attach(&world, AttachmentKind::RequestForm, AttachmentType::Tiff, &tiff(&[120])).await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    let page = world.get(&format!("{exam}?tab=attachments")).await.text();
    assert_eq!(page.matches("/page/").count(), 2, "{page}");
    assert!(!page.contains("download=1") && !page.contains("打开"), "{page}");
    let scan = format!("{exam}/attachment/{}", world.count(CONSENT).await);
    for (number, gray) in [(1, 60), (2, 180)] {
        let address = format!("{scan}/page/{number}.png");
        assert!(page.contains(&format!("src=\"{address}\"")), "{page}");
        let drawn = world.get(&format!("{address}?e=400")).await;
        assert_eq!((drawn.status, drawn.header("content-type")), (200, "image/png"));
        let picture = image::load_from_memory(&drawn.body).unwrap().to_luma8();
        assert_eq!(picture.width(), 400);
        // The dots lie in the middle at the top of white paper.
        assert!(picture.get_pixel(200, 100).0[0].abs_diff(gray) <= 2, "{number}: {:?}", picture.get_pixel(200, 100));
        assert!(picture.get_pixel(20, 100).0[0] > 250, "{number}");
    }
    assert_eq!(world.get(&format!("{scan}/page/3.png")).await.status, 404);
    assert_eq!(world.get(&format!("{scan}/page/0.png")).await.status, 404);
    assert_eq!(world.get(&scan).await.status, 403, "the file itself is taken along");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'view_attachment'").await, 1);
    let request = world.get(&format!("{exam}?tab=request")).await.text();
    assert_eq!(request.matches("/page/").count(), 1, "{request}");
}

#[tokio::test]
async fn a_tiff_that_cannot_be_drawn_is_a_download_still() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    attach(&world, AttachmentKind::Consent, AttachmentType::Tiff, b"II*\0 damaged").await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    let page = world.get(&format!("{exam}?tab=attachments")).await.text();
    assert!(!page.contains("/page/") && page.contains("download=1"), "{page}");
    let file = world.get(&address(&page)).await;
    assert_eq!((file.status, &file.body[..], file.header("content-type")), (200, &b"II*\0 damaged"[..], "image/tiff"));
}

#[tokio::test]
async fn what_a_session_may_not_see_it_cannot_fetch() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    world.exam(Exam::new(2)).await;
    attach(&world, AttachmentKind::Consent, AttachmentType::Jpeg, &[0xFF, 0xD8, 0xFF, 1]).await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    let path = address(&world.get(&format!("{exam}?tab=attachments")).await.text());

    let other = world.open("ClinicExam", &[("AccessionNumber", "A0002")]).await;
    let pk = path.rsplit('/').next().unwrap();
    assert_eq!(world.get(&format!("{other}/attachment/{pk}")).await.status, 404, "an attachment of another exam");
    assert_eq!(world.get(&format!("{exam}/attachment/x")).await.status, 404);

    // ShowType 3 is data alone, and a consent is none.
    let answer = world.get(&link("ClinicExam", &[ACCESSION, ("ShowType", "3")])).await;
    let data_only = answer.header("location").to_owned();
    assert!(!world.get(&data_only).await.text().contains("/attachment/"));
    assert_eq!(world.get(&format!("{data_only}/attachment/{pk}")).await.status, 404);
}

#[tokio::test]
async fn the_same_file_again_changes_nothing_and_an_ambiguous_number_links_nothing() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let jpeg = [0xFF, 0xD8, 0xFF, 9];
    assert_eq!(attach(&world, AttachmentKind::Capture, AttachmentType::Jpeg, &jpeg).await, AttachmentOutcome::Stored);
    assert_eq!(
        attach(&world, AttachmentKind::Capture, AttachmentType::Jpeg, &jpeg).await,
        AttachmentOutcome::Duplicate
    );
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM attachment WHERE state = 'linked'").await, 1);

    world.exam(Exam { pacs_id: "A0001".to_owned(), ..Exam::new(3) }).await;
    world.execute("UPDATE exam_report SET patient_id = 'P0009', patient_local_id = 'L0009' WHERE id = 3", vec![]).await;
    attach(&world, AttachmentKind::Capture, AttachmentType::Jpeg, &[0xFF, 0xD8, 0xFF, 10]).await;
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM attachment WHERE state = 'unlinked'").await, 1);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM exam_attachment").await, 1);
    let verified = world.archive.verify(yingku::archive::upkeep::verify::Depth::Content, |_| {}).await.unwrap();
    assert_eq!((verified.fault_count, verified.unnamed, verified.checked), (0, 0, 2));
}
