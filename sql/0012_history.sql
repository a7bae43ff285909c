-- How much has been done in each minute, and which processes there are (docs/adr/0029-history.md). Everything is added beside:
-- the version before goes on working.

-- Written by a job for the last minutes, again and again until they are over.
CREATE TABLE IF NOT EXISTS image_minutes (
  -- When it began, UTC.
  minute DATETIME NOT NULL PRIMARY KEY,
  -- How much of it had passed when it was last counted.
  seconds TINYINT UNSIGNED NOT NULL,
  -- Images that were pending then; NULL: nobody counted during this minute.
  backlog INT UNSIGNED NULL,
  -- Images that ended so.
  matched INT UNSIGNED NOT NULL,
  unknown INT UNSIGNED NOT NULL,
  no_face INT UNSIGNED NOT NULL,
  unreadable INT UNSIGNED NOT NULL,
  failed INT UNSIGNED NOT NULL,
  -- From when they were posted, or last put back, to their end; NULL when none ended.
  p50_ms INT UNSIGNED NULL,
  p95_ms INT UNSIGNED NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- One row for each process that runs, written again every few seconds: one that is old is of a process that has died.
CREATE TABLE IF NOT EXISTS replicas (
  id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  -- receiver, processor or recognizer.
  service VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- For people: its host (in Kubernetes the pod) and the id of the process.
  name VARCHAR(255) NOT NULL,
  -- As lib/replicas.ts reads and writes it: whether it leads, its breaker, its gallery.
  details JSON NULL,
  started_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  seen_at DATETIME(3) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- What ended lately is read from it; two minutes of a million rows.
ALTER TABLE images ADD KEY images_finished (finished_at);
