import { Link } from '@tanstack/react-router';
import { t } from './texts.ts';

export function NotFoundPage() {
  return (
    <section className="empty">
      <h1>{t('notFound.title')}</h1>
      <p>{t('notFound.text')}</p>
      <Link className="button" to="/">
        {t('notFound.back')}
      </Link>
    </section>
  );
}
