//! `GET /changes`: the change feed, with a bounded wait.

use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::access::{ApiState, Caller};
use super::model::{Change, ChangeList};
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::reports::json;
use crate::archive::reports::follow_changes::{ChangeKind, FollowChanges};
use crate::domain::cursor::{Cursor, FeedPosition};

/// What may be asked for.
pub(super) const PARAMETERS: [&str; 6] = ["cursor", "limit", "wait", "organization", "kind", "include"];

/// `GET /changes`
pub(super) async fn follow(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    caller.require_follow()?;
    let parameters = Parameters::read(query.as_deref(), &PARAMETERS)?;
    let after = match parameters.one("cursor")? {
        "" => FeedPosition::default(),
        "latest" => inner.archive.newest_position().await?,
        text => match Cursor::decode(text) {
            Some(Cursor::Feed(position)) => position,
            _ => return Err(Code::BadCursor.into()),
        },
    };
    let whole = match parameters.one("include")? {
        "" => false,
        "report" => true,
        _ => return Err(Problem::about(Code::BadParameter, "include is report or nothing")),
    };
    let mut command = FollowChanges {
        after,
        organizations: parameters.organizations(),
        kinds: parameters.all("kind").iter().map(|text| kind_of(text)).collect::<Result<_, _>>()?,
        limit: parameters.limit("limit", &inner.config)?,
        wait: Duration::ZERO,
        look_every: Duration::from_millis(inner.config.look_every_ms),
    };
    let seconds = parameters.number::<u32>("wait")?.unwrap_or(0);
    // Who waits holds no turn; a follower for whom there is no place asks again at once.
    let waiting = if seconds > 0 { inner.waiting.try_acquire().ok() } else { None };
    if waiting.is_some() {
        command.wait = Duration::from_secs(seconds.into()).min(Duration::from_millis(inner.config.max_wait_ms));
    }
    let turn = if command.wait.is_zero() { Some(inner.turn().await?) } else { None };
    let page = inner.archive.follow_changes(&caller.reader, &command).await?.ok_or(Code::CursorAhead)?;
    let root = inner.public_url.clone();
    let more = page.more;
    let list = ChangeList {
        changes: page.changes.iter().map(|change| Change::of(change, &root, whole)).collect(),
        cursor: Cursor::Feed(page.position).encode(),
        more,
    };
    drop((turn, waiting));
    Ok(json(&list))
}

fn kind_of(text: &str) -> Result<ChangeKind, Problem> {
    Ok(match text {
        "exam" => ChangeKind::Exam,
        "lab" => ChangeKind::Lab,
        "file" => ChangeKind::File,
        "images" => ChangeKind::Images,
        "attachments" => ChangeKind::Attachments,
        "recognition" => ChangeKind::Recognition,
        "person" => ChangeKind::Person,
        "withdrawal" => ChangeKind::Withdrawal,
        _ => {
            let known = "kind is exam, lab, file, images, attachments, recognition, person or withdrawal";
            return Err(Problem::about(Code::BadParameter, known));
        }
    })
}
