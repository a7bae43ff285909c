import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Turns values into bytes that only the holder of the secret can read, and back. */
export interface Seal {
  /** @param value of JSON */
  close(value: unknown): Buffer;
  /** @throws when the bytes are not those that this seal has closed */
  open(sealed: Buffer): unknown;
}

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * A seal made of a text that the database does not hold: AES-256-GCM with a key of HKDF-SHA256 (RFC 5869). It is as good as
 * the text is hard to guess.
 */
export function deriveSeal(secret: string, salt: Uint8Array): Seal {
  const key = Buffer.from(hkdfSync('sha256', secret, salt, 'faceflow seal', 32));
  return {
    close(value) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce);
      const bytes = Buffer.concat([cipher.update(deflateRawSync(JSON.stringify(value))), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), bytes]);
    },

    open(sealed) {
      const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES));
      decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      const bytes = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
      return JSON.parse(inflateRawSync(bytes).toString());
    },
  };
}
