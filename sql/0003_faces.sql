-- Every face of every image, and how its name was decided.
CREATE TABLE IF NOT EXISTS faces (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  image_id BIGINT UNSIGNED NOT NULL,
  -- 0 is the largest face.
  face_index SMALLINT UNSIGNED NOT NULL,
  -- Ratios 0..1 of the picture's width and height, origin top-left.
  box_left DOUBLE NULL,
  box_top DOUBLE NULL,
  box_width DOUBLE NULL,
  box_height DOUBLE NULL,
  -- Is it a face? 0..1. NULL, like box and descriptor, when a reference recognizer answered with a name only.
  confidence DOUBLE NULL,
  -- 128 little-endian 32-bit floats of the model.
  descriptor VARBINARY(512) NULL,
  model VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  person_id BIGINT UNSIGNED NULL,
  -- The known photo that was nearest, when the face matched.
  person_image_id BIGINT UNSIGNED NULL,
  -- Euclidean distance to the nearest known face, matched or not.
  distance DOUBLE NULL,
  threshold DOUBLE NULL,
  gallery_revision BIGINT UNSIGNED NULL,
  UNIQUE KEY faces_image (image_id, face_index),
  KEY faces_person (person_id, image_id),
  KEY faces_person_image (person_image_id),
  CONSTRAINT faces_image_id FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE,
  CONSTRAINT faces_person_id FOREIGN KEY (person_id) REFERENCES person (id) ON DELETE SET NULL,
  CONSTRAINT faces_person_image_id FOREIGN KEY (person_image_id) REFERENCES person_images (id) ON DELETE SET NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
