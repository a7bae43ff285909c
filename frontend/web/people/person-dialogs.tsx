import { useMutation, useQueryClient } from '@tanstack/react-query';
import { erasePerson, mergePeople, type PersonDetail, type Receipt, renamePerson } from '../api-people.ts';
import { ConfirmDialog } from '../confirm-dialog.tsx';
import { ModalDialog } from '../modal-dialog.tsx';
import { tell, tellError } from '../notices.tsx';
import { PersonPicker } from '../person-picker.tsx';
import { t } from '../texts.ts';
import { NameForm } from './name-form.tsx';

interface Props {
  readonly person: PersonDetail;
  readonly close: () => void;
}

export function RenamePerson({ person, close }: Props) {
  const refresh = useRefresh();
  const renaming = useMutation({
    mutationFn: (name: string) => renamePerson(person.id, name),
    onSuccess: ({ name }) => {
      refresh();
      tell(t('person.renamed', { name }));
      close();
    },
  });
  return (
    <ModalDialog title={t('person.rename')} close={close}>
      <NameForm
        value={person.name}
        action={t('person.save')}
        isBusy={renaming.isPending}
        error={renaming.error}
        save={(name) => renaming.mutate(name)}
        close={close}
      />
    </ModalDialog>
  );
}

export function MergePerson({ person, close }: Props) {
  const refresh = useRefresh();
  const merging = useMutation({
    mutationFn: ({ id }: { id: number; other: string }) => mergePeople(person.id, [id]),
    onSuccess: (_, { other }) => {
      refresh();
      tell(t('person.merged', { other, name: person.name }));
      close();
    },
    onError: tellError,
  });
  return (
    <ModalDialog title={t('person.mergeTitle', { name: person.name })} close={close}>
      <p>{t('person.mergeText', { name: person.name })}</p>
      <PersonPicker
        label={t('person.mergeWho')}
        without={[person.id]}
        knownOnly
        action={t('person.merge')}
        isBusy={merging.isPending}
        choose={(choice, other) => {
          if ('personId' in choice) merging.mutate({ id: choice.personId, other });
        }}
      />
      <div className="dialog-actions">
        <button type="button" className="button" onClick={close}>
          {t('dialog.cancel')}
        </button>
      </div>
    </ModalDialog>
  );
}

export function ErasePerson({ person, close, onErased }: Props & { onErased: (receipt: Receipt) => void }) {
  const refresh = useRefresh();
  const erasing = useMutation({
    mutationFn: () => erasePerson(person.id),
    onSuccess: (receipt) => {
      onErased(receipt);
      refresh();
    },
    onError: tellError,
  });
  return (
    <ConfirmDialog
      title={t('person.eraseTitle', { name: person.name })}
      text={t('person.eraseText')}
      action={t('person.erase')}
      isBusy={erasing.isPending}
      confirm={() => erasing.mutate()}
      close={close}
    />
  );
}

/** What is held of people, and of photos with their names, is asked for again. */
function useRefresh(): () => void {
  const client = useQueryClient();
  return () => {
    for (const key of ['people', 'person', 'images', 'image']) void client.invalidateQueries({ queryKey: [key] });
  };
}
