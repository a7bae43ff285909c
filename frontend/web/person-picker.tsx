import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Button, ComboBox, Input, Label, ListBox, ListBoxItem, Popover } from 'react-aria-components';
import { type Choice, coverUrl, fetchPeople, type PersonSummary } from './api-people.ts';
import { t } from './texts.ts';

interface Props {
  readonly label: string;
  /** People who are not offered. */
  readonly without?: readonly number[];
  /** Only people who are known already can be chosen. */
  readonly knownOnly?: boolean;
  /** Choosing somebody who is offered is all there is to do. */
  readonly chooseAtOnce?: boolean;
  readonly placeholder?: string;
  readonly action: string;
  readonly isBusy: boolean;
  readonly autoFocus?: boolean;
  readonly choose: (choice: Choice, name: string) => void;
}

const suggestions = 8;

/** A field for a name that offers the people who are known, and takes a new name as well. */
export function PersonPicker({
  label,
  without = [],
  knownOnly = false,
  chooseAtOnce = false,
  placeholder,
  action,
  isBusy,
  autoFocus,
  choose,
}: Props) {
  const [text, setText] = useState('');
  const name = text.trim();
  const { data } = useQuery({
    queryKey: ['people', 'picker', name],
    queryFn: ({ signal }) => fetchPeople({ q: name || undefined, limit: suggestions + without.length }, signal),
    placeholderData: (shown) => shown,
    staleTime: 10_000,
  });
  const people = (data?.people ?? []).filter(({ id }) => !without.includes(id)).slice(0, suggestions);
  const known = people.find((person) => person.name.toLowerCase() === name.toLowerCase());
  const submit = () => {
    if (known) choose({ personId: known.id }, known.name);
    else if (name !== '' && !knownOnly) choose({ name }, name);
  };
  return (
    <form
      className="picker"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <ComboBox
        className="picker-box"
        allowsCustomValue
        allowsEmptyCollection={false}
        menuTrigger="focus"
        inputValue={text}
        onInputChange={setText}
        items={people}
        // The receiver has already looked for what was typed.
        defaultFilter={() => true}
        onSelectionChange={(key) => {
          const person = people.find(({ id }) => id === key);
          if (person) setText(person.name);
          if (person && chooseAtOnce) choose({ personId: person.id }, person.name);
        }}
      >
        <Label className="visually-hidden">{label}</Label>
        <Input
          className="field"
          placeholder={placeholder ?? t('picker.placeholder')}
          maxLength={255}
          autoFocus={autoFocus ?? false}
        />
        <Popover className="picker-list" offset={4}>
          <ListBox aria-label={t('picker.choose')}>{(person: PersonSummary) => <Suggestion person={person} />}</ListBox>
        </Popover>
      </ComboBox>
      <Button
        type="submit"
        className="button"
        data-kind="primary"
        isDisabled={isBusy || name === '' || (knownOnly && !known)}
      >
        {isBusy ? t('dialog.busy') : action}
      </Button>
    </form>
  );
}

function Suggestion({ person }: { person: PersonSummary }) {
  const url = coverUrl(person, 64);
  return (
    <ListBoxItem id={person.id} textValue={person.name} className="suggestion">
      {url === null ? (
        <span className="suggestion-face" />
      ) : (
        <img className="suggestion-face" src={url} alt="" loading="lazy" />
      )}
      <span>{person.name}</span>
      <small>{t('picker.photos', { count: person.images })}</small>
    </ListBoxItem>
  );
}
