-- Exam reports and attachments that a person has taken apart; no rule links them again (RD-7).
CREATE TABLE exam_attachment_apart (
    exam_report_pk BIGINT NOT NULL REFERENCES exam_report (id),
    attachment_pk BIGINT NOT NULL REFERENCES attachment (id),
    parted_at BIGINT NOT NULL,
    PRIMARY KEY (exam_report_pk, attachment_pk)
);
