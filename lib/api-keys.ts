import { createHash, randomBytes } from 'node:crypto';
import { type Actor, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import type { Database, Row, WriteResult } from './database.ts';
import { PermanentError } from './errors.ts';

export const KEY_ROLES = ['ingest', 'read', 'admin'] as const;
export type KeyRole = (typeof KEY_ROLES)[number];

export interface ApiKey {
  readonly id: number;
  readonly name: string;
  readonly roles: readonly KeyRole[];
  readonly createdAt: Date;
  /** Null: never. */
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  /** To some ten minutes. */
  readonly lastUsedAt: Date | null;
}

export interface ApiKeys {
  /** Makes a key. It is told here and nowhere else: only its hash is kept. */
  addKey(options: {
    name: string;
    roles: readonly KeyRole[];
    expiresAt: Date | null;
    actor: Actor;
  }): Promise<ApiKey & { key: string }>;
  /** Makes sure that the admin's key with this SHA-256 (hex) is known; one that was revoked stays so. */
  adoptAdminKey(hash: string): Promise<void>;
  /** All, the revoked and expired ones too, oldest first. */
  listKeys(): Promise<ApiKey[]>;
  /** @throws PermanentError `key_not_found`. A key that is revoked already stays as it is. */
  revokeKey(id: number, actor: Actor): Promise<ApiKey>;
  /** The key with this text if it may be used now. Notes that it was. */
  findUsableKey(key: string): Promise<ApiKey | null>;
  /** Whether there is a key that may be used now. */
  hasUsableKey(): Promise<boolean>;
}

const COLUMNS = 'id, name, roles, created_at, expires_at, revoked_at, last_used_at';
const USABLE = 'revoked_at IS NULL AND (expires_at IS NULL OR expires_at > CURRENT_TIMESTAMP(3))';

/** Whether a text has the form of a key; those that an operator makes with openssl are hex. */
export function looksLikeKey(text: string): boolean {
  return /^ff_[A-Za-z0-9_-]{40,128}$/.test(text);
}

/**
 * SHA-256. A key is 256 random bits, which nobody can search through, so that a slow hash with a salt would only make each
 * request slow; and as rows are found by the hash, no comparison tells by its time how much of a guess was right.
 */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

export function openApiKeys(db: Database): ApiKeys {
  const findById = async (id: number): Promise<ApiKey> => {
    const [rows] = await db.query<Row[]>(`SELECT ${COLUMNS} FROM api_keys WHERE id = ?`, [id]);
    if (rows[0] === undefined) throw new PermanentError('key_not_found', `There is no key ${id}.`);
    return toKey(rows[0]);
  };
  return {
    async addKey({ name, roles, expiresAt, actor }) {
      const { id, key } = await changeOnce(db, actor, async (connection) => {
        const secret = `ff_${randomBytes(32).toString('base64url')}`;
        const given = KEY_ROLES.filter((role) => roles.includes(role));
        const [{ insertId }] = await connection.query<WriteResult>(
          'INSERT INTO api_keys (name, hash, roles, expires_at) VALUES (?, ?, ?, ?)',
          [name, hashSecret(secret), given.join(','), expiresAt],
        );
        await recordAudit(connection, actor, { action: 'key.made', details: { key: insertId, roles: given } });
        return { id: insertId, key: secret };
      });
      return { ...(await findById(id)), key };
    },

    async adoptAdminKey(hash) {
      await db.write("INSERT IGNORE INTO api_keys (name, hash, roles) VALUES ('ADMIN_KEY_HASH', UNHEX(?), 'admin')", [
        hash,
      ]);
    },

    async listKeys() {
      const [rows] = await db.query<Row[]>(`SELECT ${COLUMNS} FROM api_keys ORDER BY id`);
      return rows.map(toKey);
    },

    async revokeKey(id, actor) {
      await db.transact(async (connection) => {
        const [{ affectedRows }] = await connection.query<WriteResult>(
          'UPDATE api_keys SET revoked_at = CURRENT_TIMESTAMP(3) WHERE id = ? AND revoked_at IS NULL',
          [id],
        );
        if (affectedRows > 0) await recordAudit(connection, actor, { action: 'key.revoked', details: { key: id } });
      });
      return findById(id);
    },

    async findUsableKey(key) {
      if (!looksLikeKey(key)) return null;
      const [rows] = await db.query<Row[]>(
        `SELECT ${COLUMNS},
                (last_used_at IS NULL OR last_used_at < CURRENT_TIMESTAMP(3) - INTERVAL 10 MINUTE) AS note_use
           FROM api_keys WHERE hash = ? AND ${USABLE}`,
        [hashSecret(key)],
      );
      const [row] = rows;
      if (row === undefined) return null;
      if (row.note_use)
        await db.write('UPDATE api_keys SET last_used_at = CURRENT_TIMESTAMP(3) WHERE id = ?', [row.id]);
      return toKey(row);
    },

    async hasUsableKey() {
      const [rows] = await db.query<Row[]>(`SELECT 1 FROM api_keys WHERE ${USABLE} LIMIT 1`);
      return rows.length > 0;
    },
  };
}

function toKey(row: Row): ApiKey {
  const roles: string[] = row.roles.split(',');
  return {
    id: row.id,
    name: row.name,
    roles: KEY_ROLES.filter((role) => roles.includes(role)),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  };
}
