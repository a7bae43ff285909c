import { type Attributes, SpanKind, trace } from '@opentelemetry/api';
import { inSpan, linkedTo, traceHeaders } from './spans.ts';
import { ATTRIBUTES } from './trace-names.ts';
import { type ReadHeader, readTrace, type TraceHeaders } from './traceparent.ts';

/** Names the span that published a message together with others: the work on each is a trace of its own, linked to it. */
const LINKED = 'faceflow-linked-traceparent';

const CONVENTIONAL = { [ATTRIBUTES.messagingSystem]: 'nats' };

/**
 * Publishes messages as one span.
 *
 * The work on a message that is published alone belongs to the trace of whoever publishes it. Of many, each is a trace of
 * its own: one of ten thousand photos would be of use to nobody.
 *
 * @param publish is given the headers that each message must carry
 */
export function tracePublishing<Result>(
  destination: string,
  messages: number,
  publish: (headers: TraceHeaders) => Promise<Result>,
): Promise<Result> {
  const attributes: Attributes = {
    ...CONVENTIONAL,
    [ATTRIBUTES.messagingOperationName]: 'publish',
    [ATTRIBUTES.messagingOperationType]: 'send',
    [ATTRIBUTES.messagingDestination]: destination,
    ...(messages === 1 ? {} : { [ATTRIBUTES.messagingBatchSize]: messages }),
  };
  return inSpan(`publish ${destination}`, { kind: SpanKind.PRODUCER, attributes }, () => {
    const headers = traceHeaders();
    const { traceparent = '' } = headers;
    return publish(messages === 1 ? headers : { [LINKED]: traceparent });
  });
}

export interface TracedMessage {
  readonly destination: string;
  readonly header: ReadHeader;
  readonly attributes: Attributes;
}

/** Works on a message as a span of the trace that the message belongs to; of one that was published with others, of a new one. */
export function traceProcessing<Result>(
  { destination, header, attributes }: TracedMessage,
  work: () => Promise<Result>,
): Promise<Result> {
  const linked = trace.getSpanContext(readTrace((name) => (name === 'traceparent' ? header(LINKED) : undefined)));
  const settings = {
    parent: linked === undefined ? readTrace(header) : linkedTo(linked),
    kind: SpanKind.CONSUMER,
    links: linked === undefined ? [] : [{ context: linked }],
    attributes: {
      ...CONVENTIONAL,
      [ATTRIBUTES.messagingOperationName]: 'process',
      [ATTRIBUTES.messagingOperationType]: 'process',
      [ATTRIBUTES.messagingDestination]: destination,
      ...attributes,
    },
  };
  return inSpan(`process ${destination}`, settings, work);
}
