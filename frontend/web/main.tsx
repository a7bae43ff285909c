import './styles/tokens.css';
import './styles/page.css';
import './styles/controls.css';
import './styles/notices.css';
import './styles/images.css';
import './styles/table.css';
import './styles/cards.css';
import './styles/photo.css';
import './styles/people.css';
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { isNotLoggedIn } from './api.ts';
import { guardDrops } from './guard-drops.ts';
import { startLive } from './live.ts';
import { router } from './routes.tsx';
import { currentLanguage, startTexts, subscribeToLanguage } from './texts.ts';
import { statsKey } from './use-stats.ts';

/** Whatever is refused because nobody is known has the shell ask too, which then shows the way in instead of the view. */
const noticeRefusal = (error: Error) => {
  if (isNotLoggedIn(error))
    void client.invalidateQueries({ queryKey: statsKey, predicate: ({ state }) => !state.error });
};

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: noticeRefusal }),
  mutationCache: new MutationCache({ onError: noticeRefusal }),
  defaultOptions: {
    queries: {
      // The next poll is the retry. The receiver may be on this machine, so being offline says nothing about it.
      retry: false,
      networkMode: 'always',
      refetchOnWindowFocus: 'always',
      // Long enough to come back from a photo to the place in the list where it was.
      gcTime: 5 * 60_000,
    },
    mutations: { networkMode: 'always' },
  },
});

/** Drawn anew, as a whole, when the language changes. */
function Page() {
  const language = useSyncExternalStore(subscribeToLanguage, currentLanguage);
  return <RouterProvider key={language} router={router} />;
}

const root = document.getElementById('page');
if (!root) throw new Error('index.html has no element #page');
await startTexts();
startLive(client);
guardDrops();
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <Page />
    </QueryClientProvider>
  </StrictMode>,
);
