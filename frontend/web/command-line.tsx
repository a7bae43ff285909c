import { useState } from 'react';
import { t } from './texts.ts';

/** A command to copy. */
export function CommandLine({ command }: { command: string }) {
  const [copied, setCopied] = useState(false);
  // Browsers offer the clipboard to https and to this machine only; elsewhere the line can still be selected.
  const canCopy = 'clipboard' in navigator;
  const copy = async () => {
    await navigator.clipboard.writeText(command);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <div className="command">
      <code>{command}</code>
      {canCopy && (
        <button type="button" className="button" onClick={() => void copy().catch(() => setCopied(false))}>
          {copied ? t('command.copied') : t('command.copy')}
        </button>
      )}
    </div>
  );
}
