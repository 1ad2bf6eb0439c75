-- People: patients and visits as reports and images name them, who is the same person, dictionaries, recognition.

-- A person (主索引, master patient): what links the records of several organisations.
CREATE TABLE person (
    id INTEGER NOT NULL PRIMARY KEY,
    master_id TEXT NOT NULL UNIQUE,           -- PatientMasterID of pages and queries; a UUID
    merged_into INTEGER REFERENCES person (id),   -- where its records went; NULL while it has its own
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX person_merged_into ON person (merged_into) WHERE merged_into IS NOT NULL;

-- A patient as one organisation knows it (D-R29): one row for each number, by reports or by images.
CREATE TABLE patient_record (
    id INTEGER NOT NULL PRIMARY KEY,
    org_code TEXT NOT NULL,
    origin TEXT NOT NULL,                     -- report (Patient_Id), image (PatientID)
    patient_id TEXT NOT NULL,
    issuer TEXT NOT NULL,                     -- IssuerOfPatientID of images, '' when absent
    name TEXT,                                -- as registered; of images as in DICOM
    sex_code TEXT,                            -- GB/T 2261.1
    birth_date TEXT,                          -- yyyy-MM-dd
    id_no TEXT,
    id_no_key TEXT,                           -- the 18 characters of a valid number; NULL when it is none
    card_no TEXT,
    stamp TEXT NOT NULL,                      -- Last_Update_DTime of the newest report in it
    contradictions TEXT NOT NULL,             -- names of fields in which its reports contradict, by blanks; '' when none
    revision INTEGER NOT NULL,                -- one more at each change
    settled INTEGER NOT NULL,                 -- whether its present content has been compared with others
    by_hand INTEGER NOT NULL,                 -- a person has said whose it is; no rule moves it
    person_pk INTEGER REFERENCES person (id), -- NULL until it is settled
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (org_code, patient_id, origin, issuer)
);
CREATE INDEX patient_record_id_no ON patient_record (id_no_key) WHERE id_no_key IS NOT NULL;
CREATE INDEX patient_record_card_no ON patient_record (card_no) WHERE card_no IS NOT NULL;
CREATE INDEX patient_record_person ON patient_record (person_pk) WHERE person_pk IS NOT NULL;
CREATE INDEX patient_record_unsettled ON patient_record (id) WHERE settled = 0;

-- A visit or stay (就诊, event) of a patient.
CREATE TABLE visit (
    patient_record_pk INTEGER NOT NULL REFERENCES patient_record (id),
    event_type TEXT NOT NULL,
    event_no TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (patient_record_pk, event_type, event_no)
) WITHOUT ROWID;

-- Which record came to which person, and why. Append only.
CREATE TABLE person_move (
    id INTEGER NOT NULL PRIMARY KEY,
    patient_record_pk INTEGER NOT NULL REFERENCES patient_record (id),
    from_person INTEGER REFERENCES person (id),
    to_person INTEGER NOT NULL REFERENCES person (id),
    reason TEXT NOT NULL,                     -- new, id_no, card_no, exam, contradiction, link, unlink, merge, unmerge
    actor TEXT NOT NULL,
    moved_at INTEGER NOT NULL
);
CREATE INDEX person_move_record ON person_move (patient_record_pk);
CREATE INDEX person_move_from ON person_move (from_person);

-- What was registered before this table was there: how far its patients and visits have been made.
CREATE TABLE patient_fill (
    kind TEXT NOT NULL PRIMARY KEY,           -- exam, lab
    last_pk INTEGER NOT NULL,
    done INTEGER NOT NULL
);
INSERT INTO patient_fill (kind, last_pk, done) VALUES ('exam', 0, 0);
INSERT INTO patient_fill (kind, last_pk, done) VALUES ('lab', 0, 0);

-- Patients of images have a row in patient_record once this is 1.
ALTER TABLE patient ADD COLUMN recorded INTEGER NOT NULL DEFAULT 0;
CREATE INDEX patient_unrecorded ON patient (id) WHERE recorded = 0;

-- Dictionaries (RD-26): codes with their meaning, and how hospitals write them.
CREATE TABLE dictionary_entry (
    dictionary TEXT NOT NULL,                 -- e.g. modality, sex, event_type, recognition
    code TEXT NOT NULL,
    meaning TEXT NOT NULL,
    aliases TEXT NOT NULL,                    -- other spellings, one on a line
    position INTEGER NOT NULL,
    PRIMARY KEY (dictionary, code)
);

-- Changes whenever a dictionary does: one row.
CREATE TABLE dictionary_version (
    id INTEGER NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
INSERT INTO dictionary_version (id, version, updated_at) VALUES (1, 0, 0);

-- Whether somebody elsewhere relied on a report (互认, D-X10). Append only.
CREATE TABLE recognition (
    id INTEGER NOT NULL PRIMARY KEY,
    request_key TEXT NOT NULL UNIQUE,         -- the sender's number, so that a repetition is known
    kind TEXT NOT NULL,                       -- exam, lab
    report_pk INTEGER NOT NULL,
    org_code TEXT NOT NULL,                   -- the report's organisation
    by_org_code TEXT NOT NULL,                -- who decided
    recognised INTEGER NOT NULL,
    reason TEXT NOT NULL,                     -- 1 to 6 when not recognised, '' otherwise
    remark TEXT NOT NULL,
    doctor_id TEXT NOT NULL,
    doctor_name TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
);
CREATE INDEX recognition_report ON recognition (kind, report_pk);
CREATE INDEX recognition_decided ON recognition (by_org_code, decided_at);
