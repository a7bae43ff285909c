import { availableParallelism } from 'node:os';
import { DESCRIPTOR_MODELS } from '../lib/descriptor-models.ts';
import {
  choice,
  commonKeys,
  decimal,
  folder,
  folders,
  integer,
  listenerKeys,
  mysqlUrl,
  optionalPort,
  port,
  readEnv,
} from '../lib/env.ts';
import { imageLimitKeys } from '../lib/image-file.ts';
import { photoSourceKeys } from '../lib/photo-sources.ts';
import { CANDIDATE_LIMIT, DEFAULT_THRESHOLD } from '../lib/similarity.ts';
import { tlsKeys } from '../lib/tls-files.ts';
import { tracingKeys } from '../lib/tracing.ts';
import { ENGINES } from './engine/create-engine.ts';
import { DEFAULT_MIN_CONFIDENCE, DETECTORS } from './engine/engine.ts';

const MODEL_NAMES = DESCRIPTOR_MODELS.map(({ name }) => name);

export type Config = ReturnType<typeof loadConfig>;

/** @throws ConfigError naming every key that is missing or wrong */
export function loadConfig(environment: NodeJS.ProcessEnv) {
  return readEnv(environment, {
    ...commonKeys,
    ...tracingKeys,
    ...listenerKeys,
    ...imageLimitKeys,
    ...photoSourceKeys,
    RECOGNIZER_PORT: port(50051),
    /** `/metrics`, `/healthz` and `/readyz` over HTTP; without it there is gRPC only. */
    METRICS_PORT: optionalPort(),
    /** Without it the recognizer runs alone on the folder KNOWN_PEOPLE. */
    MYSQL_URL: mysqlUrl().optional(),
    ...tlsKeys('MYSQL'),
    /** With a certificate callers need TLS; with an authority also a certificate of their own. */
    ...tlsKeys('GRPC'),
    IMAGE_ROOTS: folders(),
    KNOWN_PEOPLE: folder().optional(),
    RECOGNIZER_ENGINE: choice(ENGINES),
    /** What photos are described by; `auto` is what the database says, and face-api-1 where nobody has changed it. */
    DESCRIPTOR_MODEL: choice(['auto', ...MODEL_NAMES]),
    /** Worker threads, each with its own networks in memory (300 to 450 MB). */
    RECOGNIZER_WORKERS: integer({ min: 1, max: 256, fallback: Math.min(availableParallelism(), 4) }),
    /** Photos that may wait for a worker before callers are told to come back later. */
    RECOGNIZER_QUEUE: integer({ min: 0, max: 100_000, fallback: 64 }),
    /** How long a worker may look at one photo, ms, before it is replaced. Loading its networks does not count. */
    MAX_IMAGE_MS: integer({ min: 1000, max: 3_600_000, fallback: 60_000 }),
    /** `tiny` is faster and misses small faces; `auto` is the fastest that misses none, today `ssd`. */
    DETECTOR: choice(DETECTORS),
    /** What the detector takes for less of a face than this, 0..1, is none. */
    MIN_CONFIDENCE: decimal({ min: 0.1, max: 1, fallback: DEFAULT_MIN_CONFIDENCE }),
    /** Smaller faces are dropped: the shorter side of the box in pixels of the decoded picture; 0 keeps all. */
    MIN_FACE_PIXELS: integer({ min: 0, max: 2048, fallback: 0 }),
    /** The largest Euclidean distance of two descriptors that counts as the same person. */
    MATCH_THRESHOLD: decimal({ min: 0, max: CANDIDATE_LIMIT, fallback: DEFAULT_THRESHOLD }),
    /** `true`: known photos are enrolled even where the face is so poor that strangers would come near to it. */
    ENROL_POOR_FACES: choice(['false', 'true']),
    GALLERY_POLL_MS: integer({ min: 50, max: 3_600_000, fallback: 1000 }),
    /** For this process alone; without it everybody is read from the database at each start. */
    GALLERY_SNAPSHOT: folder().optional(),
  });
}
