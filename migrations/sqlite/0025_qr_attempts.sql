-- Wrong answers at a printed code since the last right one: they last longer than a process, and count for all of them.
ALTER TABLE qr_link ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
