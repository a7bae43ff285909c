import { FaceMark } from './face-mark.tsx';
import { loginUrl, useSession } from './use-session.ts';

const troubles: Readonly<Record<string, string>> = {
  refused: 'The provider knows you, but nobody has given you access here. Ask whoever runs this Faceflow.',
  failed: 'Logging in did not work. Please try again.',
  unavailable: 'The login provider does not answer. Please try again later.',
};

/** In place of the table, for somebody who is not known. */
export function LogInPage() {
  const session = useSession();
  const trouble = troubles[new URLSearchParams(location.search).get('login') ?? ''];
  if (!session) return null;
  return (
    <section className="empty">
      <FaceMark />
      <h2>{session.login ? 'Please log in' : 'A key is needed'}</h2>
      {trouble && <p role="alert">{trouble}</p>}
      {session.login ? (
        <>
          <p>What is here is only for people who are known.</p>
          <a className="button" href={loginUrl(session.login)}>
            Log in with {session.login.provider}
          </a>
        </>
      ) : (
        <p>
          Programs send an API key. For people, logging in has to be set up first: OIDC_ISSUER and its neighbours in the
          configuration of the receiver.
        </p>
      )}
    </section>
  );
}
