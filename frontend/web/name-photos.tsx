import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { nameImages, type SkipReason } from './api.ts';
import type { Choice } from './api-people.ts';
import { markDirty } from './image-list.ts';
import { updateLists } from './live.ts';
import { tell, tellError } from './notices.tsx';
import { PersonPicker } from './person-picker.tsx';
import { t } from './texts.ts';

/** Photos a request: each is one transaction, and so often progress is seen. */
const atOnce = 100;

interface Props {
  readonly ids: readonly number[];
  readonly close: () => void;
  /** Those that were skipped or not reached stay chosen. */
  readonly keep: (ids: ReadonlySet<number>) => void;
}

/** Gives a name to the one unknown face in each of the chosen photos. */
export function NamePhotos({ ids, close, keep }: Props) {
  const client = useQueryClient();
  const [done, setDone] = useState(0);
  const naming = useMutation({
    mutationFn: (choice: Choice) => namePhotos(ids, choice, setDone),
    onSuccess: ({ name, named, skipped, error }) => {
      if (named.length > 0) tell(t('naming.done', { count: named.length, name }));
      if (skipped.size > 0) tell(describeSkipped(skipped));
      if (error !== null) tellError(error);
      const left = new Set(ids.filter((id) => !named.includes(id)));
      updateLists(client, (list) => markDirty(list, named));
      for (const key of ['images', 'image', 'people', 'person', 'clusters', 'stats']) {
        void client.invalidateQueries({ queryKey: [key] });
      }
      keep(left);
      close();
    },
  });
  return (
    <div className="name-photos">
      <p>{t('naming.text')}</p>
      {naming.isPending ? (
        <progress aria-label={t('naming.progress')} value={done} max={ids.length} />
      ) : (
        <PersonPicker
          label={t('picker.label')}
          action={t('naming.action', { count: ids.length })}
          isBusy={false}
          autoFocus
          choose={(choice) => naming.mutate(choice)}
        />
      )}
    </div>
  );
}

interface Outcome {
  readonly name: string;
  readonly named: readonly number[];
  readonly skipped: ReadonlyMap<SkipReason, number>;
  /** What ended it early. */
  readonly error: unknown;
}

async function namePhotos(ids: readonly number[], choice: Choice, tellDone: (done: number) => void): Promise<Outcome> {
  const named: number[] = [];
  const skipped = new Map<SkipReason, number>();
  let name = '';
  for (let start = 0; start < ids.length; start += atOnce) {
    try {
      const answer = await nameImages(ids.slice(start, start + atOnce), choice);
      named.push(...answer.named);
      name = answer.person?.name ?? name;
      for (const { reason } of answer.skipped) skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
      tellDone(start + atOnce);
    } catch (error) {
      return { name, named, skipped, error };
    }
  }
  return { name, named, skipped, error: null };
}

function describeSkipped(skipped: ReadonlyMap<SkipReason, number>): string {
  const count = [...skipped.values()].reduce((sum, one) => sum + one, 0);
  const reasons = [...skipped.keys()].map((reason) => t(`naming.reason.${reason}`));
  return t('naming.skipped', { count, reasons: reasons.join(t('list.separator')) });
}
