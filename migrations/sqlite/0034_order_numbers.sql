-- The numbers of the order as images name them: in an item of Request Attributes Sequence (0040,0275), or beside it.
-- Rows from before get their values by `yingku reindex --text`.
ALTER TABLE series_request ADD COLUMN placer_order TEXT NOT NULL DEFAULT '';   -- (0040,2016)
ALTER TABLE series_request ADD COLUMN filler_order TEXT NOT NULL DEFAULT '';   -- (0040,2017)
CREATE INDEX series_request_placer ON series_request (org_code, placer_order, series_pk) WHERE placer_order <> '';
CREATE INDEX series_request_filler ON series_request (org_code, filler_order, series_pk) WHERE filler_order <> '';
