import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A certificate and its key, PEM. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certified {
  /** A certificate for servers and clients, valid for a day. */
  issue(names: readonly string[], options?: { expired?: boolean }): Certified;
}

const DAY_MS = 24 * 60 * 60_000;

/** An authority of its own for each call; Node can check certificates, but not make them, and openssl may not be there. */
export function createAuthority(name: string): Authority {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const valid = { from: new Date(Date.now() - DAY_MS), to: new Date(Date.now() + DAY_MS) };
  const cert = createCertificate({ issuer: name, subject: name, key: privateKey, signer: privateKey, valid });
  return {
    cert,
    key: toPem(privateKey),
    issue(names, { expired = false } = {}) {
      const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const dates = expired ? { from: new Date(Date.now() - 2 * DAY_MS), to: new Date(Date.now() - DAY_MS) } : valid;
      const about = { issuer: name, subject: names[0] ?? name, key, signer: privateKey, valid: dates, names };
      return { cert: createCertificate(about), key: toPem(key) };
    },
  };
}

/**
 * Writes `ca.pem`, `cert.pem` and `key.pem`, each in one piece, and returns their paths.
 *
 * @param authority whom to trust, PEM
 */
export async function writeTlsFiles(folder: string, authority: string, own: Certified) {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries({ ca: authority, ...own })) {
    const file = join(folder, `${name}.pem`);
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
  return { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
}

interface CertificateOptions {
  readonly issuer: string;
  readonly subject: string;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly valid: { readonly from: Date; readonly to: Date };
  /** DNS names; absent: an authority. */
  readonly names?: readonly string[];
}

const toPem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

/** RFC 5280, section 4.1, signed with ECDSA and SHA-256. */
function createCertificate({ issuer, subject, key, signer, valid, names }: CertificateOptions): string {
  const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
  const extensions =
    names === undefined
      ? [extension('2.5.29.19', sequence(der(0x01, Buffer.from([0xff]))))]
      : [
          extension('2.5.29.17', sequence(...names.map((dns) => der(0x82, Buffer.from(dns))))),
          // For servers and for clients.
          extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'))),
        ];
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    distinguishedName(issuer),
    sequence(utcTime(valid.from), utcTime(valid.to)),
    distinguishedName(subject),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', body, signer);
  const whole = sequence(body, ECDSA_WITH_SHA256, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const utcTime = (date: Date) => der(0x17, Buffer.from(`${date.toISOString().replace(/\D/g, '').slice(2, 14)}Z`));
const distinguishedName = (commonName: string) =>
  sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))));
const extension = (id: string, value: Uint8Array) => sequence(oid(id), der(0x04, value));

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  const base128 = (arc: number): number[] =>
    arc < 0x80 ? [arc] : [...base128(arc >> 7).map((it) => it | 0x80), arc & 0x7f];
  return der(0x06, Buffer.from([first * 40 + second, ...others.flatMap(base128)]));
}
