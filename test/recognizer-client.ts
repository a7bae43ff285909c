import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { credentials, loadPackageDefinition, Metadata, type ServiceError } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { IdentifyClient, type IdentifyResponse, type Recognition } from '../proto/face.ts';
import type { Json } from './ask.ts';

/** The reference system's own proto file, two messages and no more. */
const REFERENCE_PROTO = `
syntax = "proto3";
package facerecog;
service Identify { rpc Identify(IdentifyRequest) returns (IdentifyResponse) {} }
message IdentifyRequest { string image_path = 1; }
message IdentifyResponse { string image_name = 1; }
`;

export interface Call {
  /** Settles with the answer, or rejects with the ServiceError. */
  readonly answer: Promise<IdentifyResponse>;
  cancel(): void;
}

export interface RecognizerClient {
  start(path: string, timeoutMs?: number): Call;
  /** What was seen; rejects with the ServiceError. */
  identify(path: string): Promise<Recognition & { imageName: string }>;
  /** The status, the stable code in the trailing metadata, and the text of the error that a path ends in. */
  failWith(path: string): Promise<{ status: number; code: string | undefined; details: string }>;
  close(): void;
}

export function connectRecognizer(port: number): RecognizerClient {
  const client = new IdentifyClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const start = (path: string, timeoutMs = 60_000) => {
    let cancel = () => {};
    const answer = new Promise<IdentifyResponse>((resolve, reject) => {
      const options = { deadline: Date.now() + timeoutMs };
      const call = client.identify(
        { imagePath: path, image: Buffer.alloc(0) },
        new Metadata(),
        options,
        (error, response) => (error ? reject(error) : resolve(response)),
      );
      cancel = () => call.cancel();
    });
    return { answer, cancel };
  };
  return {
    start,
    async identify(path) {
      const { recognition, imageName } = await start(path).answer;
      if (recognition === undefined) throw new Error('The recognizer only answered the image name.');
      return { ...recognition, imageName };
    },
    async failWith(path) {
      const error = await start(path).answer.then(
        () => Promise.reject(new Error(`${path} was answered`)),
        (failure: ServiceError) => failure,
      );
      const code = error.metadata?.get('faceflow-error-code')[0]?.toString();
      return { status: error.code, code, details: error.details };
    },
    close: () => client.close(),
  };
}

/** Asks as the reference's processor does, with a client made from its proto file. */
export async function askAsReference(port: number, folder: string, imagePath: string): Promise<object> {
  const file = join(folder, 'reference.proto');
  await writeFile(file, REFERENCE_PROTO);
  const definition = loadSync(file, { keepCase: true });
  return callOnce(definition, ['facerecog', 'Identify'], port, 'Identify', { image_path: imagePath });
}

/** One unary call of a service that is only known by its proto file. */
export function callOnce(
  definition: PackageDefinition,
  [pkg, service]: readonly [string, string],
  port: number,
  method: string,
  request: object,
): Promise<object> {
  // What is loaded at run time has no types.
  let found: Json = loadPackageDefinition(definition);
  for (const part of [...pkg.split('.'), service]) found = found[part];
  const client: Json = new found(`127.0.0.1:${port}`, credentials.createInsecure());
  return new Promise<object>((resolve, reject) => {
    client[method](request, (error: ServiceError | null, answer: object) => (error ? reject(error) : resolve(answer)));
  }).finally(() => client.close());
}

interface ServiceList {
  listServicesResponse: { service: { name: string }[] };
}

/** Asks by grpc.reflection.v1 which services there are. */
export function askReflection(definition: PackageDefinition, port: number): Promise<ServiceList> {
  const loaded: Json = loadPackageDefinition(definition);
  const { ServerReflection } = loaded.grpc.reflection.v1;
  const client = new ServerReflection(`127.0.0.1:${port}`, credentials.createInsecure());
  const call = client.serverReflectionInfo();
  return new Promise<ServiceList>((resolve, reject) => {
    call.on('data', resolve).on('error', reject);
    call.write({ listServices: '' });
    call.end();
  }).finally(() => client.close());
}
