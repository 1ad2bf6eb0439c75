-- The archive's first schema.
-- Written once in the subset that SQLite and PostgreSQL share; the file for PostgreSQL is this one with
-- BIGINT read as BIGINT and BYTEA as BYTEA (a test keeps the two equal).
-- Ids are made by the application. Columns ending in _at are milliseconds since 1970 UTC.
-- Report fields keep the names of the registration interface (lower case) and hold normalised text:
-- dates as yyyy-MM-dd HH:mm:ss in Asia/Shanghai, whole numbers as digits.

-- ---------------------------------------------------------------- nodes
CREATE TABLE node (
    id BIGINT NOT NULL PRIMARY KEY,          -- the part of every id that tells processes apart, 0..1023
    holder TEXT NOT NULL,
    lease_until BIGINT NOT NULL
);

-- ---------------------------------------------------------------- images
CREATE TABLE patient (
    id BIGINT NOT NULL PRIMARY KEY,
    org_code TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    issuer TEXT NOT NULL,                     -- (0010,0021), '' when absent
    name TEXT NOT NULL,                       -- UTF-8, component groups joined by '='
    sex TEXT NOT NULL,
    birth_date TEXT NOT NULL,                 -- yyyyMMdd or ''
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (org_code, patient_id, issuer)
);

CREATE TABLE study (
    id BIGINT NOT NULL PRIMARY KEY,
    patient_pk BIGINT NOT NULL REFERENCES patient (id),
    org_code TEXT NOT NULL,
    study_instance_uid TEXT NOT NULL,
    study_id TEXT NOT NULL,
    accession_number TEXT NOT NULL,
    study_date TEXT NOT NULL,
    study_time TEXT NOT NULL,
    study_description TEXT NOT NULL,
    referring_physician TEXT NOT NULL,
    institution_name TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    patient_name TEXT NOT NULL,
    patient_sex TEXT NOT NULL,
    patient_birth_date TEXT NOT NULL,
    patient_age TEXT NOT NULL,
    observation_uid TEXT NOT NULL,            -- UUIDv5 of organisation and StudyInstanceUID (D-P20)
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (org_code, study_instance_uid)
);
CREATE INDEX study_patient_pk ON study (patient_pk);
CREATE INDEX study_uid ON study (study_instance_uid);
CREATE INDEX study_accession ON study (org_code, accession_number);
CREATE INDEX study_patient_id ON study (org_code, patient_id);
CREATE INDEX study_date ON study (study_date);
CREATE INDEX study_observation ON study (observation_uid);

CREATE TABLE series (
    id BIGINT NOT NULL PRIMARY KEY,
    study_pk BIGINT NOT NULL REFERENCES study (id),
    series_instance_uid TEXT NOT NULL,
    modality TEXT NOT NULL,
    kind TEXT NOT NULL,                       -- image, film, waveform, document, video, presentation, other
    series_number BIGINT,
    series_description TEXT NOT NULL,
    body_part_examined TEXT NOT NULL,
    laterality TEXT NOT NULL,
    protocol_name TEXT NOT NULL,
    series_date TEXT NOT NULL,
    series_time TEXT NOT NULL,
    station_name TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    model_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (study_pk, series_instance_uid)
);
CREATE INDEX series_uid ON series (series_instance_uid);

CREATE TABLE instance (
    id BIGINT NOT NULL PRIMARY KEY,
    series_pk BIGINT NOT NULL REFERENCES series (id),
    org_code TEXT NOT NULL,
    sop_instance_uid TEXT NOT NULL,
    sop_class_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    instance_number BIGINT,
    number_of_frames BIGINT NOT NULL,
    pixel_rows BIGINT,
    pixel_columns BIGINT,
    content_hash TEXT NOT NULL,               -- SHA-256 of the data set's bytes as received, hex
    object_key TEXT NOT NULL,
    object_offset BIGINT NOT NULL,
    object_length BIGINT NOT NULL,
    dataset_offset BIGINT NOT NULL,          -- where the data set begins, counted from object_offset
    pixel_data_offset BIGINT,                -- where (7FE0,0010) begins, counted from object_offset
    header_state TEXT NOT NULL,               -- complete, or why the header could not be read to its end
    calling_ae_title TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    UNIQUE (org_code, sop_instance_uid)
);
CREATE INDEX instance_series ON instance (series_pk, instance_number);
CREATE INDEX instance_object ON instance (object_key);
CREATE INDEX instance_uid ON instance (sop_instance_uid);

-- Other contents that came under a SOP Instance UID that is taken (D-I15).
CREATE TABLE instance_version (
    id BIGINT NOT NULL PRIMARY KEY,
    instance_pk BIGINT NOT NULL REFERENCES instance (id),
    content_hash TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    object_key TEXT NOT NULL,
    object_offset BIGINT NOT NULL,
    object_length BIGINT NOT NULL,
    dataset_offset BIGINT NOT NULL,
    calling_ae_title TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    UNIQUE (instance_pk, content_hash)
);
CREATE INDEX instance_version_object ON instance_version (object_key);

-- ---------------------------------------------------------------- reports
CREATE TABLE exam_report (
    id BIGINT NOT NULL PRIMARY KEY,
    observation_uid TEXT NOT NULL UNIQUE,     -- UUIDv5 of the key (D-P20)
    version BIGINT NOT NULL,                 -- 1 at first, one more at each replacement
    content_hash TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_pk BIGINT,                       -- inbox_message that last changed it
    reviewed BIGINT NOT NULL,                -- D-R23
    vip BIGINT NOT NULL,                     -- D-R22
    restricted BIGINT NOT NULL,              -- D-R22, Confidentiality
    withdrawn BIGINT NOT NULL,               -- D-R18
    identity_conflict BIGINT NOT NULL,       -- D-R8: same number, other patient or event
    modality TEXT NOT NULL,                   -- Class_Code mapped to DICOM Modality, '' when unknown
    retrieve_at TEXT NOT NULL,                -- D-Q4: Retrieve_Date, else Effective, else Performer, else receipt
    observed_at TEXT NOT NULL,                -- D-P8: Performer, else Effective, else Retrieve, else receipt
    received_at BIGINT NOT NULL,             -- first seen
    updated_at BIGINT NOT NULL,
    last_update_dtime TEXT,
    org_code TEXT NOT NULL,
    apply_form_no TEXT,
    state TEXT,
    reportfilepath TEXT,
    report_form_no TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    event_no TEXT NOT NULL,
    patient_local_id TEXT,
    performer_dtime TEXT,
    pacs_id TEXT,
    study_instance_uid TEXT,
    id_no TEXT,
    card_no TEXT,
    checked_status TEXT,
    class_code TEXT,
    class_name TEXT,
    retrieve_date TEXT,
    exam_site_code TEXT,
    body_part_name TEXT,
    exam_item_code TEXT,
    exam_item_name TEXT,
    report_title TEXT,
    effective_dtime TEXT,
    confidentiality TEXT,
    name TEXT,
    sex_code TEXT,
    sex_name TEXT,
    birth_date TEXT,
    author_id TEXT,
    author_dtime TEXT,
    author_name TEXT,
    authenticator_id TEXT,
    authenticator_dtime TEXT,
    authenticator_name TEXT,
    participant_dept TEXT,
    participant_id TEXT,
    participant_dtime TEXT,
    participant_name TEXT,
    order_id TEXT,
    order_priority TEXT,
    order_priority_name TEXT,
    performer_dept_name TEXT,
    performer_doctor TEXT,
    playing_device TEXT,
    outpat_diag_name TEXT,
    patient_condition_descr TEXT,
    exam_purpose TEXT,
    image_descr TEXT,
    is_abnormal TEXT,
    conclusion TEXT,
    recognition TEXT,
    create_time TEXT,
    upload_status TEXT,
    serial_data_no TEXT,
    data_status TEXT,
    is_correct TEXT,
    xman_type TEXT,
    UNIQUE (org_code, report_form_no, patient_id, event_type, event_no)
);
CREATE INDEX exam_report_id_no ON exam_report (id_no, retrieve_at);
CREATE INDEX exam_report_card_no ON exam_report (card_no, retrieve_at);
CREATE INDEX exam_report_pacs_id ON exam_report (org_code, pacs_id);
CREATE INDEX exam_report_local_id ON exam_report (org_code, patient_local_id);
CREATE INDEX exam_report_patient_id ON exam_report (org_code, patient_id);
CREATE INDEX exam_report_event_no ON exam_report (event_no);
CREATE INDEX exam_report_apply_form_no ON exam_report (apply_form_no);
CREATE INDEX exam_report_order_id ON exam_report (order_id);
CREATE INDEX exam_report_name ON exam_report (name, birth_date);
CREATE INDEX exam_report_pacs ON exam_report (pacs_id);
CREATE INDEX exam_report_any_patient ON exam_report (patient_id);
CREATE INDEX exam_report_any_local ON exam_report (patient_local_id);
CREATE INDEX exam_report_form ON exam_report (report_form_no);

CREATE TABLE exam_study_uid (
    exam_report_pk BIGINT NOT NULL REFERENCES exam_report (id),
    study_instance_uid TEXT NOT NULL,
    origin TEXT NOT NULL,                     -- registered, dicom (D-I3)
    PRIMARY KEY (exam_report_pk, study_instance_uid)
);
CREATE INDEX exam_study_uid_uid ON exam_study_uid (study_instance_uid);

CREATE TABLE exam_study (
    exam_report_pk BIGINT NOT NULL REFERENCES exam_report (id),
    study_pk BIGINT NOT NULL REFERENCES study (id),
    rule TEXT NOT NULL,                       -- study_instance_uid, patient_and_accession, accession, manual
    linked_at BIGINT NOT NULL,
    PRIMARY KEY (exam_report_pk, study_pk)
);
CREATE INDEX exam_study_study ON exam_study (study_pk);

CREATE TABLE lab_report (
    id BIGINT NOT NULL PRIMARY KEY,
    observation_uid TEXT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    content_hash TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_pk BIGINT,
    withdrawn BIGINT NOT NULL,
    identity_conflict BIGINT NOT NULL,
    retrieve_at TEXT NOT NULL,
    observed_at TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_update_dtime TEXT,
    org_code TEXT NOT NULL,
    apply_form_no TEXT,
    report_form_no TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    event_no TEXT NOT NULL,
    id_no TEXT,
    card_no TEXT,
    retrieve_date TEXT,
    class_code TEXT,
    class_name TEXT,
    class_local_name TEXT,
    report_title TEXT,
    effective_dtime TEXT,
    name TEXT,
    sex_code TEXT,
    sex_name TEXT,
    author_id TEXT,
    author_dtime TEXT,
    author_name TEXT,
    authenticator_id TEXT,
    authenticator_dtime TEXT,
    authenticator_name TEXT,
    participant_id TEXT,
    participant_dtime TEXT,
    participant_name TEXT,
    participant_dept TEXT,
    order_id TEXT,
    order_priority TEXT,
    order_priority_name TEXT,
    specimen_id TEXT,
    specimen_class_code TEXT,
    specimen_determiner_code TEXT,
    specimen_determiner_name TEXT,
    specimen_risk TEXT,
    specimen_risk_descr TEXT,
    specimen_quantity TEXT,
    specimen_quantity_descr TEXT,
    specimen_rejectreason TEXT,
    specimen_rejectreason_descr TEXT,
    performer_dept_name TEXT,
    performer_doctor TEXT,
    performer_dtime TEXT,
    playing_device TEXT,
    create_time TEXT,
    upload_status TEXT,
    serial_data_no TEXT,
    data_status TEXT,
    is_correct TEXT,
    recognition TEXT,
    UNIQUE (org_code, report_form_no, patient_id, event_type, event_no)
);
CREATE INDEX lab_report_id_no ON lab_report (id_no, retrieve_at);
CREATE INDEX lab_report_card_no ON lab_report (card_no, retrieve_at);
CREATE INDEX lab_report_patient_id ON lab_report (org_code, patient_id);
CREATE INDEX lab_report_event ON lab_report (org_code, event_no, report_form_no);
CREATE INDEX lab_report_event_no ON lab_report (event_no);

CREATE TABLE lab_item (
    id BIGINT NOT NULL PRIMARY KEY,
    lab_report_pk BIGINT REFERENCES lab_report (id),   -- NULL while its master has not come (D-R10)
    owner BIGINT NOT NULL,                   -- the master its message named, 0 while that is not known (D-R9)
    version BIGINT NOT NULL,
    content_hash TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_pk BIGINT,
    withdrawn BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_update_dtime TEXT,
    org_code TEXT NOT NULL,
    event_no TEXT NOT NULL,
    report_form_no TEXT NOT NULL,
    serial_no TEXT NOT NULL,
    class_code TEXT,
    class_name TEXT,
    class_local_name TEXT,
    result_type TEXT,
    result_type_descr TEXT,
    result_value TEXT,
    result_unit TEXT,
    norm_lower_limit TEXT,
    norm_upper_limit TEXT,
    norm_value_notes TEXT,
    result_interpre TEXT,
    result_interpre_descr TEXT,
    effective_dtime TEXT,
    examine_way TEXT,
    recognition TEXT,
    create_time TEXT,
    upload_status TEXT,
    serial_data_no TEXT,
    data_status TEXT,
    is_correct TEXT,
    UNIQUE (org_code, event_no, report_form_no, serial_no, owner)
);
CREATE INDEX lab_item_report ON lab_item (lab_report_pk);

-- Earlier contents of a report, whole, as JSON (D-R8).
CREATE TABLE report_version (
    id BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,                       -- exam, lab, item
    report_pk BIGINT NOT NULL,
    version BIGINT NOT NULL,
    content TEXT NOT NULL,
    replaced_at BIGINT NOT NULL,
    UNIQUE (kind, report_pk, version)
);

-- Every inbound message, raw, with what was answered (D-X2).
CREATE TABLE inbox_message (
    id BIGINT NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,                    -- service and method, e.g. IAutoReport/ArchiveAutoReport
    sender TEXT NOT NULL,
    remote_addr TEXT NOT NULL,
    content_type TEXT NOT NULL,
    body BYTEA NOT NULL,
    content_hash TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    result TEXT,                              -- NULL until it has been dealt with
    finished_at BIGINT
);
CREATE INDEX inbox_message_received ON inbox_message (received_at);

-- ---------------------------------------------------------------- report files
CREATE TABLE report_file (
    id BIGINT NOT NULL PRIMARY KEY,
    exam_report_pk BIGINT NOT NULL REFERENCES exam_report (id),
    revision BIGINT NOT NULL,                -- 1, 2, … one for each different content of the file
    is_current BIGINT NOT NULL,
    source TEXT NOT NULL,                     -- ReportFilePath without user info
    media_type TEXT NOT NULL,                 -- application/pdf, image/jpeg, image/png
    original_key TEXT NOT NULL,
    original_length BIGINT NOT NULL,
    original_hash TEXT NOT NULL,              -- SHA-256, hex
    stamp_state TEXT NOT NULL,                -- stamped, not_applicable, unstampable
    stamp_reason TEXT NOT NULL,               -- e.g. encrypted, signed, damaged; '' when stamped
    stamped_key TEXT,
    stamped_length BIGINT,
    stamped_hash TEXT,
    page_count BIGINT,
    fetched_at BIGINT NOT NULL,
    UNIQUE (exam_report_pk, revision)
);
CREATE INDEX report_file_original ON report_file (original_key);
CREATE INDEX report_file_stamped ON report_file (stamped_key);

-- The opaque link behind a QR code (D-I10); one for each exam report.
CREATE TABLE qr_link (
    id TEXT NOT NULL PRIMARY KEY,             -- 128 random bits, base32 without padding
    exam_report_pk BIGINT NOT NULL UNIQUE REFERENCES exam_report (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

-- ---------------------------------------------------------------- work, people, history
CREATE TABLE job (
    id BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,                       -- fetch_report_file, …
    job_key TEXT NOT NULL,                    -- what it is about; with kind unique, so that enqueueing is idempotent
    state TEXT NOT NULL,                      -- ready, running, done, dead
    attempts BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    lease_owner TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    generation BIGINT NOT NULL,              -- one more at each enqueue; a worker that finishes an older one leaves it ready
    last_error TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (kind, job_key)
);
CREATE INDEX job_due ON job (state, run_at);

CREATE TABLE conflict (
    id BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,                       -- demographics, duplicate_uid, report_identity, uid_in_two_organizations
    org_code TEXT NOT NULL,
    subject TEXT NOT NULL,                    -- what it is about, e.g. exam:17 study:42; with kind unique
    detail TEXT NOT NULL,                     -- JSON: names of the fields that differ, never their values
    state TEXT NOT NULL,                      -- open, closed
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (kind, subject)
);
CREATE INDEX conflict_open ON conflict (state, created_at);

CREATE TABLE page_session (
    id_hash TEXT NOT NULL PRIMARY KEY,        -- SHA-256 of the session id, hex
    customer_guid TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    user_organization_id TEXT NOT NULL,
    user_organization_name TEXT NOT NULL,
    scope TEXT NOT NULL,                      -- JSON: criteria that the token opened, and how to show them
    search TEXT NOT NULL,                     -- JSON: what the query form asks for; '' when nothing
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX page_session_expires ON page_session (expires_at);

-- Tokens that have been used, for customers with token.single_use (D-T11).
CREATE TABLE token_use (
    customer_guid TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (customer_guid, token_hash)
);

-- Who did what to which data (RD-21, RD-28). Append only.
CREATE TABLE audit (
    id BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,                     -- e.g. store_instance, register_exam, view_exam, find_reports
    actor_kind TEXT NOT NULL,                 -- peer, sender, client, customer, system, operator
    actor TEXT NOT NULL,
    user_id TEXT NOT NULL,
    remote_addr TEXT NOT NULL,
    org_code TEXT NOT NULL,
    target TEXT NOT NULL,                     -- e.g. study:42, exam:17
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL                      -- JSON without patient data
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_target ON audit (target);
