// biome-ignore-all lint/a11y/noRedundantRoles: as in image-row.tsx.

import { t } from './texts.ts';

/** Stands where a photo is whose details are being read again. */
export function FarRow({ id, rowIndex }: { id: number; rowIndex: number }) {
  return (
    <tr role="row" aria-rowindex={rowIndex} data-image={id} data-far>
      <td role="cell" colSpan={8}>
        <span className="visually-hidden">{t('loading')}</span>
      </td>
    </tr>
  );
}
