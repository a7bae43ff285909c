import { Link } from '@tanstack/react-router';
import { CommandLine } from './command-line.tsx';
import { FaceMark } from './face-mark.tsx';
import { type ImageSearch, withoutFilter } from './routes.tsx';
import { t } from './texts.ts';

export function EmptyPage() {
  return (
    <section className="empty">
      <FaceMark />
      <h2>{t('empty.title')}</h2>
      <p>{t('empty.text')}</p>
      <Link className="button" data-kind="primary" to="/upload">
        {t('empty.upload')}
      </Link>
      <CommandLine command={`curl -d '{"path":"photo.jpg"}' ${location.origin}/image/post`} />
    </section>
  );
}

export function EmptyFilter({ search }: { search: ImageSearch }) {
  return (
    <section className="empty">
      <h2>{t('empty.filterTitle')}</h2>
      <p>{t('empty.filterText')}</p>
      <Link className="button" to="/" search={withoutFilter(search)}>
        {t('empty.showAll')}
      </Link>
    </section>
  );
}
