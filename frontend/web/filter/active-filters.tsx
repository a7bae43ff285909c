import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { fetchPerson } from '../api-people.ts';
import { formatDay } from '../format.ts';
import { exactView, type ImageSearch, withSearch } from '../routes.tsx';
import { t } from '../texts.ts';

/** The filters that are not to be seen elsewhere, each with the way to be rid of it. */
export function ActiveFilters({ search }: { search: ImageSearch }) {
  const { person, folder, from, to } = search;
  if (person === undefined && folder === undefined && from === undefined && to === undefined) return null;
  return (
    <ul className="active-filters" aria-label={t('filter.active')}>
      {person !== undefined && <PersonFilter id={person} search={search} />}
      {folder !== undefined && (
        <Removable
          name={folder}
          explained={t('filter.removeFolder', { folder })}
          search={withSearch(search, { folder: undefined })}
        />
      )}
      {(from !== undefined || to !== undefined) && (
        <Removable
          name={describeDays(from, to)}
          explained={t('filter.removeDates', { dates: describeDays(from, to) })}
          search={withSearch(search, { from: undefined, to: undefined })}
        />
      )}
    </ul>
  );
}

function PersonFilter({ id, search }: { id: number; search: ImageSearch }) {
  const { data } = useQuery({ queryKey: ['person', id], queryFn: ({ signal }) => fetchPerson(id, signal) });
  const name = data?.name ?? `#${id}`;
  return (
    <Removable
      name={name}
      explained={t('filter.removePerson', { name })}
      search={withSearch(search, { person: undefined })}
    />
  );
}

function Removable({ name, explained, search }: { name: string; explained: string; search: ImageSearch }) {
  return (
    <li>
      <Link
        className="chip"
        data-removable
        to="/"
        search={search}
        activeOptions={exactView}
        aria-label={explained}
        title={name}
      >
        <span className="chip-name">{name}</span> <span aria-hidden="true">×</span>
      </Link>
    </li>
  );
}

function describeDays(from: string | undefined, to: string | undefined): string {
  if (from === to && from !== undefined) return formatDay(from);
  if (from === undefined) return t('filter.until', { day: formatDay(to ?? '') });
  if (to === undefined) return t('filter.since', { day: formatDay(from) });
  return `${formatDay(from)} – ${formatDay(to)}`;
}
