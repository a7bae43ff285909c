import type { ComposeFile } from './compose-problems.ts';

/** Ways to break compose.yaml, and what the checks must say to each. */
export const composeBreakages: {
  name: string;
  change: (services: ComposeFile['services']) => void;
  problem: RegExp;
}[] = [
  ['a misspelt key', 'processor', { environment: { NATS_URLL: 'x' } }, /processor does not read NATS_URLL/],
  [
    'a missing key',
    'receiver',
    { environment: { RECEIVER_PORT: '8000' } },
    /receiver: environment: loadConfig refuses it[\s\S]*IMAGE_ROOTS/,
  ],
  ['a password in clear', 'mysql', { environment: { MYSQL_PASSWORD: 'hunter2' } }, /in clear: MYSQL_PASSWORD/],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: compose's own syntax
  ['a default password', 'mysql', { environment: { MYSQL_PASSWORD: '${A:-hunter2}' } }, /in clear: MYSQL_PASSWORD/],
  ['a token in a URL', 'receiver', { environment: { NATS_URL: 'nats://hunter2@nats:4222' } }, /in clear: NATS_URL/],
  ['a token in a command', 'nats', { command: ['nats-server', '--auth=hunter2'] }, /in clear: --auth/],
  ['a port for everybody', 'receiver', { ports: ['8000:8000'] }, /a port beyond loopback/],
  ['a port of nothing', 'receiver', { ports: ['127.0.0.1:8000:80'] }, /a published port other than 8000/],
  ['a port of the processor', 'processor', { ports: ['127.0.0.1:8082:8082'] }, /cannot be scaled/],
  ['a fixed name', 'processor', { container_name: 'processor' }, /a fixed name cannot be scaled/],
  ['an unknown command', 'receiver', { command: ['node', 'dist/x/main.js'] }, /dist\/x\/main.js starts nothing/],
  ['an image without a version', 'mysql', { image: 'mysql' }, /the image mysql has no version/],
  ['a health check elsewhere', 'receiver', { healthcheck: { test: ['CMD', 'true'] } }, /not on port 8000/],
  ['too short a time to stop', 'receiver', { stop_grace_period: '5s' }, /is killed before it stops/],
  ['an unknown volume', 'mysql', { volumes: ['mysql:/var/lib/mysql'] }, /there is no volume mysql/],
  ['an unknown service', 'frontend', { depends_on: { x: { condition: 'service_started' } } }, /depends on x/],
  ['no health check', 'nats', { healthcheck: undefined }, /nats has no health check/],
  ['a wrong address', 'frontend', { environment: { RECEIVER_URL: 'http://receiver:80' } }, /not listen on 80/],
].map(([name, service, fields, problem]) => ({
  name: name as string,
  problem: problem as RegExp,
  change: (services) => Object.assign(services[service as string] as object, fields),
}));
