/** The part of the API about the system itself: what it does, which processes there are, and its threshold. */

import type { Image, Person } from './api.ts';
import { getJson, send } from './request.ts';

/** How images ended during one minute. */
export interface Minute {
  /** When it began: ISO 8601, UTC. */
  readonly at: string;
  /** How much of it is counted: 60 when it is over. */
  readonly seconds: number;
  /** Images that were pending; null: nobody counted. */
  readonly backlog: number | null;
  readonly matched: number;
  readonly unknown: number;
  readonly noFace: number;
  readonly unreadable: number;
  readonly failed: number;
  /** From posting to the end, of half and of 19 of 20 images; null when none ended. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

export interface Replica {
  readonly service: 'receiver' | 'processor' | 'recognizer';
  readonly name: string;
  readonly startedAt: string;
  /** Names of jobs. */
  readonly leads: readonly string[];
  readonly breaker: {
    readonly state: 'closed' | 'open' | 'half_open';
    readonly nextAttemptInSeconds: number | null;
  } | null;
  readonly gallery: { readonly model: string; readonly faces: number } | null;
  readonly workers: number | null;
}

export interface ReasonCount {
  readonly status: 'failed' | 'unreadable';
  readonly reason: string | null;
  readonly count: number;
  /** Of these, photos that are tried again by themselves. */
  readonly scheduled: number;
}

export interface System {
  readonly replicas: readonly Replica[];
  readonly reasons: readonly ReasonCount[];
  readonly gallery: { readonly people: number; readonly references: number };
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number } | null;
}

export interface Job {
  readonly name: string;
  readonly done: number;
  readonly total: number;
  /** Null before the first run. */
  readonly startedAt: string | null;
  /** Null while a run goes on. */
  readonly finishedAt: string | null;
}

export interface FailedImage extends Image {
  /** When it is tried again by itself; null: not any more. */
  readonly retryAt: string | null;
}

export function fetchHistory(minutes: number, signal?: AbortSignal): Promise<{ minutes: readonly Minute[] }> {
  return getJson(`/v1/stats/history?minutes=${minutes}`, signal);
}

export function fetchSystem(signal?: AbortSignal): Promise<System> {
  return getJson('/v1/system', signal);
}

export function fetchJobs(signal?: AbortSignal): Promise<{ jobs: readonly Job[] }> {
  return getJson('/v1/jobs', signal);
}

/** The newest of those that have failed. */
export function fetchFailed(limit: number, signal?: AbortSignal): Promise<{ images: readonly FailedImage[] }> {
  return getJson(`/v1/images?status=failed&limit=${limit}`, signal);
}

/** Has all photos looked at again that ended so, however many. @returns how many */
export async function retryAll(filter: { status: 'failed' | 'unreadable'; reason?: string }): Promise<number> {
  let retried = 0;
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const body = cursor === undefined ? filter : { ...filter, cursor };
    const answer: { retried: number; nextCursor: string | null } = await send('POST', '/v1/images/retry', body, {
      timeoutMs: 60_000,
    });
    retried += answer.retried;
    cursor = answer.nextCursor;
  }
  return retried;
}

export interface Histogram {
  /** The first bin begins at the distance 0. */
  readonly binWidth: number;
  readonly counts: readonly number[];
}

export interface Suggestion {
  readonly threshold: number | null;
  readonly sure: boolean;
  readonly trials: number;
  readonly needed: number;
  /** 0..1, with 95 % confidence. */
  readonly falseAcceptRateAtMost: number | null;
  readonly falseRejectRate: number | null;
}

/** At ascending thresholds. */
export interface Rates {
  readonly threshold: number;
  readonly falseAcceptRate: number | null;
  readonly falseRejectRate: number | null;
}

export interface Calibration {
  readonly threshold: { readonly value: number | null; readonly setBy: 'user' | 'configuration' };
  /** The wanted one, 0..1. */
  readonly falseAcceptRate: number;
  readonly people: { readonly total: number };
  readonly references: { readonly total: number };
  readonly nearest: {
    /** Of each face: to the nearest other one of the person. */
    readonly genuine: Histogram;
    /** To the nearest stranger. */
    readonly impostor: Histogram;
    readonly genuineCount: number;
    readonly impostorCount: number;
    readonly rates: readonly Rates[];
    readonly suggestion: Suggestion;
  };
}

export interface ChangedFace {
  readonly id: number;
  readonly before: Person | null;
  readonly after: Person | null;
  readonly distance: number | null;
}

export interface ThresholdPreview {
  readonly current: number;
  readonly total: {
    readonly images: number;
    readonly gained: number;
    readonly lost: number;
    readonly renamed: number;
    /** False: older photos were not looked at. */
    readonly complete: boolean;
  };
  readonly images: readonly { readonly id: number; readonly path: string; readonly faces: readonly ChangedFace[] }[];
}

/** Measuring a large gallery, and deciding thousands of photos as if, takes some seconds. */
const patience = { timeoutMs: 40_000 };

export function fetchCalibration(signal?: AbortSignal): Promise<Calibration> {
  return getJson('/v1/calibration', signal, patience);
}

/** What another threshold would change; nothing is set. */
export function fetchPreview(threshold: number, signal?: AbortSignal): Promise<ThresholdPreview> {
  return getJson(`/v1/calibration/preview?threshold=${threshold}&limit=12`, signal, patience);
}

/** @param threshold null: the configuration's */
export function setThreshold(threshold: number | null): Promise<unknown> {
  return send('PUT', '/v1/calibration', { threshold });
}
