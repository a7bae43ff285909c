import { useEffect, useRef, useState } from 'react';

/** The list follows when nothing has been typed for so long, ms. */
const settleMs = 250;

interface Props {
  readonly value: string;
  readonly label: string;
  readonly placeholder: string;
  readonly change: (text: string) => void;
}

/** A field for words; `change` is called once the reader stops typing. */
export function TextFilter({ value, label, placeholder, change }: Props) {
  const [text, setText] = useState(value);
  const told = useRef(value);
  // Back, or a link, has changed it meanwhile.
  useEffect(() => {
    if (value === told.current) return;
    told.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    const words = text.trim();
    if (words === told.current) return;
    const timer = setTimeout(() => {
      told.current = words;
      change(words);
    }, settleMs);
    return () => clearTimeout(timer);
  }, [text, change]);
  return (
    <label className="text-filter">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d="M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.5 4.5" />
      </svg>
      <input
        type="search"
        aria-label={label}
        placeholder={placeholder}
        value={text}
        maxLength={200}
        onChange={(event) => setText(event.target.value)}
      />
    </label>
  );
}
