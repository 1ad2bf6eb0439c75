//! `/t/{session}/exam/{exam}`: one exam with its tabs (E.4; D-P18, D-P24, RD-20).

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::exam_page::{Content, ExamHeader, ExamPage, ReportTab, Tab, WaveformTab};
use super::extract::{Path, Query};
use super::images_tab::{ImagesTab, View};
use super::state::{Inner, PagesState, Peer, framed};
use super::text;
use crate::archive::pages::list_exams::EntryKind;
use crate::archive::pages::open_link::Session;
use crate::archive::pages::view_exam::{ExamView, SeriesRow, StampState};
use crate::archive::{Error, ReportFileState};
use crate::domain::criteria::ShowType;
use crate::web::error_page::html;

/// Shows the exam.
pub(super) async fn show(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam)): Path<(String, String)>,
    Query(view): Query<View>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let client = peer.ip().to_string();
    let found = match pages.archive.view_exam(&pages.viewer, &session, &client, &exam).await {
        Ok(found) => found,
        Err(error) => return pages.failed(&error),
    };
    let shell = pages.shell(&id, &session);
    let exam_root = format!("{}/exam/{}", shell.root, found.entry.observation_uid);
    let show_type = session.scope.show_type;
    let tabs = tabs_of(&found, show_type);
    let (current, notice) = choose(&tabs, &view.tab, show_type);
    let notice = notice.or_else(|| offline_notice(&found, current));
    let content = match content(&pages, &session, &found, current, &exam_root, &view).await {
        Ok(content) => content,
        Err(error) => return pages.failed(&error),
    };
    let page = ExamPage {
        header: ExamHeader::of(&found, pages.organization(&found.entry.org_code)),
        tabs: tabs.iter().map(|tab| tab.link(current)).collect(),
        notice,
        content,
        shell,
    };
    framed(html(StatusCode::OK, &page), &session)
}

/// The tabs that have something to show; with ShowType 3 no word of the report (D-P18).
fn tabs_of(found: &ExamView, show_type: ShowType) -> Vec<Tab> {
    let has = |kind: &str| found.series.iter().any(|series| series.kind == kind);
    let mut tabs = Vec::new();
    if show_type != ShowType::DataOnly {
        match found.entry.kind {
            EntryKind::Exam => tabs.extend([Tab::Report, Tab::Text]),
            EntryKind::Lab => tabs.extend([Tab::Lab, Tab::Report]),
            EntryKind::Study => {}
        }
    }
    if has("image") {
        tabs.push(Tab::Images);
    }
    if has("film") {
        tabs.push(Tab::Film);
    }
    if has("waveform") {
        tabs.push(Tab::Waveform);
    }
    if show_type != ShowType::DataOnly && found.entry.kind == EntryKind::Exam {
        tabs.push(Tab::Request);
    }
    if found.attachments.iter().any(|attachment| !attachment.kind.is_request()) {
        tabs.push(Tab::Attachments);
    }
    tabs
}

/// The tab that was asked for, else the one of ShowType, else the first that there is, with a notice (D-P18).
fn choose(tabs: &[Tab], asked: &str, show_type: ShowType) -> (Option<Tab>, Option<&'static str>) {
    if let Some(tab) = tabs.iter().find(|tab| tab.name() == asked) {
        return (Some(*tab), None);
    }
    let wanted: &[Tab] = match show_type {
        // Results are read more easily as a table than as a page.
        ShowType::Report => &[Tab::Lab, Tab::Report],
        ShowType::Text => &[Tab::Text, Tab::Lab],
        ShowType::Data | ShowType::DataOnly => &[Tab::Images, Tab::Waveform, Tab::Film, Tab::Attachments],
        ShowType::Request => &[Tab::Request],
    };
    match wanted.iter().find(|tab| tabs.contains(tab)) {
        Some(tab) => (Some(*tab), None),
        None => (tabs.first().copied(), Some("本检查没有所请求的内容，已显示其它可用内容。")),
    }
}

/// Says why pictures are missing whose bytes only an upstream archive has (RD-8).
fn offline_notice(found: &ExamView, tab: Option<Tab>) -> Option<&'static str> {
    let kind = match tab? {
        Tab::Images => "image",
        Tab::Film => "film",
        Tab::Waveform => "waveform",
        _ => return None,
    };
    let is_offline = |series: &SeriesRow| series.kind == kind && series.offline > 0;
    found.series.iter().any(is_offline).then_some("部分影像已上传至上级平台保存，本机不再保留，无法在此显示。")
}

async fn content(
    pages: &Inner,
    session: &Session,
    found: &ExamView,
    tab: Option<Tab>,
    exam_root: &str,
    view: &View,
) -> Result<Content, Error> {
    let of_kind = |kind: &str| found.series.iter().filter(|series| series.kind == kind).collect::<Vec<&SeriesRow>>();
    Ok(match tab {
        None => Content::Nothing,
        Some(Tab::Report) => Content::Report(report_tab(found, exam_root, session.scope.visitor)),
        Some(Tab::Text) => Content::text(found),
        Some(Tab::Lab) => Content::lab(found, exam_root),
        Some(Tab::Request) => Content::request(found, exam_root),
        Some(Tab::Attachments) => Content::attachments(found, exam_root),
        Some(tab @ (Tab::Images | Tab::Film)) => {
            let series = of_kind(if tab == Tab::Film { "film" } else { "image" });
            let chosen = view.series().clamp(1, series.len().max(1)) - 1;
            let instances = match series.get(chosen) {
                Some(series) => pages.archive.series_instances(series).await?,
                None => Vec::new(),
            };
            Content::Images(Box::new(ImagesTab::new(tab.name(), exam_root, &series, &instances, view)))
        }
        Some(Tab::Waveform) => {
            let mut drawings = Vec::new();
            let scale =
                text::query(&[("speed", &view.ecg_speed().to_string()), ("gain", &view.ecg_gain().to_string())]);
            for series in of_kind("waveform") {
                for instance in pages.archive.series_instances(series).await? {
                    drawings.push(format!("{exam_root}/ecg/{}.svg{scale}", instance.pk));
                }
            }
            Content::Waveform(WaveformTab::new(drawings, view.ecg_speed(), view.ecg_gain()))
        }
    })
}

fn report_tab(found: &ExamView, exam_root: &str, is_visitor: bool) -> ReportTab {
    match &found.file {
        ReportFileState::Absent => ReportTab::message("本检查没有图文报告文件，请查看文字报告。"),
        ReportFileState::Pending => ReportTab::message("报告文件获取中，请稍后刷新页面。"),
        ReportFileState::Failed { reason } => ReportTab {
            reason: (!is_visitor).then(|| reason.clone()),
            ..ReportTab::message("报告文件获取失败，请联系医院信息科；文字报告仍可查看。")
        },
        ReportFileState::Ready(file) => {
            let pages = if file.is_pdf(true) { file.page_count.unwrap_or(1).clamp(1, 200) } else { 1 };
            let is_lab = found.entry.kind == EntryKind::Lab;
            let composed = is_lab && file.stamped.is_none();
            ReportTab {
                message: None,
                reason: None,
                pages: (1..=pages).map(|n| format!("{exam_root}/report/page/{n}.png")).collect(),
                // What was composed here has no original.
                original: (!is_lab).then(|| format!("{exam_root}/report/original")),
                stamped: (file.stamp_state == StampState::Stamped || composed)
                    .then(|| format!("{exam_root}/report/stamped")),
                unstamped: file.stamp_state == StampState::Unstampable,
                visit: (is_lab && !is_visitor).then(|| format!("{exam_root}/visit.pdf")),
            }
        }
    }
}
