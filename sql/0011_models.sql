-- A second version of every descriptor beside the first, so that the model can be changed while photos are answered
-- (docs/adr/0022-models.md). Everything is added beside: the version before goes on working.

-- Models of which every face and reference should have a descriptor. Empty until somebody prepares a change.
CREATE TABLE IF NOT EXISTS models (
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  requested_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  -- When every face and reference had been looked at; NULL: not yet.
  prepared_at DATETIME(3) NULL,
  -- When it last became the model that answers; NULL: never, by a change.
  activated_at DATETIME(3) NULL,
  -- 1: its descriptors are being removed.
  dropping TINYINT UNSIGNED NOT NULL DEFAULT 0,
  -- How many descriptors there are, and what is missing, as the job has counted.
  counts JSON NULL,
  -- How many answers the model would change, and examples; NULL: not compared since it was asked for.
  comparison JSON NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Descriptors of faces besides that in the face's row. Those of a face that is erased go with it.
CREATE TABLE IF NOT EXISTS face_descriptors (
  face_id BIGINT UNSIGNED NOT NULL,
  model VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- 128 little-endian 32-bit floats; NULL when there is none, and failure says why.
  descriptor VARBINARY(512) NULL,
  failure VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  PRIMARY KEY (face_id, model),
  KEY face_descriptors_model (model, face_id),
  CONSTRAINT face_descriptors_face_id FOREIGN KEY (face_id) REFERENCES faces (id) ON DELETE CASCADE
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Descriptors of references besides that in the reference's row.
CREATE TABLE IF NOT EXISTS reference_descriptors (
  person_image_id BIGINT UNSIGNED NOT NULL,
  model VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  descriptor VARBINARY(512) NULL,
  failure VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- CRC32 of the descriptor in the reference's row, beside which this one was made. When somebody who knows nothing of
  -- this table (plain SQL, the version before) gives the reference another photo, this one counts no more.
  base_crc INT UNSIGNED NOT NULL,
  -- The gallery's revision at which it was made.
  revision BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (person_image_id, model),
  KEY reference_descriptors_revision (revision),
  KEY reference_descriptors_model (model, person_image_id),
  CONSTRAINT reference_descriptors_person_image_id FOREIGN KEY (person_image_id) REFERENCES person_images (id)
    ON DELETE CASCADE
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

ALTER TABLE gallery
  -- The model that answers; NULL: nobody has changed it.
  ADD COLUMN model VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  ADD COLUMN model_revision BIGINT UNSIGNED NOT NULL DEFAULT 0;
