//! `/t/{session}/exam/{exam}`: one exam with its tabs (E.4; D-P18, D-P24, RD-20).

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::document_tab::DocumentTab;
use super::exam_aside::{Aside, AsideQuery};
use super::exam_page::{Content, ExamHeader, ExamPage, PageCounts, ReportTab, Tab};
use super::extract::{Path, Query};
use super::film_tab;
use super::images_tab::{ImagesTab, View};
use super::state::{Inner, PagesState, Peer, framed};
use super::video_tab::{VideoItem, VideoState};
use super::waveform_tab::WaveformTab;
use crate::archive::images::read_video::VideoRow;
use crate::archive::pages::list_exams::EntryKind;
use crate::archive::pages::open_link::Session;
use crate::archive::pages::view_exam::{Attachment, ExamView, SeriesRow, StampState};
use crate::archive::{Error, ReportFileState};
use crate::domain::attachment::AttachmentKind;
use crate::domain::criteria::ShowType;
use crate::web::error_page::{MessagePage, html};
use crate::web::words::Language;

/// Most documents that have a link.
const MOST_DOCUMENTS: usize = 200;
/// Most attachments that are shown page by page.
const MOST_COUNTED: usize = 20;

/// Shows the exam.
pub(super) async fn show(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam)): Path<(String, String)>,
    Query(view): Query<View>,
    Query(aside): Query<AsideQuery>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let client = peer.ip().to_string();
    let found = match pages.archive.view_exam(&pages.viewer, &session, &client, &exam).await {
        Ok(found) => found,
        Err(error) => return gone(&pages, &session, &exam, &error).await,
    };
    let language = pages.language(&session, &aside.lang, &headers).await;
    let exam_root = format!("{}/t/{id}/exam/{}", pages.base, found.entry.observation_uid);
    let show_type = session.scope.show_type;
    let videos = match pages.archive.exam_videos(&found.entry).await {
        Ok(videos) => videos,
        Err(error) => return pages.failed(&error),
    };
    let tabs = tabs_of(&found, &videos, show_type);
    let (current, notice) = choose(&found, &tabs, &view.tab, show_type);
    let notice = notice.or_else(|| offline_notice(&found, current));
    let tab = current.map_or("", Tab::name);
    let shell = pages.shell(&id, &session, language, &format!("tab={tab}"));
    let content =
        match content(&pages, (&session, &client, language), (&found, &videos), current, &exam_root, &view).await {
            Ok(content) => content,
            Err(error) => return pages.failed(&error),
        };
    let aside = match Aside::of(&pages, &session, &client, &found, (&shell.root, current, &aside)).await {
        Ok(aside) => aside,
        Err(error) => return pages.failed(&error),
    };
    let mut header = ExamHeader::of(&found, &pages.organization(&found.entry.org_code));
    if aside.corrected {
        header.mark_corrected();
    }
    let page = ExamPage {
        header,
        tabs: tabs.iter().map(|tab| tab.link(&found, current)).collect(),
        notice,
        content,
        aside,
        shell,
    };
    framed(html(StatusCode::OK, &page), &session)
}

/// What a session could see until the hospital withdrew it is said to be withdrawn (D-R18); all else is not there.
async fn gone(pages: &Inner, session: &Session, exam: &str, error: &Error) -> Response {
    if matches!(error, Error::NotFound) && matches!(pages.archive.is_withdrawn(session, exam).await, Ok(true)) {
        let text = "出具报告的医院已撤回本报告，内容不再显示。请以医院重新发布的报告为准。";
        return framed(MessagePage::new(&pages.base, "报告已撤回", text).response(StatusCode::GONE), session);
    }
    pages.failed(error)
}

/// The tabs that have something to show; with ShowType 3 no word of the report (D-P18).
fn tabs_of(found: &ExamView, videos: &[VideoRow], show_type: ShowType) -> Vec<Tab> {
    let has = |kind: &str| found.series_of_kind(kind).next().is_some();
    let mut tabs = Vec::new();
    if show_type != ShowType::DataOnly {
        match found.entry.kind {
            EntryKind::Exam => tabs.extend([Tab::Report, Tab::Text]),
            EntryKind::Lab => tabs.extend([Tab::Lab, Tab::Report]),
            EntryKind::Study => {}
        }
    }
    if found.image_series().next().is_some() {
        tabs.push(Tab::Images);
    }
    if has("film") {
        tabs.push(Tab::Film);
    }
    if has("waveform") {
        tabs.push(Tab::Waveform);
    }
    if !videos.is_empty() {
        tabs.push(Tab::Video);
    }
    if has("document") && show_type != ShowType::DataOnly {
        tabs.push(Tab::Documents);
    }
    if show_type != ShowType::DataOnly && found.entry.kind == EntryKind::Exam {
        tabs.push(Tab::Request);
    }
    if found.attachments.iter().any(|attachment| !attachment.kind.is_request()) {
        tabs.push(Tab::Attachments);
    }
    tabs
}

/// The tab that was asked for, else the one of ShowType, else the first in the order 0, 1, 2 that has something, with a
/// notice (D-P18).
fn choose(found: &ExamView, tabs: &[Tab], asked: &str, show_type: ShowType) -> (Option<Tab>, Option<&'static str>) {
    if let Some(tab) = tabs.iter().find(|tab| tab.name() == asked) {
        return (Some(*tab), None);
    }
    let data = [Tab::Images, Tab::Waveform, Tab::Video, Tab::Film, Tab::Attachments];
    // Results are read more easily as a table than as a page.
    let report: &[Tab] = &[Tab::Lab, Tab::Report];
    let wanted: &[Tab] = match show_type {
        ShowType::Report => report,
        ShowType::Text => &[Tab::Text, Tab::Lab],
        ShowType::Data | ShowType::DataOnly => &data,
        ShowType::Request => &[Tab::Request],
    };
    let has = |tab: &&Tab| tabs.contains(tab);
    // A report whose file is not here has its text.
    let missing = match &found.file {
        _ if !tabs.contains(&Tab::Text) => None,
        ReportFileState::Ready(_) => None,
        ReportFileState::Absent => Some("本检查没有图文报告文件，已显示文字报告。"),
        ReportFileState::Pending => Some("报告文件获取中，已先显示文字报告。"),
        ReportFileState::Failed { .. } => Some("报告文件获取失败，已显示文字报告；请联系医院信息科。"),
    };
    match wanted.iter().find(has) {
        Some(Tab::Report) if missing.is_some() => (Some(Tab::Text), missing),
        Some(tab) => (Some(*tab), None),
        None => {
            let order = report.iter().filter(|tab| **tab != Tab::Report || missing.is_none());
            let order = order.chain([&Tab::Text]).chain(&data);
            let tab = order.into_iter().find(has).or(tabs.first());
            (tab.copied(), Some("本检查没有所请求的内容，已显示其它可用内容。"))
        }
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
    (session, client, language): (&Session, &str, Language),
    (found, videos): (&ExamView, &[VideoRow]),
    tab: Option<Tab>,
    exam_root: &str,
    view: &View,
) -> Result<Content, Error> {
    Ok(match tab {
        None => Content::Nothing,
        Some(Tab::Report) => {
            let may_open = session.scope.download.is_allowed();
            Content::Report(report_tab(found, exam_root, session.scope.visitor, may_open))
        }
        Some(Tab::Text) => Content::text(found),
        Some(Tab::Lab) => Content::lab(found, exam_root),
        Some(Tab::Request) => {
            let counts = counted(pages, found, AttachmentKind::is_request).await;
            Content::request(found, exam_root, session.scope.download, &counts)
        }
        Some(Tab::Attachments) => {
            let counts = counted(pages, found, |kind| !kind.is_request()).await;
            Content::attachments(found, exam_root, session.scope.download, &counts)
        }
        Some(Tab::Images) => {
            let series: Vec<&SeriesRow> = found.image_series().collect();
            let chosen = view.series().clamp(1, series.len().max(1)) - 1;
            let instances = match series.get(chosen) {
                Some(series) => pages.archive.series_instances(series).await?,
                None => Vec::new(),
            };
            Content::Images(Box::new(ImagesTab::new(Tab::Images.name(), exam_root, &series, &instances, view)))
        }
        Some(Tab::Film) => film_tab::content(pages, (session, client, language), found, exam_root, view).await?,
        Some(Tab::Waveform) => {
            let mut recordings = Vec::new();
            for series in found.series_of_kind("waveform") {
                recordings.extend(pages.archive.series_instances(series).await?.iter().map(|instance| instance.pk));
            }
            let chosen = recordings.get(view.series().clamp(1, recordings.len().max(1)) - 1);
            let outline = match chosen {
                Some(pk) => {
                    let key = (found.entry.observation_uid.as_str(), *pk);
                    match pages.archive.waveform_outline(&pages.viewer, session, client, key).await {
                        Ok(outline) => Some(outline),
                        Err(Error::NotFound | Error::Invalid(_) | Error::TooLarge { .. }) => None,
                        Err(error) => return Err(error),
                    }
                }
                None => None,
            };
            let tab = WaveformTab::new(exam_root, &recordings, outline.as_ref(), view, language);
            Content::Waveform(WaveformTab { name: Tab::Waveform.label(found), ..tab })
        }
        Some(Tab::Video) => {
            let mut items = Vec::new();
            for (number, row) in (1..).zip(videos) {
                let state = match pages.archive.exam_video(&pages.viewer, &found.entry, row.pk).await {
                    Ok(video) if video.plays => VideoState::Plays,
                    Ok(_) => VideoState::OnlyDownload,
                    Err(Error::NotFound | Error::Invalid(_) | Error::TooLarge { .. }) => VideoState::Missing,
                    Err(error) => return Err(error),
                };
                items.push(VideoItem::new(exam_root, number, row, state).offered(&session.scope));
            }
            Content::Videos(items)
        }
        Some(Tab::Documents) => {
            let mut documents = Vec::new();
            for series in found.series_of_kind("document") {
                let name = if series.description.is_empty() { &series.modality } else { &series.description };
                let instances = pages.archive.series_instances(series).await?;
                documents.extend(instances.iter().map(|instance| (instance.pk, name.clone())));
            }
            documents.truncate(MOST_DOCUMENTS);
            let chosen = view.series().clamp(1, documents.len().max(1));
            let document = match documents.get(chosen - 1) {
                Some((pk, _)) => {
                    let key = (found.entry.observation_uid.as_str(), *pk);
                    pages.archive.viewed_document(&pages.viewer, session, client, key, language.meanings()).await
                }
                None => Err(Error::NotFound),
            };
            Content::Documents(Box::new(DocumentTab::new(exam_root, &documents, chosen, document)?))
        }
    })
}

fn report_tab(found: &ExamView, exam_root: &str, is_visitor: bool, may_open: bool) -> ReportTab {
    match &found.file {
        ReportFileState::Absent => ReportTab::message("本检查没有图文报告文件，请查看文字报告。"),
        ReportFileState::Pending => ReportTab::message("报告文件获取中，请稍后刷新页面。"),
        ReportFileState::Failed { reason } => ReportTab {
            reason: (!is_visitor).then(|| reason.clone()),
            ..ReportTab::message("报告文件获取失败，请联系医院信息科；文字报告仍可查看。")
        },
        ReportFileState::Ready(file) => {
            let is_lab = found.entry.kind == EntryKind::Lab;
            let composed = is_lab && file.stamped.is_none();
            ReportTab {
                message: None,
                reason: None,
                pages: ReportTab::pages_of(file, exam_root),
                // What was composed here has no original.
                original: (may_open && !is_lab).then(|| format!("{exam_root}/report/original")),
                stamped: (may_open && (file.stamp_state == StampState::Stamped || composed))
                    .then(|| format!("{exam_root}/report/stamped")),
                unstamped: file.stamp_state == StampState::Unstampable,
                visit: (may_open && is_lab && !is_visitor).then(|| format!("{exam_root}/visit.pdf")),
            }
        }
    }
}

/// The numbers of pages of the first attachments of these kinds that have any.
async fn counted(pages: &Inner, found: &ExamView, which: impl Fn(AttachmentKind) -> bool) -> PageCounts {
    let documents = found.attachments.iter().filter(|one| which(one.kind) && one.media_type.has_pages());
    let documents: Vec<&Attachment> = documents.take(MOST_COUNTED).collect();
    let mut counts = PageCounts::new();
    for attachment in documents {
        match pages.archive.attachment_pages(attachment).await {
            Ok(count) => counts.extend(count.map(|count| (attachment.pk, count))),
            // The next one would wait as long.
            Err(_) => break,
        }
    }
    counts
}
