-- Enrolment, corrections, decisions that explain themselves, and jobs that bring stored answers up to date. Everything is
-- added beside: the version before goes on working.

ALTER TABLE person
  -- The largest distance that counts as this person; NULL: the gallery's.
  ADD COLUMN threshold DOUBLE NULL,
  -- The gallery's revision at which anything but their references changed: threshold, rejections.
  ADD COLUMN revision BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ADD KEY person_revision (revision);

ALTER TABLE person_images
  -- The gallery's revision at which the row last changed.
  ADD COLUMN revision BIGINT UNSIGNED NOT NULL DEFAULT 0,
  -- folder: found in KNOWN_PEOPLE; photo: enrolled through the API; face: a face of a processed image.
  ADD COLUMN source VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'folder',
  -- Of a photo enrolled through the API: as it was posted.
  ADD COLUMN path VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  -- Of a face: which. The reference goes when the face goes.
  ADD COLUMN face_id BIGINT UNSIGNED NULL,
  -- Where in the photo the face is, ratios 0..1; NULL for older rows.
  ADD COLUMN box_left DOUBLE NULL,
  ADD COLUMN box_top DOUBLE NULL,
  ADD COLUMN box_width DOUBLE NULL,
  ADD COLUMN box_height DOUBLE NULL,
  ADD KEY person_images_revision (revision),
  ADD UNIQUE KEY person_images_face (face_id),
  ADD CONSTRAINT person_images_face_id FOREIGN KEY (face_id) REFERENCES faces (id) ON DELETE CASCADE;

-- Which references are gone, so that copies of the gallery follow without reading it all. Ids only, never descriptors.
CREATE TABLE IF NOT EXISTS gallery_removals (
  revision BIGINT UNSIGNED NOT NULL,
  person_image_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (revision, person_image_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

ALTER TABLE gallery
  -- Set by people; NULL: the recognizer's MATCH_THRESHOLD.
  ADD COLUMN threshold DOUBLE NULL,
  ADD COLUMN threshold_revision BIGINT UNSIGNED NOT NULL DEFAULT 0,
  -- The newest revision whose writer has marked what it changed, and the one since which all have. Whoever only counts the
  -- revision up (plain SQL, the version before) leaves a gap, and copies of the gallery are then read anew.
  ADD COLUMN marked_revision BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN marked_from BIGINT UNSIGNED NOT NULL DEFAULT 0;

ALTER TABLE faces
  -- gallery: decided by distance; user: a person said so, and no job changes it.
  ADD COLUMN decided_by VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'gallery',
  -- The nearest people, at most 5, nearest first: [{"personId":1,"personImageId":2,"distance":0.4}]. NULL: not known yet.
  ADD COLUMN candidates JSON NULL,
  -- When descriptor and name were erased at a person's wish.
  ADD COLUMN erased_at DATETIME(3) NULL;

ALTER TABLE images
  -- 1: the names of its faces may be out of date, and a job decides them again. 2: the same, and the answer has changed
  -- already: the job tells whoever listens.
  ADD COLUMN rematch TINYINT UNSIGNED NOT NULL DEFAULT 0,
  ADD KEY images_rematch (rematch, id);

-- "Not this person": holds for the face, and for faces that are nearer to it than to any reference of the person.
CREATE TABLE IF NOT EXISTS face_rejections (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  person_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  UNIQUE KEY face_rejections_face (face_id, person_id),
  KEY face_rejections_person (person_id),
  CONSTRAINT face_rejections_person_id FOREIGN KEY (person_id) REFERENCES person (id) ON DELETE CASCADE,
  CONSTRAINT face_rejections_face_id FOREIGN KEY (face_id) REFERENCES faces (id) ON DELETE CASCADE
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- One call that enrols photos; its progress is the count of its rows by status.
CREATE TABLE IF NOT EXISTS enrolment_batches (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS enrolments (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  batch_id BIGINT UNSIGNED NOT NULL,
  person_id BIGINT UNSIGNED NOT NULL,
  path VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  -- Which face of the photo, 0 is the largest; NULL: the photo must show one face only.
  face_index SMALLINT UNSIGNED NULL,
  -- 1: also a poor face, a duplicate, or one that looks like somebody else.
  forced TINYINT UNSIGNED NOT NULL DEFAULT 0,
  -- pending, enrolled, refused or failed.
  status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
  reason_code VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  reason VARCHAR(512) NULL,
  person_image_id BIGINT UNSIGNED NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  -- NULL while the id has not been accepted by the queue: the row is the outbox.
  enqueued_at DATETIME(3) NULL,
  finished_at DATETIME(3) NULL,
  KEY enrolments_batch (batch_id, status, id),
  KEY enrolments_outbox (status, enqueued_at, id),
  KEY enrolments_person (person_id),
  CONSTRAINT enrolments_batch_id FOREIGN KEY (batch_id) REFERENCES enrolment_batches (id) ON DELETE CASCADE,
  CONSTRAINT enrolments_person_id FOREIGN KEY (person_id) REFERENCES person (id) ON DELETE CASCADE,
  CONSTRAINT enrolments_person_image_id FOREIGN KEY (person_image_id) REFERENCES person_images (id) ON DELETE SET NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- What was erased, when and at whose id; nothing in it tells who the person was.
CREATE TABLE IF NOT EXISTS erasures (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  person_id BIGINT UNSIGNED NOT NULL,
  receipt JSON NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  KEY erasures_person (person_id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Photos in KNOWN_PEOPLE of people who were erased: never enrolled again, wherever they lie. SHA-256 of the file.
CREATE TABLE IF NOT EXISTS refused_photos (
  content_hash BINARY(32) NOT NULL PRIMARY KEY,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- One row for each background job: how far it is, and which leader may write. A leader that was paused and overtaken finds
-- a newer fence than its own.
CREATE TABLE IF NOT EXISTS jobs (
  name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  fence BIGINT UNSIGNED NOT NULL DEFAULT 0,
  -- The job's own, so that the next leader goes on where the last one stopped.
  state JSON NULL,
  done BIGINT UNSIGNED NOT NULL DEFAULT 0,
  total BIGINT UNSIGNED NOT NULL DEFAULT 0,
  started_at DATETIME(3) NULL,
  finished_at DATETIME(3) NULL,
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
