//! Errors of `/api/v1`: RFC 9457 problems with a stable code and Chinese text (D-X6); nothing of the inside is told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::archive;

macro_rules! codes {
    ($($name:ident $code:literal $status:ident $text:literal,)*) => {
        /// What can be wrong with a request; a code never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::web) enum Code {
            $(#[doc = $text] $name,)*
        }

        impl Code {
            /// Every code.
            pub(in crate::web) const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// For programs.
            pub(in crate::web) fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// For people.
            pub(in crate::web) fn text(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// For HTTP.
            pub(in crate::web) fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status,)* }
            }
        }
    };
}

codes! {
    Unauthorized "E4001" UNAUTHORIZED "身份标识或密钥不正确",
    Forbidden "E4002" FORBIDDEN "无权使用该接口",
    NotFound "E4003" NOT_FOUND "没有该数据，或无权查看",
    Withdrawn "E4004" GONE "报告已被医院撤回",
    UnknownParameter "E4005" BAD_REQUEST "参数名无法识别",
    BadParameter "E4006" BAD_REQUEST "参数值无法识别",
    BadDate "E4007" BAD_REQUEST "时间无法识别，或起止颠倒",
    SpanTooLong "E4008" BAD_REQUEST "时间跨度超过上限",
    BadCursor "E4009" BAD_REQUEST "游标无效，或与查询条件不符",
    CursorAhead "E4010" CONFLICT "游标不属于现在的档案，档案可能已从备份恢复，请从头开始",
    TooNarrowRight "E4011" FORBIDDEN "须指明病人或报告；按时间拉取需要follow权限",
    Busy "E4012" SERVICE_UNAVAILABLE "同时进行的导出过多，请稍后再试",
    NotServed "E4013" METHOD_NOT_ALLOWED "该地址不支持这种请求方式",
    KeyTaken "E4014" CONFLICT "该编号已用于另一条内容不同的记录",
    TooLarge "E4015" PAYLOAD_TOO_LARGE "请求内容超过上限",
    Failed "E4090" SERVICE_UNAVAILABLE "服务器暂时无法处理，请稍后再试",
}

/// The body of an error.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(in crate::web) struct ProblemBody {
    /// Always `about:blank`: the code says which problem it is.
    r#type: &'static str,
    /// What is wrong, for people.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong, for programs: `E4001` and so on.
    code: &'static str,
    /// Which parameter is meant, and why.
    detail: String,
}

/// Why a request is not answered with what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Problem {
    pub(in crate::web) code: Code,
    pub(in crate::web) detail: String,
}

impl Problem {
    pub(in crate::web) fn about(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self { code, detail: String::new() }
    }
}

impl From<archive::Error> for Problem {
    fn from(error: archive::Error) -> Self {
        match error {
            archive::Error::NotFound => Code::NotFound.into(),
            archive::Error::Denied => Code::Forbidden.into(),
            archive::Error::Invalid(_) | archive::Error::Mismatch(_) | archive::Error::TooLarge { .. } => {
                Code::BadParameter.into()
            }
            archive::Error::Index(_) | archive::Error::Objects(_) | archive::Error::Busy => {
                tracing::error!(%error, "a request for reports could not be answered");
                Code::Failed.into()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { code, detail } = self;
        let status = code.status();
        let body = ProblemBody {
            r#type: "about:blank",
            title: code.text(),
            status: status.as_u16(),
            code: code.as_str(),
            detail,
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let body = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (status, headers, body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"api\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Anything that is no resource of ours.
pub(super) async fn no_resource() -> Problem {
    Code::NotFound.into()
}

/// A resource of ours, another method.
pub(super) async fn not_served() -> Problem {
    Code::NotServed.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{index, objects};

    #[test]
    fn d_x6_every_code_is_there_once_and_has_text_and_status() {
        let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| !code.text().is_empty() && code.status().as_u16() >= 400));
    }

    #[test]
    fn every_error_of_the_archive_has_its_status_and_tells_nothing_of_the_inside() {
        let table = [
            (archive::Error::Index(index::Error::Damaged("secret")), 503),
            (archive::Error::Objects(objects::Error::Missing), 503),
            (archive::Error::Busy, 503),
            (archive::Error::NotFound, 404),
            (archive::Error::Denied, 403),
            (archive::Error::Invalid("secret".to_owned()), 400),
            (archive::Error::Mismatch("secret".to_owned()), 400),
            (archive::Error::TooLarge { what: "secret", limit: "1".to_owned() }, 400),
        ];
        for (error, status) in table {
            let problem = Problem::from(error);
            assert_eq!(problem.code.status().as_u16(), status, "{problem:?}");
            assert!(problem.detail.is_empty());
        }
    }
}
