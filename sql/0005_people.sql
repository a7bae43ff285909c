-- What changed in the gallery since a revision, so that a recognizer reads the changes and not everybody again. MySQL has
-- no ADD COLUMN IF NOT EXISTS: the statement is chosen by what is there already.

SET @add_revision = (SELECT IF(COUNT(*) = 0,
  'ALTER TABLE person_images ADD COLUMN revision BIGINT UNSIGNED NOT NULL DEFAULT 0, ADD KEY person_images_revision (revision)',
  'DO 0') FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'person_images' AND column_name = 'revision');

PREPARE add_revision FROM @add_revision;

EXECUTE add_revision;

DEALLOCATE PREPARE add_revision;

-- Faces that have left the gallery, and at which revision. A row may be deleted at any time: who has not read it finds
-- the difference when it compares its gallery as a whole.
CREATE TABLE IF NOT EXISTS gallery_removals (
  person_image_id BIGINT UNSIGNED NOT NULL,
  revision BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (revision, person_image_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
