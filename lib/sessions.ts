import { randomBytes } from 'node:crypto';
import { hashSecret } from './api-keys.ts';
import type { Database, Row } from './database.ts';

/** Somebody as their provider has told who they are. */
export interface Identity {
  readonly issuer: string;
  /** The same for ever, unlike names and addresses. */
  readonly subject: string;
  readonly name: string;
  /** What roles depend on: each claim's values. `verified_email` holds addresses that the provider vouches for. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
}

export interface Sessions {
  /** @returns what the cookie is to hold: 256 random bits, of which only the hash is kept */
  addSession(identity: Identity, lifetimeMs: number): Promise<string>;
  /** Who has this cookie; null when it has expired, or nobody has. */
  findSession(token: string): Promise<Identity | null>;
  removeSession(token: string): Promise<void>;
}

export function openSessions(db: Database): Sessions {
  return {
    async addSession({ issuer, subject, name, claims }, lifetimeMs) {
      const token = randomBytes(32).toString('base64url');
      // Logging in is rare enough to sweep up behind those who have left.
      await db.write('DELETE FROM sessions WHERE expires_at < CURRENT_TIMESTAMP(3) LIMIT 1000', []);
      await db.write(
        `INSERT INTO sessions (hash, issuer, subject, name, claims, expires_at)
         VALUES (?, ?, ?, ?, ?, CURRENT_TIMESTAMP(3) + INTERVAL ? SECOND)`,
        [hashSecret(token), issuer, subject, name.slice(0, 255), JSON.stringify(claims), Math.round(lifetimeMs / 1000)],
      );
      return token;
    },

    async findSession(token) {
      const [rows] = await db.query<Row[]>(
        'SELECT issuer, subject, name, claims FROM sessions WHERE hash = ? AND expires_at > CURRENT_TIMESTAMP(3)',
        [hashSecret(token)],
      );
      const [row] = rows;
      if (row === undefined) return null;
      return { issuer: row.issuer, subject: row.subject, name: row.name, claims: JSON.parse(row.claims) };
    },

    async removeSession(token) {
      await db.write('DELETE FROM sessions WHERE hash = ?', [hashSecret(token)]);
    },
  };
}
