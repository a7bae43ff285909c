import { expect, test } from 'vitest';
import { ConfigError } from '../lib/env.ts';
import { loadConfig } from './config.ts';

test('a folder of photos is all that the recognizer needs', () => {
  expect(loadConfig({ IMAGE_ROOTS: '/photos:/more' })).toMatchObject({
    HOST: '127.0.0.1',
    RECOGNIZER_PORT: 50051,
    IMAGE_ROOTS: ['/photos', '/more'],
    KNOWN_PEOPLE: undefined,
    MYSQL_URL: undefined,
    RECOGNIZER_ENGINE: 'onnx',
    RECOGNIZER_QUEUE: 64,
    MATCH_THRESHOLD: 0.55,
    GALLERY_POLL_MS: 1000,
    MAX_IMAGE_BYTES: 67_108_864,
    MAX_IMAGE_PIXELS: 200_000_000,
    MAX_IMAGE_MS: 60_000,
    DETECTOR: 'ssd',
    MIN_CONFIDENCE: 0.5,
    MIN_FACE_PIXELS: 0,
  });
});

test.each(['ssd', 'tiny', 'auto'])('the detector may be %s', (DETECTOR) => {
  expect(loadConfig({ IMAGE_ROOTS: '/photos', DETECTOR })).toMatchObject({ DETECTOR });
});

test('every bad key is named at once', () => {
  const load = () =>
    loadConfig({
      RECOGNIZER_ENGINE: 'dlib',
      RECOGNIZER_WORKERS: '0',
      MATCH_THRESHOLD: 'low',
      GALLERY_POLL_MS: '-1',
      MYSQL_URL: 'postgres://user:secret@host/db',
    });
  expect(load).toThrow(ConfigError);
  for (const key of ['IMAGE_ROOTS', 'RECOGNIZER_ENGINE', 'RECOGNIZER_WORKERS', 'MATCH_THRESHOLD', 'GALLERY_POLL_MS']) {
    expect(load).toThrow(`${key}: expected`);
  }
  expect(load).toThrow('MYSQL_URL: expected');
  expect(load).not.toThrow('secret');
});
