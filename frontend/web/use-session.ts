import { useQuery } from '@tanstack/react-query';
import { fetchSession, type Session } from './api.ts';

/** Sessions end by themselves after hours; the table notices at once. */
const pollInterval = 60_000;

/** Who looks at the page; undefined until that is known. */
export function useSession(): Session | undefined {
  const query = useQuery({
    queryKey: ['session'],
    queryFn: ({ signal }) => fetchSession(signal),
    refetchInterval: ({ state }) => (state.error ? 3_000 : pollInterval),
  });
  return query.data;
}

/** Where logging in begins, and then leads back to the page as it is. */
export function loginUrl({ url }: NonNullable<Session['login']>): string {
  const here = new URL(location.href);
  here.searchParams.delete('login');
  return `${url}?${new URLSearchParams({ returnTo: `${here.pathname}${here.search}` })}`;
}
