/** What Zod finds wrong: one of its issues, as far as it is told here. */
export interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** Of `unrecognized_keys`. */
  readonly keys?: readonly string[];
  /** Of `invalid_union`: what is wrong by each of the shapes that would do. Told unless the union has a message of its own. */
  readonly errors?: readonly (readonly Issue[])[];
}

/**
 * Says in one line what is wrong with a request, for whoever wrote it: `name: is missing; body: there is no expires`.
 *
 * @param whole what the issues without a path are about: `body`, `query`
 */
export function describeProblems(issues: readonly Issue[], whole: string): string {
  return issues.map((issue) => describeProblem(issue, whole)).join('; ');
}

function describeProblem(issue: Issue, whole: string): string {
  const where = issue.path.join('/') || whole;
  if (issue.code === 'unrecognized_keys') return `${where}: there is no ${issue.keys?.join(', ')}`;
  if (issue.message === 'Invalid input' && issue.errors !== undefined && issue.errors.length > 0) {
    const ways = issue.errors.map((errors) =>
      describeProblems(
        errors.map((error) => ({ ...error, path: [...issue.path, ...error.path] })),
        whole,
      ),
    );
    return [...new Set(ways)].join(', or ');
  }
  if (issue.code !== 'invalid_type') return `${where}: ${issue.message}`;
  if (/received undefined$/.test(issue.message)) return `${where}: is missing`;
  if (where === 'body' && /received null$/.test(issue.message)) return 'body: is missing: send JSON';
  return `${where}: ${issue.message.replace(/, received NaN$/, '')}`;
}
