import { useLocation } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Session } from './api.ts';

interface Props {
  readonly login: NonNullable<Session['login']>;
  readonly children: ReactNode;
}

/** To where logging in begins, which then leads back to the view that is shown. */
export function LogInLink({ login, children }: Props) {
  const returnTo = useLocation({ select: ({ href }) => href });
  return (
    <a className="button" href={`${login.url}?${new URLSearchParams({ returnTo })}`}>
      {children}
    </a>
  );
}
