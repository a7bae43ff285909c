CREATE TABLE IF NOT EXISTS images (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  path VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  -- A path is unique; an index over 1024 characters would be too long, one over its digest is not.
  path_hash BINARY(32) AS (UNHEX(SHA2(path, 256))) STORED,
  -- pending, matched, unknown, no_face, unreadable or failed (lib/images.ts).
  status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
  -- Of the best match among the faces.
  person BIGINT UNSIGNED NULL,
  -- Pixels, after EXIF rotation.
  width INT UNSIGNED NULL,
  height INT UNSIGNED NULL,
  -- Why an image ended unreadable or failed.
  reason_code VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  reason VARCHAR(512) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  -- NULL while the id has not been accepted by the queue: the row is the outbox.
  enqueued_at DATETIME(3) NULL,
  finished_at DATETIME(3) NULL,
  UNIQUE KEY images_path (path_hash),
  KEY images_status (status, id),
  KEY images_person (person, id),
  KEY images_outbox (status, enqueued_at, id),
  CONSTRAINT images_person_id FOREIGN KEY (person) REFERENCES person (id) ON DELETE SET NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
