-- Unknown faces that are probably of one person (docs/adr/0014-clusters.md). Everything is added beside: the version before
-- goes on working.

CREATE TABLE IF NOT EXISTS clusters (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  -- Of all its descriptors.
  model VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- Faces in it that are unknown.
  size INT UNSIGNED NOT NULL DEFAULT 0,
  -- The face that can be seen best.
  cover_face_id BIGINT UNSIGNED NULL,
  -- 1: of no interest; not listed, and goes on growing.
  ignored TINYINT UNSIGNED NOT NULL DEFAULT 0,
  -- 1: a person has split it, so it stays while there is a face in it.
  shaped TINYINT UNSIGNED NOT NULL DEFAULT 0,
  -- 1: the receiver has moved faces, and the job has not seen it yet.
  reshaped TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  KEY clusters_size (ignored, size, id),
  KEY clusters_reshaped (reshaped)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

ALTER TABLE faces
  ADD COLUMN cluster_id BIGINT UNSIGNED NULL,
  -- 0: the job has not looked at the face; 1: it has; 2: and there are enough faces around it for others to join.
  ADD COLUMN cluster_state TINYINT UNSIGNED NOT NULL DEFAULT 0,
  ADD KEY faces_cluster (cluster_id, id),
  -- Unknown faces that are new to the job, and faces that are not unknown any more.
  ADD KEY faces_cluster_state (cluster_state, person_id, erased_at),
  ADD CONSTRAINT faces_cluster_id FOREIGN KEY (cluster_id) REFERENCES clusters (id) ON DELETE SET NULL;

-- A person has said that these are not the same: they never grow together.
CREATE TABLE IF NOT EXISTS cluster_splits (
  cluster_id BIGINT UNSIGNED NOT NULL,
  -- The greater id of the two.
  other_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (cluster_id, other_id),
  KEY cluster_splits_other (other_id),
  CONSTRAINT cluster_splits_cluster_id FOREIGN KEY (cluster_id) REFERENCES clusters (id) ON DELETE CASCADE,
  CONSTRAINT cluster_splits_other_id FOREIGN KEY (other_id) REFERENCES clusters (id) ON DELETE CASCADE
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
