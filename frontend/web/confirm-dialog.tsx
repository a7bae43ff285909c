import type { ReactNode } from 'react';
import { ModalDialog } from './modal-dialog.tsx';
import { t } from './texts.ts';

interface Props {
  readonly title: string;
  readonly text: ReactNode;
  readonly action: string;
  readonly isBusy: boolean;
  readonly confirm: () => void;
  readonly close: () => void;
}

/** Asks before something that cannot be undone. */
export function ConfirmDialog({ title, text, action, isBusy, confirm, close }: Props) {
  return (
    <ModalDialog title={title} close={close}>
      <p>{text}</p>
      <div className="dialog-actions">
        <button type="button" className="button" onClick={close}>
          {t('dialog.cancel')}
        </button>
        <button type="button" className="button" data-kind="danger" disabled={isBusy} onClick={confirm}>
          {isBusy ? t('dialog.busy') : action}
        </button>
      </div>
    </ModalDialog>
  );
}
