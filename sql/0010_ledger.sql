-- Who changed what, and answers that can be given again (docs/adr/0019-ledger.md). Everything is added beside: the version
-- before goes on working.

-- Append-only: the code inserts and reads, and needs no other right. Ids and numbers only, never names, so that nothing in it
-- must be changed when somebody is erased; without foreign keys, because entries outlive what they tell of.
CREATE TABLE IF NOT EXISTS audit (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  -- lib/audit.ts lists them.
  action VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- Who did it: local, key:7, user:https://issuer/#subject, or a part of the system: system:retention.
  caller VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  -- Of the HTTP request; NULL where there was none.
  request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- To whom, or to what.
  person_id BIGINT UNSIGNED NULL,
  image_id BIGINT UNSIGNED NULL,
  face_id BIGINT UNSIGNED NULL,
  details JSON NULL,
  KEY audit_at (at),
  KEY audit_action (action, id),
  KEY audit_caller (caller(191), id),
  KEY audit_person (person_id, id)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Requests with an Idempotency-Key, for a day. The key itself is not kept: what can be read again is sealed with it.
CREATE TABLE IF NOT EXISTS idempotency_keys (
  -- Derived from the caller and the key.
  id BINARY(32) NOT NULL PRIMARY KEY,
  -- Of the request; NULL until an upload has been read to its end.
  fingerprint BINARY(32) NULL,
  -- Which try works on it, and until when nobody else may.
  claim CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  claimed_until DATETIME(3) NOT NULL,
  -- Sealed: what its transactions have done, so that another try does not do it again.
  effects MEDIUMBLOB NULL,
  -- The HTTP status and, sealed, the rest of the answer; NULL while there is none.
  status SMALLINT UNSIGNED NULL,
  answer MEDIUMBLOB NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  KEY idempotency_keys_created (created_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Who asked for it: the references are made later, by a worker. NULL in batches of the version before.
ALTER TABLE enrolment_batches
  ADD COLUMN caller VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  ADD COLUMN request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL;
