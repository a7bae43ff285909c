-- How well a face can be recognised, as lib/face-quality.ts reads and writes it; NULL where nobody has judged it. The
-- version before goes on beside: it names its columns, and leaves these NULL. A column that is there already, after a
-- crash half-way, is skipped (migrate.ts).
ALTER TABLE faces ADD COLUMN quality JSON NULL;
ALTER TABLE person_images ADD COLUMN quality JSON NULL;
