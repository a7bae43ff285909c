-- Trying failed work again, and what processors say of themselves. Everything is added beside: the version before goes on
-- working; what it records as failed is tried again by hand only.

ALTER TABLE images
  -- How often it has been put back to pending: part of the message id, so that the queue does not take it for a repeat.
  ADD COLUMN attempt INT UNSIGNED NOT NULL DEFAULT 0,
  -- Steps of RETRY_SCHEDULE that it has used since it was added, or last tried again by hand.
  ADD COLUMN retries SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  -- Of what has failed: when it is tried again; NULL: not by itself.
  ADD COLUMN retry_at DATETIME(3) NULL,
  ADD KEY images_retry_at (retry_at);

ALTER TABLE enrolments
  ADD COLUMN attempt INT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN retries SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN retry_at DATETIME(3) NULL,
  ADD KEY enrolments_retry_at (retry_at);

-- One row for each processor that runs, written again every few seconds: one that is old is of a processor that has died.
CREATE TABLE IF NOT EXISTS processors (
  id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  -- closed: it works; open: it waits for the recognizer; half_open: one photo tries whether it is back.
  breaker VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  unavailable_since DATETIME(3) NULL,
  next_attempt_at DATETIME(3) NULL,
  seen_at DATETIME(3) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
