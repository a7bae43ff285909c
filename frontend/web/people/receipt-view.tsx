import type { ReactNode } from 'react';
import type { Receipt } from '../api-people.ts';
import { formatCount } from '../format.ts';
import { t } from '../texts.ts';

const counts = ['references', 'descriptors', 'faces', 'photos', 'files'] as const;

/** What was erased with a person, and what is left for the reader to do. */
export function ReceiptView({ receipt, back }: { receipt: Receipt; back: ReactNode }) {
  return (
    <section className="receipt-page" aria-live="polite">
      <div className="page-title">
        <h1>{t('person.receiptTitle')}</h1>
      </div>
      <p>{t('person.receiptText')}</p>
      <dl className="receipt">
        {counts.map((name) => (
          <div key={name}>
            <dt>{t(`person.receipt.${name}`)}</dt>
            <dd>{formatCount(receipt[name])}</dd>
          </div>
        ))}
        <div>
          <dt>{t('person.receipt.digest')}</dt>
          <dd>
            <code>{receipt.digest}</code>
          </dd>
        </div>
      </dl>
      {receipt.folderPhotos && receipt.folderPhotos.length > 0 && (
        <>
          <p className="reason">{t('person.folderPhotos')}</p>
          <ul className="refused">
            {receipt.folderPhotos.map((photo) => (
              <li key={photo}>{photo}</li>
            ))}
          </ul>
        </>
      )}
      <div className="dialog-actions">{back}</div>
    </section>
  );
}
