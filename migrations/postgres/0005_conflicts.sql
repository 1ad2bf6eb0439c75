-- Reports and studies that a person has taken apart; no rule links them again (RD-7).
CREATE TABLE exam_study_apart (
    exam_report_pk BIGINT NOT NULL REFERENCES exam_report (id),
    study_pk BIGINT NOT NULL REFERENCES study (id),
    parted_at BIGINT NOT NULL,
    PRIMARY KEY (exam_report_pk, study_pk)
);
