// The fields of Percona's resources that deploy/ uses, from the types of its operator 1.19 (pxc.percona.com/v1).

const string = { type: 'string', minLength: 1 };
const boolean = { type: 'boolean' };
const count = { type: 'integer', minimum: 1 };
const strings = { type: 'array', items: string, minItems: 1 };

const object = (properties: object, required: string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
});

/** Restores and backups are made again and again: the cluster chooses their names. */
const metadata = {
  ...object({
    name: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,20}[a-z0-9]$' },
    generateName: string,
    namespace: string,
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    annotations: { type: 'object', additionalProperties: { type: 'string' } },
    finalizers: {
      type: 'array',
      items: {
        enum: [
          'percona.com/delete-pxc-pods-in-order',
          'percona.com/delete-pxc-pvc',
          'percona.com/delete-ssl',
          'percona.com/delete-backup',
        ],
      },
    },
  }),
};

const resource = (kind: string, spec: object) => ({
  type: 'object',
  additionalProperties: false,
  required: ['apiVersion', 'kind', 'metadata', 'spec'],
  properties: { apiVersion: { const: 'pxc.percona.com/v1' }, kind: { const: kind }, metadata, spec },
});

const quantities = {
  type: 'object',
  additionalProperties: false,
  properties: { cpu: string, memory: string, 'ephemeral-storage': string, storage: string },
};
const resources = object({ requests: quantities, limits: quantities }, ['requests']);
/** Tags are versions, so that nothing changes by itself. */
const image = { type: 'string', pattern: '^[a-z0-9./-]+:\\d+\\.\\d+\\.\\d+(-\\d+(\\.\\d+)?)?$' };
const volume = object(
  {
    persistentVolumeClaim: object(
      { accessModes: strings, storageClassName: string, resources: object({ requests: quantities }, ['requests']) },
      ['resources'],
    ),
  },
  ['persistentVolumeClaim'],
);

const pods = {
  size: count,
  image,
  resources,
  affinity: object({ antiAffinityTopologyKey: string }),
  podDisruptionBudget: object({ maxUnavailable: count, minAvailable: count }),
  priorityClassName: string,
  gracePeriod: count,
  configuration: string,
};

const s3 = object({ bucket: string, region: string, credentialsSecret: string, endpointUrl: string }, [
  'bucket',
  'credentialsSecret',
]);

const storage = object({ type: { enum: ['s3', 'filesystem'] }, verifyTLS: boolean, s3, volume }, ['type']);

/** Five fields, as cron has them. */
const schedule = { type: 'string', pattern: '^(\\S+ ){4}\\S+$' };

export const schemas = {
  'pxc.percona.com/v1/PerconaXtraDBCluster': resource(
    'PerconaXtraDBCluster',
    object(
      {
        crVersion: { type: 'string', pattern: '^\\d+\\.\\d+\\.\\d+$' },
        secretsName: string,
        sslSecretName: string,
        sslInternalSecretName: string,
        pause: boolean,
        tls: object({ enabled: boolean, SANs: strings }),
        updateStrategy: { enum: ['SmartUpdate', 'RollingUpdate', 'OnDelete'] },
        upgradeOptions: object({ apply: string, schedule }, ['apply']),
        pxc: object({ ...pods, autoRecovery: boolean, volumeSpec: volume }, ['size', 'image', 'volumeSpec']),
        haproxy: object({ ...pods, enabled: boolean }, ['enabled', 'size', 'image']),
        logcollector: object({ enabled: boolean, image, resources }, ['enabled', 'image']),
        backup: object(
          {
            image,
            storages: { type: 'object', additionalProperties: storage },
            pitr: object(
              { enabled: boolean, storageName: string, timeBetweenUploads: { type: 'number', minimum: 1 }, resources },
              ['enabled', 'storageName'],
            ),
            schedule: {
              type: 'array',
              items: object(
                {
                  ...{ name: string, schedule, storageName: string },
                  retention: object(
                    { type: { const: 'count' }, count: { type: 'integer', minimum: 0 }, deleteFromStorage: boolean },
                    ['type', 'deleteFromStorage'],
                  ),
                },
                ['name', 'schedule', 'storageName'],
              ),
            },
          },
          ['image', 'storages'],
        ),
      },
      ['crVersion', 'secretsName', 'pxc', 'haproxy', 'backup'],
    ),
  ),
  'pxc.percona.com/v1/PerconaXtraDBClusterBackup': resource(
    'PerconaXtraDBClusterBackup',
    object({ pxcCluster: string, storageName: string }, ['pxcCluster', 'storageName']),
  ),
  'pxc.percona.com/v1/PerconaXtraDBClusterRestore': resource(
    'PerconaXtraDBClusterRestore',
    object(
      {
        pxcCluster: string,
        backupName: string,
        pitr: object(
          {
            type: { enum: ['date', 'latest', 'transaction', 'skip'] },
            date: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d$' },
            gtid: string,
            backupSource: object({ storageName: string }, ['storageName']),
          },
          ['type', 'backupSource'],
        ),
      },
      ['pxcCluster', 'backupName'],
    ),
  ),
};

/** What the operator makes of a cluster, as far as others see it: proxies, which listen where MySQL would. */
export const workloads = {
  'pxc.percona.com/v1/PerconaXtraDBCluster': ({ metadata }: { metadata: { name: string } }) => ({
    label: `PerconaXtraDBCluster/${metadata.name} haproxy`,
    labels: {
      'app.kubernetes.io/name': 'percona-xtradb-cluster',
      'app.kubernetes.io/instance': metadata.name,
      'app.kubernetes.io/component': 'haproxy',
    },
    ports: [{ name: 'mysql', containerPort: 3306 }],
  }),
};
