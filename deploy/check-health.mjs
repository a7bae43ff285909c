// The health check of containers whose platform cannot ask for itself (docker compose):
//   node deploy/check-health.mjs http://127.0.0.1:8000/readyz     answers with a 2xx
//   node deploy/check-health.mjs grpc://127.0.0.1:50051           grpc.health.v1 says SERVING for the whole server;
//                                                                 with TLS where GRPC_TLS_CERT_FILE is set
//   node deploy/check-health.mjs receiver                         the service of that name, at its port in the environment
//   node deploy/check-health.mjs                                  the service that this container runs (process 1)
// Exit code 0 when healthy, 1 with a reason otherwise. Plain JavaScript, so that nothing has to be compiled for it.
import { readFileSync } from 'node:fs';
import { Client, credentials } from '@grpc/grpc-js';

const TIMEOUT_MS = 3_000;

/** Where each service says how it is, with the ports of the image. */
const DOORS = {
  receiver: ({ RECEIVER_PORT = '8000' }) => `http://127.0.0.1:${RECEIVER_PORT}/readyz`,
  processor: ({ PROCESSOR_PORT = '8082' }) => `http://127.0.0.1:${PROCESSOR_PORT}/readyz`,
  recognizer: ({ RECOGNIZER_PORT = '50051' }) => `grpc://127.0.0.1:${RECOGNIZER_PORT}`,
  frontend: ({ FRONTEND_PORT = '8081' }) => `http://127.0.0.1:${FRONTEND_PORT}/readyz`,
};

/** `node\0dist/receiver/main.js\0` → `receiver` */
function nameOfProcess1() {
  const [, name] = /dist\/([a-z]+)\/main\.js/.exec(readFileSync('/proc/1/cmdline', 'utf8')) ?? [];
  return name ?? 'unknown';
}

async function checkHttp(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}

/** The container asks itself, with its own certificate: its name does not matter. */
function chooseCredentials({ GRPC_TLS_CERT_FILE: cert, GRPC_TLS_KEY_FILE: key }) {
  if (!cert || !key) return credentials.createInsecure();
  const options = { rejectUnauthorized: false, checkServerIdentity: () => undefined };
  return credentials.createSsl(null, readFileSync(key), readFileSync(cert), options);
}

/** An empty HealthCheckRequest has no bytes; a response that says SERVING is field 1, varint 1 (grpc.health.v1). */
async function checkGrpc(address) {
  const asIs = (bytes) => bytes;
  const client = new Client(address, chooseCredentials(process.env), {
    // An address is no name that TLS could ask for.
    'grpc.ssl_target_name_override': 'localhost',
  });
  const response = await new Promise((resolve, reject) => {
    const deadline = Date.now() + TIMEOUT_MS;
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      asIs,
      asIs,
      Buffer.alloc(0),
      { deadline },
      (error, bytes) => (error ? reject(error) : resolve(bytes)),
    );
  });
  if (!Buffer.from([0x08, 0x01]).equals(response)) throw new Error(`${address} does not serve now`);
}

try {
  const asked = process.argv[2] ?? nameOfProcess1();
  // Migrations come to an end by themselves.
  if (asked === 'sql') process.exit(0);
  const url = new URL(DOORS[asked]?.(process.env) ?? asked);
  if (url.protocol === 'grpc:') await checkGrpc(url.host);
  else if (url.protocol === 'http:') await checkHttp(url);
  else throw new Error('Give it http://host:port/path, grpc://host:port or the name of a service');
  process.exit(0);
} catch (error) {
  console.error(error.cause?.message ?? error.message);
  process.exit(1);
}
