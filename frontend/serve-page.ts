import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

const yearMs = 365 * 24 * 60 * 60 * 1000;

/** Where `npm run build` puts the page: beside the compiled file, also when this runs from source. */
export function findPageFolder(): string {
  const beside = extname(import.meta.url) === '.ts' ? '../dist/frontend/web' : './web';
  return fileURLToPath(new URL(beside, import.meta.url));
}

/**
 * Serves the built page. Its assets carry a hash of their content in their names and never change; index.html is asked
 * for again each time, and stands for every page route as well (the route is read in the browser).
 *
 * @throws Error when the page has not been built
 */
export async function servePage(app: FastifyInstance, folder: string): Promise<void> {
  if (!existsSync(`${folder}/index.html`)) {
    throw new Error(`The page is not built: ${folder} has no index.html. Run: npm run build`);
  }
  await app.register(fastifyStatic, {
    root: folder,
    preCompressed: true,
    cacheControl: false,
    setHeaders: (response, path) => {
      const hashed = path.includes('/assets/');
      response.setHeader('cache-control', hashed ? `public, max-age=${yearMs / 1000}, immutable` : 'no-cache');
    },
  });
  app.setNotFoundHandler((request, reply) => {
    if (isPageRoute(request.method, request.url)) return reply.sendFile('index.html');
    return reply.code(404).send({
      error: {
        code: 'not_found',
        message: 'There is nothing here.',
        requestId: request.id,
        traceId: request.traceId,
        retryable: false,
      },
    });
  });
}

/** Routes of the page have no file extension; what has one is a file that is missing. */
function isPageRoute(method: string, url: string): boolean {
  const path = url.split('?', 1)[0] ?? '';
  return (method === 'GET' || method === 'HEAD') && extname(path) === '' && !path.startsWith('/assets/');
}
