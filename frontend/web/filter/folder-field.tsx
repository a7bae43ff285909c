import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { ComboBox, Input, Label, ListBox, ListBoxItem, Popover } from 'react-aria-components';
import { fetchFolders } from '../api.ts';
import { t } from '../texts.ts';

/** A field for a folder that offers those there are, level by level. Choosing one shows what is in it, and what is below. */
export function FolderField({ folder, choose }: { folder: string; choose: (folder: string) => void }) {
  const [text, setText] = useState(folder);
  // Another view may have been chosen meanwhile.
  useEffect(() => setText(folder), [folder]);
  const { data } = useQuery({
    queryKey: ['folders', text],
    queryFn: ({ signal }) => fetchFolders(text, signal),
    placeholderData: (shown) => shown,
    staleTime: 10_000,
  });
  const folders = (data?.folders ?? []).filter(({ path }) => path.startsWith(text) && path !== text);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const typed = text.trim();
        choose(typed === '' || typed.endsWith('/') ? typed : `${typed}/`);
      }}
    >
      <ComboBox
        className="picker-box"
        allowsCustomValue
        allowsEmptyCollection={false}
        menuTrigger="focus"
        inputValue={text}
        onInputChange={setText}
        items={folders}
        // The receiver has already looked for what was typed.
        defaultFilter={() => true}
        onSelectionChange={(key) => {
          if (typeof key === 'string') choose(key);
        }}
      >
        <Label className="visually-hidden">{t('filter.folder')}</Label>
        <Input className="field" placeholder={t('filter.folderHint')} maxLength={1024} />
        <Popover className="picker-list" offset={4}>
          <ListBox aria-label={t('filter.folders')}>
            {({ path }: { path: string }) => (
              <ListBoxItem id={path} textValue={path} className="suggestion">
                <span className="suggestion-folder">{path}</span>
              </ListBoxItem>
            )}
          </ListBox>
        </Popover>
      </ComboBox>
    </form>
  );
}
