import { chooseLanguage, currentLanguage, type Language, languages, t } from './texts.ts';

export function PageFooter() {
  const current = currentLanguage();
  return (
    <footer className="page-footer">
      <fieldset aria-label={t('footer.language')}>
        {(Object.keys(languages) as Language[]).map((language) => (
          <button
            key={language}
            type="button"
            lang={languages[language].code}
            aria-pressed={language === current}
            onClick={() => void chooseLanguage(language)}
          >
            {languages[language].name}
          </button>
        ))}
      </fieldset>
    </footer>
  );
}
