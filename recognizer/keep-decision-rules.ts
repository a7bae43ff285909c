import type { DecisionRulesTable } from '../lib/decision-rules.ts';
import type { DecisionRules } from './decide.ts';

/** Plain SQL stamps no revision on what it changes: that is seen after this time at the latest. */
const RELOAD_MS = 30_000;
/** Reading the rules may take this share of the time, however many there are. */
const RELOAD_SHARE = 20;

export interface DecisionRulesKeeper {
  readonly current: DecisionRules;
  /** The rules are at least as new as this revision of the gallery; 0 without a database, where there are none. */
  readonly revision: number;
  /** Reads what has changed since. @throws when the database cannot be read: the rules stay as they are */
  follow(): Promise<void>;
}

/**
 * Keeps what people have said about thresholds and faces like the database.
 *
 * @param options.table null without a database
 * @param options.threshold where nobody has set one for the gallery
 */
export function keepDecisionRules(options: {
  table: DecisionRulesTable | null;
  model: string;
  threshold: number;
}): DecisionRulesKeeper {
  const { table, model, threshold } = options;
  let current: DecisionRules = {
    ...{ threshold, largestThreshold: threshold },
    ...{ thresholdOf: new Map(), rejectedOf: new Map() },
  };
  let revision = 0;
  let loadedVersion: string | null = null;
  let reloadAt = 0;

  async function follow() {
    if (table === null) return;
    // Read first, so that the rules are never older than it says.
    const seen = await table.readRulesVersion();
    if (seen.version !== loadedVersion || Date.now() >= reloadAt) {
      const started = Date.now();
      const stored = await table.loadRules(model);
      const general = stored.threshold ?? threshold;
      let largestThreshold = general;
      for (const own of stored.thresholdOf.values()) largestThreshold = Math.max(largestThreshold, own);
      current = { ...stored, threshold: general, largestThreshold };
      loadedVersion = seen.version;
      reloadAt = Date.now() + Math.max(RELOAD_MS, RELOAD_SHARE * (Date.now() - started));
    }
    revision = Math.max(revision, seen.revision);
  }

  // One after the other: a slow reader must not put what it read over what a later one has read.
  let last = Promise.resolve();
  return {
    get current() {
      return current;
    },
    get revision() {
      return revision;
    },
    follow() {
      last = last.catch(() => undefined).then(follow);
      return last;
    },
  };
}
