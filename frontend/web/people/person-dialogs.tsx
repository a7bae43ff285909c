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

/** In the page, not in a dialog: the browser's own dialogs let nothing outside of them be chosen, as suggestions are. */
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
    <section className="panel" aria-label={t('person.mergeTitle', { name: person.name })}>
      <h2>{t('person.mergeTitle', { name: person.name })}</h2>
      <p>{t('person.mergeText', { name: person.name })}</p>
      <div className="panel-line">
        <PersonPicker
          label={t('person.mergeWho')}
          without={[person.id]}
          knownOnly
          autoFocus
          action={t('person.merge')}
          isBusy={merging.isPending}
          choose={(choice, other) => {
            if ('personId' in choice) merging.mutate({ id: choice.personId, other });
          }}
        />
        <button type="button" className="button" onClick={close}>
          {t('dialog.cancel')}
        </button>
      </div>
    </section>
  );
}

interface EraseProps extends Props {
  readonly onErasing: (isErasing: boolean) => void;
  readonly onErased: (receipt: Receipt) => void;
}

export function ErasePerson({ person, close, onErasing, onErased }: EraseProps) {
  const refresh = useRefresh();
  const erasing = useMutation({
    mutationFn: () => erasePerson(person.id),
    onMutate: () => onErasing(true),
    onSuccess: (receipt) => {
      onErased(receipt);
      refresh();
    },
    onError: (error) => {
      onErasing(false);
      tellError(error);
    },
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
