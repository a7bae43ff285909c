-- person and person_images keep the names and columns of the reference system, and the defaults let its plain INSERTs
-- work. Every statement can be run again after a crash half-way.

CREATE TABLE IF NOT EXISTS person (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  -- Compared by its bytes: a folder named Eva must not become Éva.
  name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  UNIQUE KEY person_name (name)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- One row for each known photo: the reference of a person to which probes are compared.
CREATE TABLE IF NOT EXISTS person_images (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  -- Relative to the folder KNOWN_PEOPLE.
  image_name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  person_id BIGINT UNSIGNED NOT NULL,
  -- 128 little-endian 32-bit floats; NULL until the photo has been encoded, or when it could not be (see failure).
  descriptor VARBINARY(512) NULL,
  -- The descriptor space; descriptors of different models are never compared.
  model VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- What the descriptor was computed from, so that a photo is encoded once, ever.
  file_size BIGINT UNSIGNED NULL,
  file_mtime_ms BIGINT UNSIGNED NULL,
  content_hash BINARY(32) NULL,
  failure VARCHAR(512) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  UNIQUE KEY person_images_image_name (image_name),
  KEY person_images_person (person_id),
  CONSTRAINT person_images_person_id FOREIGN KEY (person_id) REFERENCES person (id) ON DELETE CASCADE
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- One row: counts every change of the gallery, so that each recognizer sees that its copy is old.
CREATE TABLE IF NOT EXISTS gallery (
  id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
  revision BIGINT UNSIGNED NOT NULL DEFAULT 1
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

INSERT IGNORE INTO gallery (id, revision) VALUES (1, 1);
