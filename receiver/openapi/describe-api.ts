import { STATUS_CODES } from 'node:http';
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { accessOf } from '../access/route-roles.ts';
import { operationIdOf } from './operation-ids.ts';
import { nameSchemas } from './schema-names.ts';

// The parts of an OpenAPI document that are changed here.
interface Content {
  schema?: Json;
}
interface Answer {
  description: string;
  content?: Record<string, Content>;
}
interface Operation {
  operationId?: string;
  requestBody?: { content: Record<string, Content> };
  responses: Record<string, Answer>;
}
type Json = { readonly [key: string]: unknown };

const BINARY: Json = { type: 'string', format: 'binary' };
const TEXT: Json = { type: 'string' };
const wholeNumber: Json = { type: 'integer', minimum: 0 };

/** Fields of the forms that photos come in; JSON Schemas of bodies know nothing of files. */
const FORMS: Readonly<Record<string, Json>> = {
  addImages: formOf({ photo: { type: 'array', items: BINARY } }, ['photo']),
  enrolFaces: formOf({ photo: { type: 'array', items: BINARY }, face: wholeNumber, force: { type: 'boolean' } }, [
    'photo',
  ]),
  searchPhoto: formOf(
    {
      photo: BINARY,
      limit: wholeNumber,
      maxDistance: { type: 'number' },
      images: { type: 'boolean' },
      imagesLimit: wholeNumber,
    },
    ['photo'],
  ),
};

/** Answers that are no JSON. */
const OTHER_ANSWERS: Readonly<Record<string, Record<string, Content>>> = {
  getPhoto: { 'image/*': { schema: BINARY } },
  getFaceCrop: { 'image/*': { schema: BINARY } },
  getReferencePhoto: { 'image/*': { schema: BINARY } },
  getMetrics: { 'text/plain': { schema: TEXT } },
  streamEvents: { 'text/event-stream': { schema: TEXT } },
};

const ERROR: Content = { schema: { $ref: '#/components/schemas/ErrorAnswer' } };

function formOf(properties: Json, required: readonly string[]): Json {
  return { type: 'object', properties, required };
}

/** How the routes and their schemas become an OpenAPI 3.1 document that people read and generators accept. */
export function describeApi(): FastifyDynamicSwaggerOptions {
  nameSchemas();
  return {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Faceflow', description: 'Post the path of a photo, see who is in it.', version: '1' },
      servers: [{ url: '/' }],
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer', bearerFormat: 'ff_…' } } },
    },
    transform: describeRoute,
    transformObject: (document) => complete(jsonSchemaTransformObject(document) as unknown as Document) as object,
  };
}

/** The description of a route has a name, and says who may call it. */
const describeRoute: typeof jsonSchemaTransform = (route) => {
  const { schema, url } = jsonSchemaTransform(route);
  const method = String([route.route.method].flat()[0]);
  const access = accessOf(method, route.url);
  if (schema === undefined || schema.hide) return { schema, url };
  const roles = access === 'open' ? [] : [...access];
  const needs = roles.length === 0 ? 'Open to everybody.' : `Needs the role ${roles.join(' or ')}.`;
  const description = [schema.description, needs].filter(Boolean).join(' ');
  const security = roles.length === 0 ? [] : [{ key: roles }];
  return { url, schema: { ...schema, operationId: operationIdOf(method, route.url), description, security } };
};

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { schemas: Record<string, unknown> };
}

function complete(document: Document): Document {
  for (const operation of Object.values(document.paths).flatMap(Object.values<Operation>)) completeOperation(operation);
  removeUnusedSchemas(document);
  simplify(document.components.schemas);
  return shortenNames(document);
}

function completeOperation(operation: Operation): void {
  const { operationId = '', requestBody, responses } = operation;
  const other = OTHER_ANSWERS[operationId];
  const form = FORMS[operationId];
  if (requestBody !== undefined && form !== undefined) {
    for (const content of Object.values(requestBody.content)) content.schema = withoutNull(content.schema);
    requestBody.content['multipart/form-data'] = { schema: form };
  }
  if (other !== undefined) responses['200'] = { description: 'OK', content: other };
  // Every route may be asked for what is not there, by nobody, or too often, and may fail.
  for (const status of ['4XX', '5XX']) {
    responses[status] = { description: 'Why not.', content: { 'application/json': ERROR } };
  }
  simplify(responses);
  mergeGoodAnswers(responses);
  for (const [status, answer] of Object.entries(responses)) {
    if (answer.description === 'Default Response') answer.description = STATUS_CODES[status] ?? status;
    if (status === '503' && operationId !== 'getReadiness') answer.content = { 'application/json': ERROR };
  }
}

/** Generated clients take one of several good answers to be the only one. */
function mergeGoodAnswers(responses: Record<string, Answer>): void {
  const contents = Object.entries(responses).flatMap(([status, { content }]) =>
    status.startsWith('2') && content?.['application/json'] ? [content['application/json']] : [],
  );
  const schemas = contents.map(({ schema }) => schema);
  if (schemas.length > 1) for (const content of contents) content.schema = { anyOf: schemas };
}

/** A JSON body that may be null, because a form comes instead. */
function withoutNull(schema: Json | undefined): Json {
  const kinds = ((schema?.anyOf ?? [schema]) as Json[]).filter((one) => one?.type !== 'null');
  const [only] = kinds;
  return kinds.length === 1 && only !== undefined ? only : { anyOf: kinds };
}

/** Each schema has a twin for requests; most stand in answers only. */
function removeUnusedSchemas(document: Document): void {
  const { schemas } = document.components;
  for (let before = -1; before !== Object.keys(schemas).length; ) {
    before = Object.keys(schemas).length;
    const text = JSON.stringify(document);
    for (const name of Object.keys(schemas)) {
      if (!text.includes(`"#/components/schemas/${name}"`)) delete schemas[name];
    }
  }
}

/** A schema for requests that has no twin any more need not be told from it. */
function shortenNames(document: Document): Document {
  const { schemas } = document.components;
  let text = JSON.stringify(document);
  for (const name of Object.keys(schemas)) {
    const short = name.replace(/Input$/, '');
    if (short in schemas) continue;
    text = text
      .replaceAll(`"#/components/schemas/${name}"`, `"#/components/schemas/${short}"`)
      .replace(`"${name}":`, `"${short}":`);
  }
  return JSON.parse(text);
}

/**
 * Answers may have more fields one day: who reads them must not refuse those. And that an integer is one that JSON can hold
 * need not be said.
 */
function simplify(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return;
  const object = schema as Record<string, unknown>;
  if (object.additionalProperties === false) delete object.additionalProperties;
  if (object.minimum === Number.MIN_SAFE_INTEGER) delete object.minimum;
  if (object.maximum === Number.MAX_SAFE_INTEGER) delete object.maximum;
  for (const value of Object.values(object)) simplify(value);
}
