//! What has become of an exam, in one word: as lists show it, and as their form asks for it (D-P24).

/// The state of an entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportState {
    /// 0: registered.
    Registered,
    /// 1: the exam has been done.
    Examined,
    /// 2: the report has been written.
    Written,
    /// 3, or another one that somebody has reviewed.
    Reviewed,
    /// 4: changed after the review.
    Revised,
    /// Neither state nor review is known.
    Reported,
    /// A lab report, which has no states.
    Published,
    /// Images that no report has been registered for.
    Unreported,
}

impl ReportState {
    /// All of them, from the order to the report.
    pub const ALL: [ReportState; 8] = [
        ReportState::Registered,
        ReportState::Examined,
        ReportState::Unreported,
        ReportState::Written,
        ReportState::Reported,
        ReportState::Reviewed,
        ReportState::Revised,
        ReportState::Published,
    ];

    /// Of an exam report.
    pub fn of_exam(state: &str, reviewed: bool) -> Self {
        match state {
            "0" => ReportState::Registered,
            "1" => ReportState::Examined,
            "2" => ReportState::Written,
            "3" => ReportState::Reviewed,
            "4" => ReportState::Revised,
            _ if reviewed => ReportState::Reviewed,
            _ => ReportState::Reported,
        }
    }

    /// What forms send for it.
    pub fn code(self) -> &'static str {
        match self {
            ReportState::Registered => "registered",
            ReportState::Examined => "examined",
            ReportState::Written => "written",
            ReportState::Reviewed => "reviewed",
            ReportState::Revised => "revised",
            ReportState::Reported => "reported",
            ReportState::Published => "published",
            ReportState::Unreported => "unreported",
        }
    }

    /// Reads what a form sends; nothing and what it cannot send is none.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// What pages call it.
    pub fn label(self) -> &'static str {
        match self {
            ReportState::Registered => "已登记",
            ReportState::Examined => "已检查",
            ReportState::Written => "已书写",
            ReportState::Reviewed => "已审核",
            ReportState::Revised => "已修订",
            ReportState::Reported => "已报告",
            ReportState::Published => "已发布",
            ReportState::Unreported => "未出报告",
        }
    }

    /// Whether a session that sees nothing unreviewed may still see it.
    pub fn is_finished(self) -> bool {
        use ReportState::*;
        matches!(self, Reviewed | Revised | Reported | Published)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_form_sends_is_read_again() {
        for state in ReportState::ALL {
            assert_eq!(ReportState::parse(state.code()), Some(state));
        }
        assert_eq!((ReportState::parse(""), ReportState::parse("3")), (None, None));
    }

    #[test]
    fn a_review_counts_where_no_state_is_known() {
        assert_eq!(ReportState::of_exam("", true), ReportState::Reviewed);
        assert_eq!(ReportState::of_exam("", false), ReportState::Reported);
        assert_eq!(ReportState::of_exam("2", true), ReportState::Written);
    }
}
