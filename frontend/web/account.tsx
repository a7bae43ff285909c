import { useMutation } from '@tanstack/react-query';
import { logOut } from './api.ts';
import { LogInLink } from './log-in-link.tsx';
import { t } from './texts.ts';
import { useSession } from './use-session.ts';

/** Who is logged in, and the way out or in. Nothing where nobody need say who they are. */
export function Account() {
  const session = useSession();
  const leaving = useMutation({
    mutationFn: logOut,
    // Loaded anew: nothing of what was seen stays in the page.
    onSuccess: () => location.assign('/'),
  });
  if (session?.caller?.kind === 'user') {
    return (
      <p className="account">
        <span title={session.caller.name}>{session.caller.name}</span>
        <button type="button" className="button" disabled={leaving.isPending} onClick={() => leaving.mutate()}>
          {leaving.isError ? t('account.logOutAgain') : t('account.logOut')}
        </button>
      </p>
    );
  }
  // Who is not known finds the way in where the view would be.
  if (!session?.login || session.caller?.kind !== 'local') return null;
  return (
    <p className="account">
      <LogInLink login={session.login}>{t('account.logIn')}</LogInLink>
    </p>
  );
}
