import { type Span, SpanKind } from '@opentelemetry/api';
import type { Queryable } from './database.ts';
import { inPart, isRecorded } from './spans.ts';
import { ATTRIBUTES } from './trace-names.ts';

/** A transaction of many statements is not told in full. */
const STATEMENTS_TOLD = 8;
const VERB = /\w+/;
/** The first; `??` stands for the first value. */
const TABLE = /\b(?:from|into|update)\s+(\w+|\?\?)/i;

type Statement = [sql: unknown, values?: unknown];
type Transaction<Result> = (connection: Queryable) => Promise<Result>;

const settings = (summary?: string) => ({
  kind: SpanKind.CLIENT,
  attributes: { [ATTRIBUTES.dbSystem]: 'mysql', ...(summary && { [ATTRIBUTES.dbSummary]: summary }) },
});

/** Runs one statement as a span, where it is part of something that is recorded. */
export function traceStatement<Result>(statement: Statement, run: () => Promise<Result>): Promise<Result> {
  if (!isRecorded()) return run();
  const summary = summarise(statement);
  return inPart(summary, run, () => settings(summary));
}

/** Runs a transaction as one span that tells its statements. @param run runs what it is given instead of `work` */
export function traceTransaction<Result>(
  work: Transaction<Result>,
  run: (work: Transaction<Result>) => Promise<Result>,
): Promise<Result> {
  if (!isRecorded()) return run(work);
  const told = new Set<string>();
  const tell: Transaction<Result> = (connection) => {
    const query = (...statement: Statement) => {
      if (told.size < STATEMENTS_TOLD) told.add(summarise(statement));
      return (connection.query as (...statement: Statement) => unknown)(...statement);
    };
    return work({ query: query as Queryable['query'] });
  };
  const runAndName = async (span?: Span) => {
    try {
      return await run(tell);
    } finally {
      const summary = [...told].join('; ');
      span?.updateName(summary);
      span?.setAttribute(ATTRIBUTES.dbSummary, summary);
    }
  };
  return inPart('transaction', runAndName, settings);
}

/** What a statement does, and to which table, as `SELECT images`: neither its text nor its values. */
export function summarise([sql, values]: Statement): string {
  const text = String(sql);
  const verb = VERB.exec(text)?.[0].toUpperCase() ?? 'QUERY';
  const table = TABLE.exec(text)?.[1];
  if (table === undefined) return verb;
  return `${verb} ${table === '??' && Array.isArray(values) ? values[0] : table}`;
}
