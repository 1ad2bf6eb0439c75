//! Every page renders from its sample, and nothing that a hospital sends comes out unescaped.

use askama::Template;

use super::exam_page::{Content, ExamPage};
use super::list_page::ListPage;
use super::qr::QrPage;
use crate::web::error_page::MessagePage;

/// Text that would begin an element, an attribute or a script if it were not escaped.
const EVIL: &str = "\"'><x-evil onload=alert(1)>{{7*7}}</x-evil>&lt;";

#[test]
fn every_page_renders_from_its_sample() {
    let mut texts = vec![
        ListPage::sample().render().unwrap(),
        QrPage::sample().render().unwrap(),
        MessagePage::new("", "未找到检查", "没有找到。").render().unwrap(),
    ];
    texts.extend(ExamPage::samples("测试甲").iter().map(|page| page.render().unwrap()));
    for text in texts {
        assert!(text.starts_with("<!doctype html>") && text.trim_end().ends_with("</html>"));
        assert!(!text.contains(" style="), "the policy allows no inline style");
        assert!(!text.contains("javascript:") && !text.contains("<script>"), "the policy allows no inline script");
    }
}

#[test]
fn nothing_from_outside_comes_out_unescaped() {
    let mut list = ListPage::sample();
    list.search.name = EVIL.to_owned();
    list.rows[0].title = EVIL.to_owned();
    list.rows[0].accession = EVIL.to_owned();
    list.shell.user = EVIL.to_owned();
    let mut texts = vec![list.render().unwrap()];
    texts.extend(ExamPage::samples(EVIL).iter().map(|page| page.render().unwrap()));
    for text in texts {
        assert!(text.contains("x-evil"), "the text is shown");
        assert!(!text.contains("<x-evil"), "no element begins");
        assert!(!text.contains("\"'><"), "no attribute ends");
    }
}

#[test]
fn every_tab_has_a_sample() {
    let samples = ExamPage::samples("甲");
    let kinds: std::collections::HashSet<_> = samples.iter().map(|p| std::mem::discriminant(&p.content)).collect();
    assert_eq!(kinds.len(), 8);
    assert!(samples.iter().any(|page| matches!(page.content, Content::Nothing)));
}
