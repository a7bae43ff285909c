import { useEffect, useId, useRef, useState } from 'react';
import { describeError } from '../describe-error.ts';
import { t } from '../texts.ts';

interface Props {
  readonly value?: string;
  readonly action: string;
  readonly isBusy: boolean;
  readonly error: Error | null;
  readonly save: (name: string) => void;
  readonly close: () => void;
}

/** Asks for a name, in a dialog. */
export function NameForm({ value = '', action, isBusy, error, save, close }: Props) {
  const [name, setName] = useState(value);
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  // The dialog is there for this field.
  useEffect(() => field.current?.select(), []);
  const trimmed = name.trim();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (trimmed !== '') save(trimmed);
      }}
    >
      <label className="visually-hidden" htmlFor={id}>
        {t('picker.label')}
      </label>
      <input
        ref={field}
        id={id}
        className="field"
        value={name}
        maxLength={255}
        autoComplete="off"
        placeholder={t('picker.label')}
        aria-describedby={error ? `${id}-error` : undefined}
        onChange={(event) => setName(event.target.value)}
      />
      {error && (
        <p id={`${id}-error`} role="alert">
          {describeError(error)}
        </p>
      )}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={close}>
          {t('dialog.cancel')}
        </button>
        <button type="submit" className="button" data-kind="primary" disabled={isBusy || trimmed === ''}>
          {isBusy ? t('dialog.busy') : action}
        </button>
      </div>
    </form>
  );
}
