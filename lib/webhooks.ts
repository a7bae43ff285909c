import { randomBytes } from 'node:crypto';
import { type Actor, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import type { Database, Queryable, Row, WriteResult } from './database.ts';
import { PermanentError } from './errors.ts';
import { deriveSeal } from './seal.ts';
import { WEBHOOK_EVENTS, type WebhookEventName } from './webhook-events.ts';

export interface Webhook {
  readonly id: number;
  readonly url: string;
  readonly events: readonly WebhookEventName[];
  readonly createdAt: Date;
  /** When its secret was last changed. */
  readonly rotatedAt: Date | null;
}

export interface Webhooks {
  /** @returns with the secret, which is told here and nowhere else @throws PermanentError `too_many_webhooks` */
  addWebhook(options: {
    url: string;
    events: readonly WebhookEventName[];
    actor: Actor;
  }): Promise<Webhook & { secret: string }>;
  /** Oldest first. */
  listWebhooks(): Promise<Webhook[]>;
  /** @throws PermanentError `webhook_not_found` */
  findWebhook(id: number): Promise<Webhook>;
  /** With all that was to be sent to it. @throws PermanentError `webhook_not_found` */
  removeWebhook(id: number, actor: Actor): Promise<void>;
  /** A new secret. The one before signs as well for OLD_SECRET_HOURS. @throws PermanentError `webhook_not_found` */
  rotateSecret(id: number, actor: Actor): Promise<Webhook & { secret: string }>;
  /**
   * What deliveries are signed with, the newest first.
   *
   * @throws PermanentError `webhook_not_found`, or `webhook_secret_unreadable` when the sealing secret is another than then
   */
  readSecrets(id: number): Promise<string[]>;
}

const COLUMNS = 'id, url, events, created_at, rotated_at';
/** Each is asked about by every outcome that is recorded. */
const MAX_WEBHOOKS = 50;
export const OLD_SECRET_HOURS = 24;

/** @param sealingSecret WEBHOOK_SECRET: whoever has the database alone cannot sign */
export function openWebhooks(db: Database, sealingSecret: string): Webhooks {
  const findWebhook = async (id: number): Promise<Webhook> => {
    const [rows] = await db.query<Row[]>(`SELECT ${COLUMNS} FROM webhooks WHERE id = ?`, [id]);
    if (rows[0] === undefined) throw notFound(id);
    return toWebhook(rows[0]);
  };
  return {
    findWebhook,

    async addWebhook({ url, events, actor }) {
      const salt = randomBytes(16);
      const wanted = WEBHOOK_EVENTS.filter((event) => events.includes(event));
      const { id, secret } = await changeOnce(db, actor, async (connection) => {
        const [rows] = await connection.query<Row[]>('SELECT COUNT(*) AS count FROM webhooks');
        if (rows[0]?.count >= MAX_WEBHOOKS) {
          throw new PermanentError('too_many_webhooks', `There are ${MAX_WEBHOOKS} webhooks: remove one first.`);
        }
        const made = makeSecret();
        const [{ insertId }] = await connection.query<WriteResult>(
          'INSERT INTO webhooks (url, events, salt, secret) VALUES (?, ?, ?, ?)',
          [url, wanted.join(','), salt, deriveSeal(sealingSecret, salt).close(made)],
        );
        await recordAudit(connection, actor, { action: 'webhook.added', details: { webhook: insertId } });
        return { id: insertId, secret: made };
      });
      return { ...(await findWebhook(id)), secret };
    },

    async listWebhooks() {
      const [rows] = await db.query<Row[]>(`SELECT ${COLUMNS} FROM webhooks ORDER BY id`);
      return rows.map(toWebhook);
    },

    async removeWebhook(id, actor) {
      await db.transact(async (connection) => {
        const [{ affectedRows }] = await connection.query<WriteResult>('DELETE FROM webhooks WHERE id = ?', [id]);
        if (affectedRows === 0) throw notFound(id);
        await recordAudit(connection, actor, { action: 'webhook.removed', details: { webhook: id } });
      });
    },

    async rotateSecret(id, actor) {
      const secret = await changeOnce(db, actor, async (connection) => {
        const { salt, secret: old } = await lockSecrets(connection, id);
        const made = makeSecret();
        await connection.query(
          'UPDATE webhooks SET old_secret = ?, secret = ?, rotated_at = CURRENT_TIMESTAMP(3) WHERE id = ?',
          [old, deriveSeal(sealingSecret, salt).close(made), id],
        );
        await recordAudit(connection, actor, { action: 'webhook.rotated', details: { webhook: id } });
        return made;
      });
      return { ...(await findWebhook(id)), secret };
    },

    async readSecrets(id) {
      const [rows] = await db.query<Row[]>(
        `SELECT salt, secret, old_secret, rotated_at > CURRENT_TIMESTAMP(3) - INTERVAL ? HOUR AS old_signs
           FROM webhooks WHERE id = ?`,
        [OLD_SECRET_HOURS, id],
      );
      const [row] = rows;
      if (row === undefined) throw notFound(id);
      const seal = deriveSeal(sealingSecret, row.salt);
      const newest = openSecret(seal, row.secret);
      // What was sealed before WEBHOOK_SECRET changed is no reason to send nothing.
      const old = row.old_signs && row.old_secret !== null ? tryToOpen(seal, row.old_secret) : [];
      return [newest, ...old];
    },
  };
}

async function lockSecrets(connection: Queryable, id: number): Promise<{ salt: Buffer; secret: Buffer }> {
  const [rows] = await connection.query<Row[]>('SELECT salt, secret FROM webhooks WHERE id = ? FOR UPDATE', [id]);
  if (rows[0] === undefined) throw notFound(id);
  return { salt: rows[0].salt, secret: rows[0].secret };
}

function openSecret(seal: ReturnType<typeof deriveSeal>, sealed: Buffer): string {
  try {
    return String(seal.open(sealed));
  } catch (cause) {
    const message = 'The secret was sealed with another WEBHOOK_SECRET: rotate it.';
    throw new PermanentError('webhook_secret_unreadable', message, { cause });
  }
}

function tryToOpen(seal: ReturnType<typeof deriveSeal>, sealed: Buffer): string[] {
  try {
    return [openSecret(seal, sealed)];
  } catch {
    return [];
  }
}

/** As Standard Webhooks wants them: 24 to 64 random bytes in base64. */
function makeSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

function notFound(id: number): PermanentError {
  return new PermanentError('webhook_not_found', `There is no webhook ${id}.`);
}

function toWebhook(row: Row): Webhook {
  const events = String(row.events).split(',');
  return {
    id: row.id,
    url: row.url,
    events: WEBHOOK_EVENTS.filter((event) => events.includes(event)),
    createdAt: row.created_at,
    rotatedAt: row.rotated_at,
  };
}
