import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { fetchPerson } from '../api-people.ts';
import { t } from '../texts.ts';
import { useNow } from '../use-now.ts';
import type { Following } from './use-face-decisions.ts';

const askEveryMs = 1_000;
/** Stored photos follow within seconds; a large collection takes longer, and events go on telling. */
const lookForMs = 20_000;

/** What happens to other photos after something was said about a face, as it happens. */
export function FollowUp({ person, before, since }: Following) {
  useNow();
  const isLooking = Date.now() - since < lookForMs;
  const { data } = useQuery({
    queryKey: ['person', person.id],
    queryFn: ({ signal }) => fetchPerson(person.id, signal),
    refetchInterval: isLooking ? askEveryMs : false,
  });
  const change = data ? data.images - before : 0;
  return (
    <p className="follow-up" role="status">
      {change === 0 && (isLooking ? t('follow.looking') : t('follow.none'))}
      {change > 0 && (
        <Link to="/" search={{ person: person.id }}>
          {t('follow.found', { count: change, name: person.name })}
        </Link>
      )}
      {change < 0 && t('follow.lost', { count: -change, name: person.name })}
    </p>
  );
}
