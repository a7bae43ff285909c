import { useRef } from 'react';
import { t } from './texts.ts';

interface Props {
  readonly id: number;
  readonly name: string;
  readonly isSelected: boolean;
  readonly toggle: (id: number, upTo: boolean) => void;
}

/** Chooses a row; with the shift key, all up to it. */
export function SelectBox({ id, name, isSelected, toggle }: Props) {
  const shift = useRef(false);
  return (
    <label
      className="select-box"
      onClickCapture={(event) => {
        shift.current = event.shiftKey;
      }}
    >
      <input
        type="checkbox"
        aria-label={t('select.one', { name })}
        checked={isSelected}
        onChange={() => toggle(id, shift.current)}
      />
    </label>
  );
}
