import i18next from 'i18next';
import { ApiError } from './request.ts';
import { t } from './texts.ts';

/** What went wrong, in the reader's language where the page knows the code, else as the receiver says it. */
export function describeError(error: unknown): string {
  if (!(error instanceof ApiError)) return t('error.other');
  return describeReason({ code: error.code, message: error.message });
}

/** Why a photo ended as it did, or was refused. */
export function describeReason({ code, message }: { code: string; message: string }): string {
  const key = `reason.${code}`;
  // English readers get the receiver's own sentence, which knows the particulars.
  const isKnown = i18next.exists(key) && (i18next.language !== 'en' || ownWords.has(code));
  return isKnown ? String(i18next.t(key as never)) : message;
}

const ownWords = new Set(['receiver_unavailable', 'unreachable']);
