-- What queries look up (PS3.4 annex C): beginnings of names and numbers, and modalities by date.
-- Keys are bytes, so that ranges of beginnings mean the same under every collation. Rows here only find candidates;
-- whether one fits is read from its own row.

ALTER TABLE patient ADD COLUMN keyed INTEGER NOT NULL DEFAULT 0;   -- 1 when patient_key has its rows
CREATE INDEX patient_unkeyed ON patient (id) WHERE keyed = 0;
ALTER TABLE study ADD COLUMN keyed INTEGER NOT NULL DEFAULT 0;     -- 1 when study_key has its rows
CREATE INDEX study_unkeyed ON study (id) WHERE keyed = 0;

CREATE TABLE patient_key (
    org_code TEXT NOT NULL,
    kind INTEGER NOT NULL,                    -- 1 a group of the name in normal form, 2 PatientID
    search_key BLOB NOT NULL,
    patient_pk INTEGER NOT NULL,
    PRIMARY KEY (org_code, kind, search_key, patient_pk)
) WITHOUT ROWID;

CREATE TABLE study_key (
    org_code TEXT NOT NULL,
    kind INTEGER NOT NULL,                    -- 1 a group of the patient's name, 2 PatientID, 3 AccessionNumber
    search_key BLOB NOT NULL,
    study_pk INTEGER NOT NULL,
    PRIMARY KEY (org_code, kind, search_key, study_pk)
) WITHOUT ROWID;

CREATE TABLE study_modality (
    org_code TEXT NOT NULL,
    modality TEXT NOT NULL,
    study_date TEXT NOT NULL,                 -- as in the study's row
    study_pk INTEGER NOT NULL,
    PRIMARY KEY (org_code, modality, study_date, study_pk)
) WITHOUT ROWID;
INSERT INTO study_modality (org_code, modality, study_date, study_pk)
SELECT DISTINCT study.org_code, series.modality, study.study_date, study.id
FROM study JOIN series ON series.study_pk = study.id;

CREATE INDEX study_org_date ON study (org_code, study_date, id);
