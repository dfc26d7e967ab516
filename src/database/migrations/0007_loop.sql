-- How much a labelled part moved towards a statement, which may count beside the change.
ALTER TABLE parts ADD COLUMN statements DOUBLE PRECISION NOT NULL DEFAULT 0;

-- Whether the images of an inspection are those of a labelled part, which is asked for each correction that may train a model;
-- and which images a part has. Images of parts are kept as those of inspections are, under the part's id, so that another model
-- can score them. Another model's row of the same part has the same content, and no images of its own.
CREATE INDEX parts_by_content ON parts (line, content, id);
