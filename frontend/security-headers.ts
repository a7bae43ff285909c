import type { FastifyReply } from 'fastify';

/** The page: only what this origin serves, nothing inline, and never inside somebody else's frame. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  // blob: a photo that somebody searches with is shown from the browser's own memory.
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * What the receiver hands out: whatever somebody's file turns out to be, opened by itself it must not act on this
 * origin. Browsers lay out a picture in a tab of its own with an inline style.
 */
const contentPolicy = [
  "default-src 'none'",
  "img-src 'self'",
  "media-src 'self'",
  "style-src 'unsafe-inline'",
  "frame-ancestors 'none'",
  'sandbox',
].join('; ');

/** For every answer; `content` for those that are passed on from the receiver. */
export function setSecurityHeaders(reply: FastifyReply, kind: 'page' | 'content'): void {
  reply.headers({
    'content-security-policy': kind === 'page' ? pagePolicy : contentPolicy,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
  });
}
