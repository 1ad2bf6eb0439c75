//! With whom a report may be shared beyond its own organisation (D-P24, D-R18, D-R22).

use super::exam_report::{self, ExamReport};

/// Who of other organisations may see a report; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharing {
    /// Nobody: it is withdrawn or not reviewed.
    Nobody,
    /// Who has the right to VIP and restricted reports.
    Privileged,
    /// Everyone who may query.
    Everyone,
}

impl Sharing {
    /// Every value, by its number.
    pub const ALL: [Sharing; 3] = [Sharing::Nobody, Sharing::Privileged, Sharing::Everyone];

    /// Of a report with these marks.
    pub fn of(final_: bool, confidential: bool, withdrawn: bool) -> Self {
        match (final_ && !withdrawn, confidential) {
            (false, _) => Sharing::Nobody,
            (true, true) => Sharing::Privileged,
            (true, false) => Sharing::Everyone,
        }
    }

    /// The number kept in the table.
    pub fn number(self) -> i64 {
        self as i64
    }

    /// Reads the number kept in the table; what is not known is shared with nobody.
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|sharing| sharing.number() == number).unwrap_or(Sharing::Nobody)
    }
}

/// Whether an exam report counts as final: reviewed, or nothing at all is said of a review (D-P24).
pub fn is_final(reviewed: bool, report: &ExamReport) -> bool {
    reviewed || exam_report::says_nothing_of_review(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_p24_d_r18_d_r22_a_report_is_shared_when_final_and_less_when_confidential() {
        assert_eq!(Sharing::of(true, false, false), Sharing::Everyone);
        assert_eq!(Sharing::of(true, true, false), Sharing::Privileged);
        assert_eq!(Sharing::of(true, false, true), Sharing::Nobody);
        assert_eq!(Sharing::of(false, false, false), Sharing::Nobody);
        assert_eq!(Sharing::ALL.map(|s| Sharing::from_number(s.number())), Sharing::ALL);
        assert_eq!(Sharing::from_number(9), Sharing::Nobody);
    }
}
