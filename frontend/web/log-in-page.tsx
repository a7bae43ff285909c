import { FaceMark } from './face-mark.tsx';
import { LogInLink } from './log-in-link.tsx';
import { t } from './texts.ts';
import { useSession } from './use-session.ts';

const troubles = ['refused', 'failed', 'unavailable'] as const;
/** How logging in has ended, as the receiver tells in the address; read at once, because the router keeps what views know only. */
const ending = new URLSearchParams(location.search).get('login');
const trouble = troubles.find((known) => known === ending);

/** In place of any view, for somebody who is not known. */
export function LogInPage() {
  const session = useSession();
  if (!session) return null;
  const { login } = session;
  return (
    <section className="empty">
      <FaceMark />
      <h1>{login ? t('login.title') : t('login.keyTitle')}</h1>
      {trouble && <p role="alert">{t(`login.${trouble}`)}</p>}
      <p>{login ? t('login.text') : t('login.keyText')}</p>
      {login && <LogInLink login={login}>{t('login.with', { provider: login.provider })}</LogInLink>}
    </section>
  );
}
