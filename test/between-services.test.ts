import { setMaxListeners } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase, type Row } from '../lib/database.ts';
import { connectionOptions, openNatsAccess } from '../lib/nats-access.ts';
import { keepTls } from '../lib/tls-files.ts';
import { waitForMigrations } from '../sql/wait.ts';
import { createAuthority, writeTlsFiles } from './certificates.ts';
import { type PeopleServices, type SeenFace, startPeopleServices } from './people-services.ts';
import { startService } from './servers.ts';
import { type Account, startTlsServers, type TlsServers } from './tls-servers.ts';
import { waitFor } from './wait-for.ts';

let servers: TlsServers;
let services: PeopleServices;

beforeAll(async () => {
  servers = await startTlsServers();
  services = await startPeopleServices({ servers });
});
afterAll(async () => {
  await services?.stop();
  await servers?.stop();
});

const call: PeopleServices['call'] = (...args) => services.call(...args);
const silent = { log: pino({ level: 'silent' }), signal: new AbortController().signal };
setMaxListeners(0, silent.signal);

/** The database as one service sees it. */
async function openAs(account: Account) {
  const config = servers.settings(account);
  const db = openDatabase(config.MYSQL_URL, { tls: await keepTls('MYSQL', config, silent), connections: 1 });
  onTestFinished(() => db.close());
  return db;
}

describe('with TLS everywhere, an account for each service, and no more rights than they need', () => {
  test('photos are matched, people enrolled, renamed, merged and erased, and the jobs run', async () => {
    const stopEvents = new AbortController();
    const events = readEvents(stopEvents.signal);
    const first = await services.process('sample4.jpg');
    expect(first.status).toBe('unknown');

    const ada = (await call('POST', '/v1/people', { name: 'Ada' })).body.id;
    const enrolled = await services.finish(
      await call('POST', `/v1/people/${ada}/faces`, { paths: [{ path: 'a.jpg' }] }),
    );
    expect(enrolled.codes).toEqual([null]);
    await waitFor('the job to name her in the photo', async () => {
      const { body } = await call('GET', `/v1/images/${first.id}`);
      return body.status === 'matched' && body.person.name === 'Ada';
    });
    expect((await call('PATCH', `/v1/people/${ada}`, { name: 'Ada L', threshold: 0.5 })).status).toBe(200);
    expect((await call('POST', '/v1/search', { path: 'a.jpg' })).status).toBe(200);

    await writeFile(join(services.known, 'eve_1.jpg'), await readFile(join(services.photos, 'e.jpg')));
    await waitFor('the folder to be enrolled', async () => {
      const { body } = await call('GET', '/v1/people?q=eve');
      return body.people[0]?.faces === 1;
    });
    const { id } = await services.process('sample6.jpg');
    // Looked at before the recognizer has read what it has enrolled, it is compared again.
    const second = await waitFor('her to be named in the photo', async () => {
      const { body } = await call('GET', `/v1/images/${id}`);
      return body.status === 'matched' && body;
    });

    const stranger = second.faces.find((face: SeenFace) => face.person === null)?.id;
    expect((await call('PUT', `/v1/faces/${stranger}/person`, { name: 'Bea' })).status).toBe(200);
    expect((await call('DELETE', `/v1/faces/${stranger}/person`)).status).toBe(200);
    const bea = (await call('GET', '/v1/people?q=bea')).body.people[0].id;
    expect((await call('POST', `/v1/people/${ada}/merge`, { people: [bea] })).status).toBe(200);

    const file = await readFile(join(services.photos, 'b.jpg'));
    expect((await services.upload('/v1/images', { 'b.jpg': file })).status).toBe(202);
    expect((await call('DELETE', `/v1/people/${ada}`)).status).toBe(200);
    await waitFor('her to be forgotten', async () => {
      const { body } = await call('GET', `/v1/images/${first.id}`);
      return body.status === 'unknown' && (await call('GET', `/v1/people/${ada}`)).status === 404;
    });
    for (const path of [
      '/v1/stats',
      '/v1/stats/history',
      '/v1/system',
      '/v1/clusters',
      '/v1/images?q=sample',
      '/v1/calibration',
    ]) {
      expect((await call('GET', path)).status, path).toBe(200);
    }
    const { jobs } = (await call('GET', '/v1/jobs')).body;
    const names = jobs.map((job: { name: string }) => job.name);
    expect(names).toEqual(expect.arrayContaining(['clusters', 'rematch', 'sweep', 'retry', 'tidy', 'history']));
    expect((await call('DELETE', `/v1/images/${second.id}`)).status).toBe(204);
    await waitFor('events to be told', () =>
      ['image.accepted', 'image.finished', 'image.changed', 'person.removed'].every((kind) =>
        events.text().includes(kind),
      ),
    );
    stopEvents.abort();
    await events.ended;
  });

  test('a second model is prepared, switched to, gone back from and dropped', async () => {
    const models = () => call('GET', '/v1/models').then(({ body }) => body.models as { name: string; state: string }[]);
    const [active, other] = (await models()).map(({ name }) => name);
    const untilState = (name: string | undefined, state: string) =>
      waitFor(
        `${name} to be ${state}`,
        async () => (await models()).find((one) => one.name === name)?.state === state,
        120_000,
      );
    expect((await call('POST', `/v1/models/${other}/prepare`)).status).toBe(202);
    await untilState(other, 'prepared');
    expect((await call('POST', `/v1/models/${other}/activate`)).status).toBe(200);
    await waitFor(
      'every face to be of it',
      async () => {
        const left = 'SELECT 1 FROM faces WHERE model <> ? AND descriptor IS NOT NULL LIMIT 1';
        const [rows] = await servers.db.query<Row[]>(left, [other]);
        return rows.length === 0;
      },
      120_000,
    );
    expect((await call('POST', `/v1/models/${active}/activate`)).status).toBe(200);
    expect((await call('DELETE', `/v1/models/${other}`)).status).toBe(202);
    await untilState(other, 'available');
  });

  test('nobody was refused anything meanwhile', () => {
    for (const { log } of [services.receiver, services.processor(), services.recognizer]) {
      expect(
        log()
          .split('\n')
          .filter((line) => /denied|violation|refuse/i.test(line)),
      ).toEqual([]);
    }
  });

  test.each<[Account, string, number]>([
    ['receiver', 'INSERT INTO faces (image_id, face_index) VALUES (1, 99)', 1142],
    ['receiver', 'DELETE FROM faces', 1142],
    ['receiver', 'DELETE FROM api_keys', 1142],
    ['receiver', "UPDATE api_keys SET roles = 'admin'", 1143],
    ['receiver', 'DELETE FROM erasures', 1142],
    ['receiver', 'DELETE FROM jobs', 1142],
    ['receiver', 'DELETE FROM audit', 1142],
    ['receiver', "UPDATE audit SET caller = 'eve'", 1142],
    ['processor', 'SELECT * FROM audit', 1142],
    ['receiver', 'SELECT * FROM refused_photos', 1142],
    ['processor', "INSERT INTO images (path) VALUES ('/etc/passwd')", 1142],
    ['processor', 'DELETE FROM images', 1142],
    ['processor', "INSERT INTO person (name) VALUES ('Eve')", 1142],
    ['processor', "UPDATE person SET name = 'Eve'", 1143],
    ['processor', 'DELETE FROM person', 1142],
    ['processor', 'UPDATE gallery SET threshold = 0.7', 1143],
    ['processor', 'DELETE FROM person_images', 1142],
    ['processor', "UPDATE erasures SET receipt = '{}'", 1142],
    ['processor', 'SELECT * FROM api_keys', 1142],
    ['processor', 'SELECT * FROM sessions', 1142],
    ['recognizer', 'SELECT * FROM api_keys', 1142],
    ['recognizer', 'SELECT * FROM images', 1142],
    ['recognizer', 'SELECT person_id FROM faces', 1143],
    ['recognizer', 'UPDATE faces SET person_id = NULL', 1142],
    ['recognizer', 'UPDATE gallery SET threshold = 0.7', 1143],
    ['recognizer', 'UPDATE person SET threshold = 0.7', 1143],
    ['recognizer', 'DELETE FROM person_images', 1142],
    ['recognizer', 'SELECT * FROM enrolments', 1142],
    ...(['receiver', 'processor', 'recognizer'] as const).flatMap((account): [Account, string, number][] => [
      [account, 'SELECT checksum FROM schema_migrations', 1143],
      [account, 'UPDATE schema_lock SET holder = NULL', 1142],
      [account, 'CREATE TABLE mine (id INT)', 1142],
      [account, 'DROP TABLE images', 1142],
      [account, 'ALTER TABLE images ADD COLUMN mine INT', 1142],
      [account, "GRANT SELECT ON images TO 'faceflow_recognizer'@'%'", 1142],
      [account, 'SELECT * FROM mysql.user', 1142],
    ]),
    ['migrate', "CREATE USER 'eve'@'%'", 1227],
    ['migrate', 'SELECT * FROM mysql.user', 1142],
  ])('MySQL refuses the %s: %s', async (account, statement, errno) => {
    const db = await openAs(account);
    const problem = await db.query(statement).then(
      () => 'it was done',
      (error: { errno: number }) => error.errno,
    );
    expect(problem).toBe(errno);
  });

  test.each<Account>(['receiver', 'processor', 'recognizer'])(
    'the %s can see that the migrations are done',
    async (account) => {
      const config = servers.settings(account);
      await waitForMigrations(config.MYSQL_URL, { tls: await keepTls('MYSQL', config, silent) });
    },
  );

  test('every table is granted to somebody', async () => {
    const [rows] = await servers.db.query<Row[]>(
      `SELECT t.table_name AS name FROM information_schema.tables t
        WHERE t.table_schema = DATABASE() AND t.table_name NOT LIKE 'schema\\_%'`,
    );
    const granted = await Promise.all(
      ['receiver', 'processor', 'recognizer'].map((name) =>
        readFile(new URL(`../sql/users/${name}.sql`, import.meta.url), 'utf8'),
      ),
    );
    const without = rows
      .map(({ name }) => name as string)
      .filter((name) => !granted.join('').includes(` ON ${name} TO `));
    expect(without, 'tables that no service may use: say in sql/users/*.sql who may do what').toEqual([]);
  });

  const NATS_REFUSALS: [Account, 'publish' | 'subscribe', string][] = [
    ['receiver', 'publish', '$JS.API.CONSUMER.MSG.NEXT.IMAGES.processor'],
    ['receiver', 'publish', '$JS.ACK.IMAGES.processor.1.1.1.1.1'],
    ['receiver', 'publish', '$JS.API.STREAM.PURGE.IMAGES'],
    ['receiver', 'publish', '$KV.IMAGES_leader.leader'],
    ['receiver', 'publish', 'events.job.progress'],
    ['receiver', 'subscribe', '_INBOX_processor.>'],
    ['processor', 'publish', 'images.identify'],
    ['processor', 'publish', 'images.enrol'],
    ['processor', 'publish', '$KV.IMAGES_sweeper.leader'],
    ['processor', 'publish', '$JS.API.CONSUMER.CREATE.EVENTS.mine'],
    ['processor', 'subscribe', '_INBOX_receiver.>'],
    ...(['receiver', 'processor'] as const).flatMap((account): [Account, 'publish' | 'subscribe', string][] => [
      [account, 'publish', '$JS.API.STREAM.DELETE.IMAGES'],
      [account, 'publish', '$JS.API.STREAM.DELETE.EVENTS'],
      [account, 'publish', '$JS.API.STREAM.CREATE.MINE'],
      [account, 'subscribe', '>'],
      [account, 'subscribe', 'images.*'],
      [account, 'subscribe', '$SYS.>'],
    ]),
  ];

  test.each(NATS_REFUSALS)('NATS refuses the %s to %s: %s', async (account, operation, subject) => {
    const config = servers.settings(account);
    const access = await openNatsAccess(account, config, silent);
    const connection = await connect(connectionOptions(config.NATS_URL, access));
    onTestFinished(() => connection.close());
    const refused: string[] = [];
    void (async () => {
      for await (const status of connection.status()) if (status.type === 'error') refused.push(String(status.error));
    })();
    if (operation === 'publish') connection.publish(subject);
    else connection.subscribe(subject);
    await connection.flush();
    await waitFor('the refusal', () => refused.some((text) => text.includes(`"${subject}"`)));
  });
});

describe('who cannot be trusted', () => {
  test('is not let in: no TLS, no certificate, somebody else’s', async () => {
    const { MYSQL_URL, NATS_URL, ...files } = servers.settings('receiver');
    const foreign = await mkdtemp(join(tmpdir(), 'faceflow-foreign-'));
    onTestFinished(() => rm(foreign, { recursive: true }));
    const own = await writeTlsFiles(
      foreign,
      servers.authority.cert,
      createAuthority('somebody else').issue(['receiver']),
    );
    const ca = { MYSQL_TLS_CA_FILE: own.ca, NATS_TLS_CA_FILE: own.ca };
    const cases: Record<string, string>[] = [
      {},
      ca,
      {
        ...ca,
        ...{ MYSQL_TLS_CERT_FILE: own.cert, MYSQL_TLS_KEY_FILE: own.key },
        ...{ NATS_TLS_CERT_FILE: own.cert, NATS_TLS_KEY_FILE: own.key },
      },
    ];
    for (const config of cases) {
      const db = openDatabase(MYSQL_URL, { tls: await keepTls('MYSQL', config, silent) });
      await expect(db.query('SELECT 1')).rejects.toThrow();
      await db.close();
      const access = await openNatsAccess('receiver', { ...config, NATS_URL }, silent);
      await expect(connect({ ...connectionOptions(NATS_URL, access), reconnect: false })).rejects.toThrow();
    }
    // And the very same with the right files.
    const access = await openNatsAccess('receiver', { ...files, NATS_URL }, silent);
    await (await connect(connectionOptions(NATS_URL, access))).close();
  });

  test('a processor that trusts nobody here lives, is not ready, says why, and goes on when its files are right', async () => {
    await services.processor().stop();
    const folder = await mkdtemp(join(tmpdir(), 'faceflow-renewed-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const somebody = createAuthority('somebody else');
    const { ca, cert, key } = await writeTlsFiles(folder, somebody.cert, somebody.issue(['processor']));
    const files = ['MYSQL', 'NATS', 'GRPC'].flatMap((peer) => [
      [`${peer}_TLS_CA_FILE`, ca],
      [`${peer}_TLS_CERT_FILE`, cert],
      [`${peer}_TLS_KEY_FILE`, key],
    ]);
    const processor = await startService(
      'processor',
      {
        ...servers.settings('processor'),
        ...Object.fromEntries(files),
        RECOGNIZER_ADDRESS: `localhost:${services.recognizer.port}`,
      },
      { ready: '/healthz' },
    );
    onTestFinished(async () => void (await processor.stop()));
    const posted = (await call('POST', '/image/post', { path: 'c.jpg' })).body.id;
    const ready = async () =>
      (await fetch(`http://127.0.0.1:${processor.port}/readyz`)).json() as Promise<{ status: string }>;
    await waitFor('it to say why', () => /no connection to NATS.*(certificate|self.signed)/.test(processor.log()));
    expect(await ready()).toMatchObject({ status: 'not ready', reason: expect.stringMatching(/certificate|NATS/) });
    expect((await call('GET', `/v1/images/${posted}`)).body.status).toBe('pending');

    await writeTlsFiles(folder, servers.authority.cert, servers.authority.issue(['processor']));
    await waitFor('it to be ready', async () => (await ready()).status === 'ready');
    await waitFor('the photo to be processed', async () => {
      const { body } = await call('GET', `/v1/images/${posted}`);
      return body.status !== 'pending';
    });
  });
});

/** Everything that `GET /v1/events` says until `signal` is aborted. */
function readEvents(signal: AbortSignal) {
  let text = '';
  const read = async () => {
    const response = await fetch(`${services.url}/v1/events`, { signal });
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  };
  const ended = read().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return { text: () => text, ended };
}
