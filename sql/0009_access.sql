-- Who may do what: API keys, and people who have logged in in a browser. Nothing in these tables lets anybody in: of keys and
-- of sessions only the SHA-256 is kept.

CREATE TABLE IF NOT EXISTS api_keys (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(100) NOT NULL,
  -- SHA-256 of the key as it is sent, ff_ included.
  hash BINARY(32) NOT NULL,
  -- ingest, read, admin; several are separated by commas.
  roles VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  expires_at DATETIME(3) NULL,
  -- A revoked key keeps its row, so that what key:7 has done can still be told.
  revoked_at DATETIME(3) NULL,
  -- To some ten minutes.
  last_used_at DATETIME(3) NULL,
  UNIQUE KEY api_keys_hash (hash)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS sessions (
  -- SHA-256 of what the cookie holds.
  hash BINARY(32) NOT NULL PRIMARY KEY,
  issuer VARCHAR(255) NOT NULL,
  subject VARCHAR(255) NOT NULL,
  name VARCHAR(255) NOT NULL,
  -- JSON: what OIDC_ADMINS and OIDC_READERS look at. Roles are found anew from it each time.
  claims TEXT NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  expires_at DATETIME(3) NOT NULL,
  KEY sessions_expires (expires_at)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
