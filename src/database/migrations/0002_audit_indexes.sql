-- A fiftieth of the inspections is audited. With the indexes of all inspections, the audited ones of a line were found by
-- reading nearly all of its rows.
CREATE INDEX audited_by_decision ON inspections (line, decision, id) WHERE audit = 1;
CREATE INDEX audited_by_verdict ON inspections (line, verdict, id) WHERE audit = 1;
CREATE INDEX audited_by_both ON inspections (line, decision, verdict, id) WHERE audit = 1;
