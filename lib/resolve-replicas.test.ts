import { expect, test } from 'vitest';
import { isReplicasAddress, toReplicasTarget } from './resolve-replicas.ts';

test.each([
  ['recognizer:50051', 'replicas:///recognizer:50051'],
  ['localhost:50051', 'replicas:///localhost:50051'],
  ['127.0.0.1:50051,127.0.0.1:50052', 'replicas:///127.0.0.1:50051,127.0.0.1:50052'],
  ['[::1]:50051', 'replicas:///[::1]:50051'],
  ['dns:///recognizer.example:50051', 'replicas:///recognizer.example:50051'],
  ['dns:recognizer:50051', 'replicas:///recognizer:50051'],
  ['dns://10.0.0.10:53/recognizer:50051', 'replicas://10.0.0.10:53/recognizer:50051'],
  ['ipv4:127.0.0.1:50051,127.0.0.1:50052', 'ipv4:127.0.0.1:50051,127.0.0.1:50052'],
  ['unix:///run/recognizer.sock', 'unix:///run/recognizer.sock'],
])('%s is looked up as %s', (address, target) => {
  expect(toReplicasTarget(address)).toBe(target);
});

test.each([
  'recognizer',
  'recognizer:grpc',
  'recognizer:0',
  'recognizer:65536',
  'http://recognizer:50051',
  'a:1,',
  'a:1, b:2',
  '::1:50051',
])('%s is refused', (address) => {
  expect(isReplicasAddress(address)).toBe(false);
});
