import type { Lease } from '../lib/image-queue.ts';
import { traceProcessing } from '../lib/trace-messages.ts';
import { OUR_ATTRIBUTES } from '../lib/trace-names.ts';

/** Works on a lease as a span of the trace of whoever posted the photo. */
export function traceLease<Result>(lease: Lease, work: () => Promise<Result>): Promise<Result> {
  const { kind, id, deliveries, message } = lease;
  const idOf = kind === 'enrol' ? OUR_ATTRIBUTES.enrolmentId : OUR_ATTRIBUTES.imageId;
  const attributes = { [idOf]: id, [OUR_ATTRIBUTES.delivery]: deliveries };
  return traceProcessing({ destination: message.subject, header: message.header, attributes }, work);
}
