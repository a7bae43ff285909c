import i18next from 'i18next';
import { setFormatLocale } from './format.ts';
import { en } from './texts/en.ts';

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'texts';
    resources: { texts: typeof en };
  }
}

/** Every language that the page speaks, as it calls itself, with the code that the browser knows it by. */
export const languages = { en: { name: 'English', code: 'en' }, zh: { name: '简体中文', code: 'zh-Hans' } } as const;
export type Language = keyof typeof languages;

const storageKey = 'faceflow:language';
const listeners = new Set<() => void>();

/** The text for a key, in the reader's language. What shows it is drawn anew when the language changes (routes.tsx). */
export const t = i18next.t.bind(i18next) as typeof i18next.t;

// At once, for whoever imports a text: English is part of the page, other languages are fetched when they are wanted.
void i18next.init({
  lng: 'en',
  fallbackLng: 'en',
  ns: ['texts'],
  defaultNS: 'texts',
  initAsync: false,
  resources: { en: { texts: en } },
  // React escapes what it shows.
  interpolation: { escapeValue: false },
  showSupportNotice: false,
});

/** Before anything is drawn. */
export async function startTexts(): Promise<void> {
  await applyLanguage(rememberedLanguage() ?? preferredLanguage());
}

/** For good, on this browser. */
export async function chooseLanguage(language: Language): Promise<void> {
  try {
    localStorage.setItem(storageKey, language);
  } catch {
    // A browser that keeps nothing still shows the language until the page is closed.
  }
  await applyLanguage(language);
  for (const notify of listeners) notify();
}

export function currentLanguage(): Language {
  return i18next.language === 'zh' ? 'zh' : 'en';
}

export function subscribeToLanguage(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

async function applyLanguage(language: Language): Promise<void> {
  if (language === 'zh' && !i18next.hasResourceBundle('zh', 'texts')) {
    const { zh } = await import('./texts/zh.ts');
    i18next.addResourceBundle('zh', 'texts', zh);
  }
  await i18next.changeLanguage(language);
  setFormatLocale(language === 'zh' ? 'zh-CN' : 'en-GB');
  document.documentElement.lang = languages[language].code;
}

function rememberedLanguage(): Language | null {
  try {
    const kept = localStorage.getItem(storageKey);
    return kept === 'en' || kept === 'zh' ? kept : null;
  } catch {
    return null;
  }
}

function preferredLanguage(): Language {
  return navigator.languages[0]?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
