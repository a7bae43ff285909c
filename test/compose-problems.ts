import { findEnvironmentProblems, serviceOf } from './container-environment.ts';

export interface ComposeFile {
  services: Record<string, ComposeService>;
  volumes: Record<string, unknown>;
}

interface ComposeService {
  image: string;
  command: string[];
  container_name?: string;
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: (string | { type: string; source: string; target: string; read_only?: boolean })[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  stop_grace_period?: string;
}

/** Puts in what Docker compose would: the default, or a word where a variable is required. */
function interpolate(text: string): string {
  return text
    .replace(/\$\{(\w+):\?[^}]*\}/g, (_, key: string) => `word-of-${key}`)
    .replace(/\$\{\w+:-([^}]*)\}/g, '$1');
}

/** What is wrong with the parsed compose file (merge keys resolved, variables not yet). */
export function findComposeProblems(file: ComposeFile): string[] {
  const names = new Set(Object.keys(file.services));
  return Object.entries(file.services).flatMap(([name, service]) =>
    [
      ...findOwnProblems(name, service),
      ...findDependencyProblems(service, file),
      ...findVolumeProblems(service, file),
      ...Object.values(service.environment ?? {}).flatMap((value) => findAddressProblems(value, file, names)),
    ].map((problem) => `${name}: ${problem}`),
  );
}

function findOwnProblems(name: string, service: ComposeService): string[] {
  const environment = Object.fromEntries(
    Object.entries(service.environment ?? {}).map(([key, value]) => [key, interpolate(value)]),
  );
  const program = serviceOf(service.command);
  const port = environment[`${name.toUpperCase()}_PORT`];
  const health = service.healthcheck?.test.join(' ') ?? '';
  const checksOwnPort = new RegExp(`deploy/check-health\\.mjs (http|grpc)://127\\.0\\.0\\.1:${port}(/|$)`).test(health);
  const problems: [boolean, string][] = [
    [/:\d+\.\d+\.\d+(-[a-z0-9.]+)?$/.test(service.image), `the image ${service.image} has no version`],
    [service.container_name === undefined, 'a fixed name cannot be scaled'],
    [name !== 'processor' || service.ports === undefined, 'a published port cannot be scaled'],
    [findClearSecrets(service).length === 0, `a secret in clear: ${findClearSecrets(service)}`],
    [(service.ports ?? []).every((entry) => entry.startsWith('127.0.0.1:')), 'a port beyond loopback'],
    [(service.ports ?? []).every((entry) => entry.endsWith(`:${port}`)), `a published port other than ${port}`],
    [!service.image.startsWith('faceflow:') || program !== undefined, `${service.command.join(' ')} starts nothing`],
    [program === undefined || program === 'sql' || checksOwnPort, `its health check is not on port ${port}`],
    [program === undefined || Number.parseInt(service.stop_grace_period ?? '10', 10) > 25, 'is killed before it stops'],
  ];
  return [
    ...problems.filter(([fine]) => !fine).map(([, problem]) => problem),
    ...(program === undefined ? [] : findEnvironmentProblems('environment', program, { own: environment })),
  ];
}

/** Every word of a secret must be a variable that is required: no default, nothing written out. */
function findClearSecrets({ environment = {}, command }: ComposeService): string[] {
  const REQUIRED = '<required>';
  const mark = (value: string) => value.replace(/\$\{\w+:\?[^}]+\}/g, REQUIRED);
  const isClear = ([key, value]: [string, string]) => {
    if (/PASSWORD|TOKEN|SECRET/.test(key)) return mark(value) !== REQUIRED;
    const [, secret = REQUIRED] = /^\w+:\/\/(?:[^:@/]*:)?(.*)@[\w.-]+:\d+/.exec(mark(value)) ?? [];
    return secret !== REQUIRED;
  };
  return [
    ...Object.entries(environment)
      .filter(isClear)
      .map(([key]) => key),
    ...command.filter((word) => word.startsWith('--auth=') && mark(word) !== `--auth=${REQUIRED}`),
  ];
}

function findDependencyProblems(service: ComposeService, file: ComposeFile): string[] {
  return Object.entries(service.depends_on ?? {}).flatMap(([name, { condition }]) => {
    const other = file.services[name];
    if (other === undefined) return [`depends on ${name}, which is not there`];
    return condition === 'service_healthy' && other.healthcheck === undefined ? [`${name} has no health check`] : [];
  });
}

function findVolumeProblems(service: ComposeService, file: ComposeFile): string[] {
  return (service.volumes ?? []).flatMap((volume) => {
    if (typeof volume !== 'string') return volume.read_only ? [] : [`${volume.target} is not read-only`];
    const [source = ''] = volume.split(':');
    return source in file.volumes ? [] : [`there is no volume ${source}`];
  });
}

/** The ports of the two servers that are not ours. */
const SERVER_PORTS = new Map([
  ['mysql', '3306'],
  ['nats', '4222'],
]);

function findAddressProblems(value: string, file: ComposeFile, names: ReadonlySet<string>): string[] {
  const [, host, port] = /^(?:\w+:\/\/(?:[^@/]+@)?)?([a-z][\w.-]*):(\d+)(?:\/|$)/.exec(interpolate(value)) ?? [];
  if (host === undefined) return [];
  if (!names.has(host)) return [`there is no service ${host}`];
  const listens = SERVER_PORTS.get(host) ?? file.services[host]?.environment?.[`${host.toUpperCase()}_PORT`];
  return listens === port ? [] : [`${host} does not listen on ${port}`];
}
