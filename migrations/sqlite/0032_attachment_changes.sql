-- The change feed tells of attachments from now on; those that are there already are told once. Ids of the program are above 0.
INSERT INTO report_change_waiting (id, report_pk, subject, aspect, org_code, sharing, changed_at)
SELECT 0 - ROW_NUMBER() OVER (ORDER BY e.id), e.id, 'exam', 'attachments', e.org_code, 0, MAX(x.linked_at)
FROM exam_attachment x JOIN exam_report e ON e.id = x.exam_report_pk GROUP BY e.id, e.org_code;
