import './styles/tokens.css';
import './styles/page.css';
import './styles/notices.css';
import './styles/table.css';
import './styles/cards.css';
import './styles/photo.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ImagesPage } from './images-page.tsx';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // The next poll is the retry. The receiver may be on this machine, so being offline says nothing about it.
      retry: false,
      networkMode: 'always',
      refetchOnWindowFocus: 'always',
      gcTime: 30_000,
    },
    mutations: { networkMode: 'always' },
  },
});

const root = document.getElementById('page');
if (!root) throw new Error('index.html has no element #page');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <ImagesPage />
    </QueryClientProvider>
  </StrictMode>,
);
