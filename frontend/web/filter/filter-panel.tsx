import '../styles/filter.css';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useId, useRef } from 'react';
import { PersonPicker } from '../person-picker.tsx';
import { type ImageSearch, withoutFilter, withSearch } from '../routes.tsx';
import { t } from '../texts.ts';
import { useMedia } from '../use-width.ts';
import { FolderField } from './folder-field.tsx';
import { SortChoice } from './sort-choice.tsx';

/** What the list can be narrowed down to beside status and words. Each choice shows at once, in the list and in the address. */
export function FilterPanel({ search, close }: { search: ImageSearch; close: () => void }) {
  const navigate = useNavigate();
  const isNarrow = useMedia('(max-width: 40rem)');
  const change = (part: Parameters<typeof withSearch>[1]) =>
    void navigate({ to: '/', search: withSearch(search, part), replace: true });
  return (
    <section className="filter-panel" aria-label={t('filter.panel')}>
      {isNarrow && <SortChoice search={search} />}
      <div>
        <h2>{t('filter.person')}</h2>
        <PersonPicker
          label={t('filter.person')}
          placeholder={t('filter.name')}
          knownOnly
          chooseAtOnce
          action={t('filter.show')}
          isBusy={false}
          choose={(choice) => 'personId' in choice && change({ person: choice.personId })}
        />
      </div>
      <div>
        <h2>{t('filter.folder')}</h2>
        <FolderField
          folder={search.folder ?? ''}
          choose={(folder) => change({ folder: folder === '' ? undefined : folder })}
        />
      </div>
      <fieldset>
        <legend>{t('filter.dates')}</legend>
        <DayField label={t('filter.from')} day={search.from} max={search.to} change={(from) => change({ from })} />
        <DayField label={t('filter.to')} day={search.to} min={search.from} change={(to) => change({ to })} />
      </fieldset>
      <div className="filter-panel-actions">
        <button
          type="button"
          className="button"
          data-kind="quiet"
          onClick={() => void navigate({ to: '/', search: withoutFilter(search), replace: true })}
        >
          {t('filter.clear')}
        </button>
        <button type="button" className="button" onClick={close}>
          {t('filter.close')}
        </button>
      </div>
    </section>
  );
}

interface DayProps {
  readonly label: string;
  readonly day: string | undefined;
  readonly min?: string | undefined;
  readonly max?: string | undefined;
  readonly change: (day: string | undefined) => void;
}

/** The browser's own field for a date. What is half typed changes nothing. */
function DayField({ label, day, min = '1970-01-01', max = '2999-12-31', change }: DayProps) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  // Another view may have been chosen meanwhile.
  useEffect(() => {
    if (input.current) input.current.value = day ?? '';
  }, [day]);
  const apply = () => {
    const { value, validity } = input.current ?? {};
    if (validity?.valid && value !== (day ?? '')) change(value || undefined);
  };
  return (
    <div className="day-field">
      <label htmlFor={id}>{label}</label>
      <input
        ref={input}
        id={id}
        className="field"
        type="date"
        min={min}
        max={max}
        defaultValue={day ?? ''}
        onBlur={apply}
        onKeyDown={({ key }) => key === 'Enter' && apply()}
      />
    </div>
  );
}
