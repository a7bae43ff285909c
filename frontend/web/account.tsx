import { useMutation } from '@tanstack/react-query';
import { logOut } from './api.ts';
import { loginUrl, useSession } from './use-session.ts';

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
          {leaving.isError ? 'Try again to log out' : 'Log out'}
        </button>
      </p>
    );
  }
  // Who is not known finds the way in where the table would be.
  if (!session?.login || session.caller?.kind !== 'local') return null;
  return (
    <p className="account">
      <a className="button" href={loginUrl(session.login)}>
        Log in
      </a>
    </p>
  );
}
