import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouteComponent,
} from '@tanstack/react-router';
import { type ImageFilter, type ImageStatus, imageStatuses } from './api.ts';
import { type ImageOrder, imageOrders } from './image-order.ts';
import { ImagesPage } from './images-page.tsx';
import { NotFoundPage } from './not-found-page.tsx';
import { Shell } from './shell.tsx';

/** What the address bar holds of a view of the images. */
export interface ImageSearch {
  readonly status?: ImageStatus;
  readonly person?: number;
  readonly q?: string;
  readonly folder?: string;
  /** Days, as `2026-11-21`. */
  readonly from?: string;
  readonly to?: string;
  /** Without it: newest first. */
  readonly sort?: ImageOrder;
  readonly view?: 'grid';
}

/** For links that differ in their conditions only: current is the one whose conditions are those of the view. */
export const exactView = { exact: true, includeSearch: true } as const;

/** The same view with another condition; undefined: without it. */
export function withSearch(
  search: ImageSearch,
  change: { [Key in keyof ImageSearch]: ImageSearch[Key] | undefined },
): ImageSearch {
  const entries = Object.entries({ ...search, ...change }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as ImageSearch;
}

export function toFilter({ status, person, q, folder, from, to, sort }: ImageSearch): ImageFilter {
  return {
    status: status ?? null,
    person: person ?? null,
    q: q ?? '',
    folder: folder ?? '',
    from: from ?? '',
    to: to ?? '',
    sort: sort ?? 'newest',
  };
}

/** The same view of all images. */
export function withoutFilter({ view, sort }: ImageSearch): ImageSearch {
  return withSearch({}, { view, sort });
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFoundPage });

const images = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: readImageSearch,
  component: ImagesPage,
});

const routeTree = root.addChildren([
  images,
  createRoute({
    getParentRoute: () => root,
    path: '/images/$id',
    validateSearch: readImageSearch,
    component: page(() => import('./photo/photo-page.tsx'), 'PhotoPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/people',
    validateSearch: (search: Record<string, unknown>): { q?: string } => {
      const q = readText(search.q, 200);
      return q === undefined ? {} : { q };
    },
    component: page(() => import('./people/people-page.tsx'), 'PeoplePage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/people/$id',
    component: page(() => import('./people/person-page.tsx'), 'PersonPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/unknown',
    validateSearch: (search: Record<string, unknown>): { ignored?: true } =>
      search.ignored === true || search.ignored === 'true' ? { ignored: true } : {},
    component: page(() => import('./unknown/unknown-page.tsx'), 'UnknownPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/unknown/$id',
    component: page(() => import('./unknown/cluster-page.tsx'), 'ClusterPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/search',
    component: page(() => import('./search/search-page.tsx'), 'SearchPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/upload',
    component: page(() => import('./upload/upload-page.tsx'), 'UploadPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/system',
    validateSearch: (search: Record<string, unknown>): { hours?: 6 | 24 } => {
      const hours = Number(search.hours);
      return hours === 6 || hours === 24 ? { hours } : {};
    },
    component: page(() => import('./system/system-page.tsx'), 'SystemPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/system/threshold',
    component: page(() => import('./system/threshold-page.tsx'), 'ThresholdPage'),
  }),
]);

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  scrollRestoration: true,
  // Queries keep what was fetched; the router holds nothing.
  defaultPreloadStaleTime: 0,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

/** A view whose script is fetched when it is opened, or about to be. */
function page<Module extends Record<string, unknown>, Name extends keyof Module & string>(
  load: () => Promise<Module>,
  name: Name,
): RouteComponent {
  return lazyRouteComponent(load, name) as RouteComponent;
}

/** Whatever somebody types into the address bar: what is not understood is left out. */
function readImageSearch(search: Record<string, unknown>): ImageSearch {
  const person = Number(search.person);
  const sort = imageOrders.find((known) => known === search.sort);
  const folder = readText(search.folder, 1024);
  return withSearch(
    {},
    {
      status: imageStatuses.find((known) => known === search.status),
      person: Number.isSafeInteger(person) && person > 0 ? person : undefined,
      q: readText(search.q, 200),
      folder: folder === undefined || folder.endsWith('/') ? folder : `${folder}/`,
      from: readDay(search.from),
      to: readDay(search.to),
      sort: sort === 'newest' ? undefined : sort,
      view: search.view === 'grid' ? search.view : undefined,
    },
  );
}

/** The router reads `q=2024` as a number. */
function readText(text: unknown, length: number): string | undefined {
  return typeof text === 'string' || typeof text === 'number' ? String(text).slice(0, length) || undefined : undefined;
}

function readDay(day: unknown): string | undefined {
  const isDay = typeof day === 'string' && /^[12]\d{3}-\d\d-\d\d$/.test(day) && !Number.isNaN(Date.parse(day));
  return isDay ? day : undefined;
}
