-- Webhooks (docs/adr/0031-webhooks.md). A delivery is written in the transaction of what it tells of, so that neither is ever
-- there without the other; nothing else waits for it.

CREATE TABLE IF NOT EXISTS webhooks (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  url VARCHAR(2048) NOT NULL,
  -- Names of events, separated by commas.
  events VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- What deliveries are signed with, closed by a seal of WEBHOOK_SECRET and the salt (lib/seal.ts).
  salt BINARY(16) NOT NULL,
  secret VARBINARY(255) NOT NULL,
  -- The one before, which signs as well for a while.
  old_secret VARBINARY(255) NULL,
  rotated_at DATETIME(3) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- No foreign key: recording an outcome must not fail, or wait, because somebody removes a webhook.
CREATE TABLE IF NOT EXISTS webhook_deliveries (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  webhook_id INT UNSIGNED NOT NULL,
  -- The header webhook-id: the same however often it is sent.
  message_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- JSON, as it is sent: signatures are of bytes. Ids and statuses only.
  payload VARCHAR(1024) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- pending, delivered or dead (tried too often).
  status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
  -- How many tries have failed.
  failures INT UNSIGNED NOT NULL DEFAULT 0,
  -- NULL unless pending.
  next_attempt_at DATETIME(3) NULL DEFAULT CURRENT_TIMESTAMP(3),
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  -- Of the last try.
  attempted_at DATETIME(3) NULL,
  -- The HTTP status of its answer, and the code of why it was none, or not a good one.
  answer_status SMALLINT UNSIGNED NULL,
  failure VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  KEY webhook_deliveries_due (webhook_id, next_attempt_at),
  KEY webhook_deliveries_list (webhook_id, status, id),
  KEY webhook_deliveries_old (status, attempted_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
