/**
 * The names that OpenTelemetry's semantic conventions give to attributes, as far as spans here carry them. Copied, as the
 * conventions advise for those that are not final yet: the package would be loaded by services that trace nothing.
 */
export const ATTRIBUTES = {
  errorType: 'error.type',
  httpMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpStatus: 'http.response.status_code',
  urlPath: 'url.path',
  urlScheme: 'url.scheme',
  messagingSystem: 'messaging.system',
  messagingOperationName: 'messaging.operation.name',
  messagingOperationType: 'messaging.operation.type',
  messagingDestination: 'messaging.destination.name',
  messagingBatchSize: 'messaging.batch.message_count',
  rpcSystem: 'rpc.system.name',
  rpcMethod: 'rpc.method',
  rpcStatus: 'rpc.response.status_code',
  dbSystem: 'db.system.name',
  dbSummary: 'db.query.summary',
  serviceName: 'service.name',
  serviceNamespace: 'service.namespace',
  serviceInstance: 'service.instance.id',
  processId: 'process.pid',
  hostName: 'host.name',
} as const;

/** Ours: what a photo is found by, in whichever trace. */
export const OUR_ATTRIBUTES = {
  imageId: 'faceflow.image.id',
  enrolmentId: 'faceflow.enrolment.id',
  requestId: 'faceflow.request.id',
  outcome: 'faceflow.outcome',
  reason: 'faceflow.reason',
  delivery: 'faceflow.delivery',
  faces: 'faceflow.faces',
} as const;
