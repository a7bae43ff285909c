import type { Role } from '../caller.ts';

/** `open`: whoever asks. Otherwise one of these roles is needed; `admin` always suffices. */
export type Access = 'open' | readonly Role[];

const INGEST: Access = ['ingest'];
const READ: Access = ['read'];
const ADMIN: Access = ['admin'];

/**
 * Who may do what: every route of the API. What does not stand here is for admins alone, and test/access.test.ts fails.
 *
 * Open are health and metrics, which orchestrators and Prometheus ask without a key and which tell of counts and times
 * only; the description of the API, which is the same for everybody; and logging in.
 */
export const ROUTE_ACCESS: Readonly<Record<string, Access>> = {
  'GET /healthz': 'open',
  'GET /readyz': 'open',
  'GET /metrics': 'open',
  'GET /openapi.json': 'open',

  'GET /v1/session': 'open',
  'GET /v1/login': 'open',
  'GET /v1/login/callback': 'open',
  'POST /v1/logout': 'open',

  'POST /image/post': INGEST,
  'POST /images/post': INGEST,
  'POST /v1/images': INGEST,
  'GET /v1/images': READ,
  'GET /v1/images/:id': ['ingest', 'read'],
  'DELETE /v1/images/:id': ADMIN,
  'POST /v1/images/:id/retry': ADMIN,
  'POST /v1/images/retry': ADMIN,
  'GET /v1/images/:id/photo': READ,
  'POST /v1/images/name': ADMIN,
  'GET /v1/folders': READ,
  'GET /v1/stats': READ,
  'GET /v1/stats/history': READ,
  'GET /v1/system': READ,
  'GET /v1/events': READ,
  'GET /v1/jobs': READ,
  'POST /v1/search': READ,

  'GET /v1/faces/:id': READ,
  'GET /v1/faces/:id/crop': READ,
  'PUT /v1/faces/:id/person': ADMIN,
  'DELETE /v1/faces/:id/person': ADMIN,

  'GET /v1/people': READ,
  'POST /v1/people': ADMIN,
  'GET /v1/people/:id': READ,
  'PATCH /v1/people/:id': ADMIN,
  'DELETE /v1/people/:id': ADMIN,
  'POST /v1/people/:id/merge': ADMIN,
  'POST /v1/people/:id/faces': ADMIN,
  'DELETE /v1/people/:id/faces/:reference': ADMIN,
  'GET /v1/people/:id/faces/:reference/photo': READ,
  'POST /v1/enrolments': ADMIN,
  'GET /v1/enrolments/:batch': READ,
  'GET /v1/enrolments/:batch/photos': READ,
  'POST /v1/enrolments/:batch/retry': ADMIN,

  'GET /v1/clusters': READ,
  'GET /v1/clusters/:id': READ,
  'GET /v1/clusters/:id/faces': READ,
  'PATCH /v1/clusters/:id': ADMIN,
  'POST /v1/clusters/:id/name': ADMIN,
  'POST /v1/clusters/:id/split': ADMIN,

  'GET /v1/calibration': READ,
  'GET /v1/calibration/preview': READ,
  'PUT /v1/calibration': ADMIN,

  'GET /v1/models': READ,
  'GET /v1/models/:name/comparison': READ,
  'POST /v1/models/:name/prepare': ADMIN,
  'POST /v1/models/:name/activate': ADMIN,
  'DELETE /v1/models/:name': ADMIN,

  'GET /v1/audit': ADMIN,
  'GET /v1/keys': ADMIN,
  'POST /v1/keys': ADMIN,
  'DELETE /v1/keys/:id': ADMIN,

  'GET /v1/webhooks': ADMIN,
  'POST /v1/webhooks': ADMIN,
  'DELETE /v1/webhooks/:id': ADMIN,
  'POST /v1/webhooks/:id/rotate': ADMIN,
  'POST /v1/webhooks/:id/test': ADMIN,
  'GET /v1/webhooks/:id/deliveries': ADMIN,
  'POST /v1/webhooks/:id/redrive': ADMIN,
};

/** @param url as the route was declared, such as `/v1/images/:id` */
export function accessOf(method: string, url: string): Access {
  // The page that shows the description, and its files.
  if (url === '/docs' || url.startsWith('/docs/')) return 'open';
  return ROUTE_ACCESS[`${method === 'HEAD' ? 'GET' : method} ${url}`] ?? ADMIN;
}

export function mayCall(access: Access, roles: readonly Role[]): boolean {
  return access === 'open' || roles.includes('admin') || access.some((role) => roles.includes(role));
}
