/** What clients that are generated from the description call each route. test/programs.test.ts misses none. */
export const OPERATION_IDS: Readonly<Record<string, string>> = {
  'GET /healthz': 'getHealth',
  'GET /readyz': 'getReadiness',
  'GET /metrics': 'getMetrics',

  'GET /v1/session': 'getSession',
  'GET /v1/login': 'logIn',
  'GET /v1/login/callback': 'finishLogIn',
  'POST /v1/logout': 'logOut',

  'POST /image/post': 'submitImage',
  'POST /images/post': 'submitImages',
  'POST /v1/images': 'addImages',
  'GET /v1/images': 'listImages',
  'GET /v1/images/:id': 'getImage',
  'DELETE /v1/images/:id': 'deleteImage',
  'POST /v1/images/:id/retry': 'retryImage',
  'POST /v1/images/retry': 'retryImages',
  'POST /v1/images/name': 'nameImages',
  'GET /v1/folders': 'listFolders',
  'GET /v1/images/:id/photo': 'getPhoto',
  'GET /v1/stats': 'getStats',
  'GET /v1/stats/history': 'getHistory',
  'GET /v1/system': 'getSystem',
  'GET /v1/events': 'streamEvents',
  'GET /v1/jobs': 'listJobs',
  'POST /v1/search': 'searchPhoto',

  'GET /v1/faces/:id': 'getFace',
  'GET /v1/faces/:id/crop': 'getFaceCrop',
  'PUT /v1/faces/:id/person': 'nameFace',
  'DELETE /v1/faces/:id/person': 'rejectFace',

  'GET /v1/people': 'listPeople',
  'POST /v1/people': 'addPerson',
  'GET /v1/people/:id': 'getPerson',
  'PATCH /v1/people/:id': 'changePerson',
  'DELETE /v1/people/:id': 'erasePerson',
  'POST /v1/people/:id/merge': 'mergePeople',
  'POST /v1/people/:id/faces': 'enrolFaces',
  'DELETE /v1/people/:id/faces/:reference': 'removeReference',
  'GET /v1/people/:id/faces/:reference/photo': 'getReferencePhoto',
  'POST /v1/enrolments': 'addEnrolments',
  'GET /v1/enrolments/:batch': 'getEnrolmentBatch',
  'GET /v1/enrolments/:batch/photos': 'listEnrolments',
  'POST /v1/enrolments/:batch/retry': 'retryEnrolments',

  'GET /v1/clusters': 'listClusters',
  'GET /v1/clusters/:id': 'getCluster',
  'GET /v1/clusters/:id/faces': 'listClusterFaces',
  'PATCH /v1/clusters/:id': 'changeCluster',
  'POST /v1/clusters/:id/name': 'nameCluster',
  'POST /v1/clusters/:id/split': 'splitCluster',

  'GET /v1/calibration': 'getCalibration',
  'GET /v1/calibration/preview': 'previewThreshold',
  'PUT /v1/calibration': 'setThreshold',

  'GET /v1/models': 'listModels',
  'GET /v1/models/:name/comparison': 'compareModel',
  'POST /v1/models/:name/prepare': 'prepareModel',
  'POST /v1/models/:name/activate': 'activateModel',
  'DELETE /v1/models/:name': 'dropModel',

  'GET /v1/audit': 'listAudit',
  'GET /v1/keys': 'listKeys',
  'POST /v1/keys': 'addKey',
  'DELETE /v1/keys/:id': 'revokeKey',

  'GET /v1/webhooks': 'listWebhooks',
  'POST /v1/webhooks': 'addWebhook',
  'DELETE /v1/webhooks/:id': 'removeWebhook',
  'POST /v1/webhooks/:id/rotate': 'rotateWebhookSecret',
  'POST /v1/webhooks/:id/test': 'testWebhook',
  'GET /v1/webhooks/:id/deliveries': 'listWebhookDeliveries',
  'POST /v1/webhooks/:id/redrive': 'redriveWebhook',
};

/**
 * A route that does not stand above is called by its method and path.
 *
 * @param url as the route was declared, such as `/v1/images/:id`
 */
export function operationIdOf(method: string, url: string): string {
  const words = url.split(/[^A-Za-z0-9]+/).filter((word) => word !== '' && word !== 'v1');
  const name = [method.toLowerCase(), ...words.map((word) => word[0]?.toUpperCase() + word.slice(1))].join('');
  return OPERATION_IDS[`${method} ${url}`] ?? name;
}
