import { type ReactNode, useRef, useState } from 'react';
import { tell } from './notices.tsx';
import { readDroppedFiles } from './read-dropped-files.ts';
import { t } from './texts.ts';

interface Props {
  readonly title: string;
  readonly hint: string;
  /** Of the button that opens the browser's choice of files. */
  readonly choose: string;
  /** Of the button that opens a choice of folders; without it there is none. */
  readonly chooseFolder?: string;
  readonly isLarge?: boolean;
  readonly isSingle?: boolean;
  readonly take: (files: readonly File[]) => void;
  readonly children?: ReactNode;
}

/** Takes files that are dropped on it, or chosen. */
export function DropZone({ title, hint, choose, chooseFolder, isLarge, isSingle, take, children }: Props) {
  const [isOver, setOver] = useState(false);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is a shortcut; the buttons do the same by keyboard.
    <div
      className="drop-zone"
      data-over={isOver}
      data-size={isLarge ? 'large' : 'small'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void readDroppedFiles(event.dataTransfer).then(({ files, unreadable }) => {
          if (unreadable > 0) tell(t('upload.unreadable', { count: unreadable }), 'trouble');
          if (files.length > 0) take(files);
        });
      }}
    >
      <strong className="drop-title">{title}</strong>
      <p>{hint}</p>
      <div className="drop-actions">
        <FileButton text={choose} isSingle={isSingle ?? false} isFolder={false} take={take} />
        {chooseFolder !== undefined && <FileButton text={chooseFolder} isSingle={false} isFolder take={take} />}
      </div>
      {children}
    </div>
  );
}

interface ButtonProps {
  readonly text: string;
  readonly isSingle: boolean;
  readonly isFolder: boolean;
  readonly take: (files: readonly File[]) => void;
}

function FileButton({ text, isSingle, isFolder, take }: ButtonProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" className="button" onClick={() => input.current?.click()}>
        {text}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        aria-label={text}
        accept="image/*,.heic,.heif"
        multiple={!isSingle}
        {...(isFolder ? { webkitdirectory: '' } : {})}
        onChange={(event) => {
          const files = [...(event.target.files ?? [])];
          // The same file can be chosen again.
          event.target.value = '';
          if (files.length > 0) take(files);
        }}
      />
    </>
  );
}
