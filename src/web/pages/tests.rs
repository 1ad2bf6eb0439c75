//! Every page renders from its sample, and nothing that a hospital sends comes out unescaped.

use askama::Template;

use super::exam_page::{Content, ExamPage};
use super::list_page::ListPage;
use super::qr::QrPage;
use super::trend_page::TrendPage;
use crate::web::error_page::MessagePage;
use crate::web::words::Language;

/// Text that would begin an element, an attribute or a script if it were not escaped.
const EVIL: &str = "\"'><x-evil onload=alert(1)>{{7*7}}</x-evil>&lt;";

#[test]
fn every_page_renders_from_its_sample() {
    let mut texts = vec![
        ListPage::sample().render().unwrap(),
        QrPage::sample(Language::Chinese).render().unwrap(),
        MessagePage::new("", "未找到检查", "没有找到。").render().unwrap(),
    ];
    texts.push(TrendPage::sample("白细胞").render().unwrap());
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
    let mut texts = vec![list.render().unwrap(), TrendPage::sample(EVIL).render().unwrap()];
    texts.extend(ExamPage::samples(EVIL).iter().map(|page| page.render().unwrap()));
    for text in texts {
        assert!(text.contains("x-evil"), "the text is shown");
        assert!(!text.contains("<x-evil"), "no element begins");
        assert!(!text.contains("\"'><"), "no attribute ends");
    }
}

#[test]
fn on_paper_a_table_of_results_loses_the_way_to_the_trend_and_no_other_column() {
    let css = include_str!("../../../web/pages/pages.css");
    let paper = css.split("@media print").nth(1).unwrap();
    assert!(paper.contains(".lab .trend") && !paper.contains("-child"), "columns are left out by name: {paper}");
    let is_lab = |page: &ExamPage| matches!(page.content, Content::Lab(_));
    let mut page = ExamPage::samples("甲").into_iter().find(is_lab).unwrap();
    let earlier = page.render().unwrap();
    page.aside.shown = None;
    let present = page.render().unwrap();
    let trend = TrendPage::sample("甲").render().unwrap();
    for (text, columns, trends) in [(earlier, 6, 0), (present, 7, 1), (trend, 6, 0)] {
        assert_eq!(text.matches("<th scope=\"col\"").count(), columns, "{text}");
        assert_eq!(text.matches("<th scope=\"col\" class=\"trend\"").count(), trends, "{text}");
    }
}

#[test]
fn every_tab_has_a_sample() {
    let samples = ExamPage::samples("甲");
    let kinds: std::collections::HashSet<_> = samples.iter().map(|p| std::mem::discriminant(&p.content)).collect();
    assert_eq!(kinds.len(), 10);
    assert!(samples.iter().any(|page| matches!(page.content, Content::Nothing)));
}

#[test]
fn in_english_no_word_of_ours_is_left_in_chinese() {
    let is_chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let mut list = ListPage::sample();
    list.rows.clear();
    list.search = Default::default();
    list.shell.user = String::new();
    list.shell.language = Language::English;
    let mut texts = vec![list.render().unwrap(), QrPage::sample(Language::English).render().unwrap()];
    for mut page in ExamPage::samples("Test") {
        page.shell.user = String::new();
        page.shell.language = Language::English;
        page.header.name = "Test".to_owned();
        page.aside.shown = None;
        texts.push(page.render().unwrap());
    }
    for text in texts {
        let text = text.replace("中文", "");
        let left: Vec<&str> = text.split(['<', '>', '"']).filter(|part| part.contains(is_chinese)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
