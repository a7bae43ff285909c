import { z } from 'zod';
import { calibrationSchema, changedImageSchema, distancesSchema, previewSchema } from '../calibration/schemas.ts';
import { errorReplySchema, errorSchema } from '../errors.ts';
import {
  boxSchema,
  explainedFaceSchema,
  faceDetailSchema,
  faceSchema,
  personSchema,
  qualitySchema,
} from '../face-schemas.ts';
import { processingSchema } from '../processing.ts';
import { entrySchema } from '../routes/audit.ts';
import { clusterSchema } from '../routes/clusters.ts';
import { batchSchema, enrolmentSchema } from '../routes/enrolments.ts';
import { faceOfImageSchema } from '../routes/face-person.ts';
import { explainedImageSchema, imageSchema } from '../routes/images.ts';
import { jobSchema } from '../routes/jobs.ts';
import { keySchema } from '../routes/keys.ts';
import { comparisonSchema, modelSchema } from '../routes/models.ts';
import { detailSchema, receiptSchema, referenceSchema, summarySchema } from '../routes/people.ts';
import { sessionSchema } from '../routes/session.ts';
import { acceptedSchema, pathSchema, refusedSchema } from '../routes/submit.ts';
import { deliverySchema, listedSchema, secretSchema, webhookSchema } from '../routes/webhooks.ts';
import { foundPhotoSchema, matchSchema, searchSchema } from '../search-schemas.ts';

/** What the description of the API calls its parts: clients that are generated from it have types of these names. */
const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  AcceptedImage: acceptedSchema,
  ApiKey: keySchema,
  AuditEntry: entrySchema,
  BoundingBox: boxSchema,
  Calibration: calibrationSchema,
  CalibrationPreview: previewSchema,
  ChangedImage: changedImageSchema,
  Cluster: clusterSchema,
  Distances: distancesSchema,
  Enrolment: enrolmentSchema,
  EnrolmentBatch: batchSchema,
  ErasureReceipt: receiptSchema,
  ErrorAnswer: errorReplySchema,
  ErrorDetail: errorSchema,
  ExplainedFace: explainedFaceSchema,
  ExplainedImage: explainedImageSchema,
  Face: faceSchema,
  FaceDetail: faceDetailSchema,
  FaceQuality: qualitySchema,
  FoundPhoto: foundPhotoSchema,
  Image: imageSchema,
  Job: jobSchema,
  Match: matchSchema,
  Model: modelSchema,
  ModelComparison: comparisonSchema,
  NamedFace: faceOfImageSchema,
  Person: personSchema,
  PersonDetail: detailSchema,
  PersonSummary: summarySchema,
  PhotoPath: pathSchema,
  Processing: processingSchema,
  Reference: referenceSchema,
  RefusedImage: refusedSchema,
  SearchAnswer: searchSchema,
  Session: sessionSchema,
  Webhook: webhookSchema,
  WebhookDelivery: deliverySchema,
  WebhookListed: listedSchema,
  WebhookWithSecret: secretSchema,
};

/** Where the description is made of the schemas, these stand by their names. */
export function nameSchemas(): void {
  for (const [id, schema] of Object.entries(SCHEMAS)) {
    z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), id });
  }
}
