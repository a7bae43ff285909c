import type { Container, KubernetesObject, PodSpec } from './kubernetes-objects.ts';

interface Breakage {
  name: string;
  /** `Kind/name`, of the object that is broken. */
  target: string;
  change: (object: KubernetesObject, pod: PodSpec, container: Container, objects: KubernetesObject[]) => void;
  problem: RegExp;
}

function set(target: object | undefined, fields: object): void {
  Object.assign(target as object, fields);
}

function setEnv(container: Container, name: string, value: string): void {
  container.env = [...(container.env ?? []).filter((entry) => entry.name !== name), { name, value }];
}

/** Ways to break the manifests, and what the checks must say to each. */
export const breakages: Breakage[] = [
  {
    name: 'an unknown field deep inside',
    target: 'Deployment/receiver',
    change: (_, __, container) => set(container, { imagePullPolice: 'Always' }),
    problem: /containers\/0\/imagePullPolice is not a field/,
  },
  {
    name: 'an unknown field at the top',
    target: 'Service/receiver',
    change: (object) => set(object, { specs: {} }),
    problem: /Service\/receiver: \/specs is not a field/,
  },
  {
    name: 'a wrong type',
    target: 'Deployment/receiver',
    change: (object) => set(object.spec, { replicas: 'two' }),
    problem: /\/spec\/replicas type/,
  },
  {
    name: 'a missing field',
    target: 'StatefulSet/nats',
    change: (object) => delete object.spec?.selector,
    problem: /\/spec required .*selector/,
  },
  {
    name: 'an unknown kind',
    target: 'Service/receiver',
    change: (object) => set(object, { kind: 'Servize' }),
    problem: /no schema for v1 Servize/,
  },
  {
    name: 'a key of another service',
    target: 'Deployment/processor',
    change: (_, __, container) => setEnv(container, 'FRONTEND_PORT', '8081'),
    problem: /processor does not read FRONTEND_PORT/,
  },
  {
    name: 'a receiver that nobody could use',
    target: 'Deployment/receiver',
    change: (_, __, container) => {
      set(container, { env: container.env?.filter(({ name }) => name !== 'ADMIN_KEY_HASH') });
      setEnv(container, 'OIDC_ISSUER', '');
    },
    problem: /receiver: nobody could use it/,
  },
  {
    name: 'a misspelt key in the ConfigMap',
    target: 'ConfigMap/faceflow',
    change: (object) => set(object.data, { LOG_LEVELL: 'info' }),
    problem: /no service reads LOG_LEVELL/,
  },
  {
    name: 'a value that loadConfig refuses',
    target: 'ConfigMap/faceflow',
    change: (object) => set(object.data, { PROCESSOR_CONCURRENCY: 'many' }),
    problem: /Deployment\/processor .*loadConfig refuses it.*\n.*PROCESSOR_CONCURRENCY/,
  },
  {
    name: 'a required key that is missing',
    target: 'ConfigMap/faceflow',
    change: (object) => delete object.data?.IMAGE_ROOTS,
    problem: /receiver: loadConfig refuses it.*\n.*IMAGE_ROOTS/,
  },
  {
    name: 'a reference to a variable that is set below',
    target: 'Deployment/receiver',
    change: (_, __, container) => container.env?.reverse(),
    problem: /MYSQL_URL: \$\(MYSQL_PASSWORD\) is not set above it/,
  },
  {
    name: 'a command that starts nothing',
    target: 'Deployment/receiver',
    change: (_, __, container) => set(container, { command: ['node', 'dist/reciever/main.js'] }),
    problem: /reciever\/main.js starts nothing/,
  },
  {
    name: 'a port that the service does not listen on',
    target: 'Deployment/receiver',
    change: (_, __, container) => setEnv(container, 'RECEIVER_PORT', '8001'),
    problem: /port 8000, but 8001 is set/,
  },
  {
    name: 'a Service port that no container has',
    target: 'Service/receiver',
    change: (object) => set(object.spec?.ports?.[0], { targetPort: 'web' }),
    problem: /no container has the port web/,
  },
  {
    name: 'a Service port other than the one inside',
    target: 'Service/receiver',
    change: (object) => set(object.spec?.ports?.[0], { port: 80 }),
    problem: /http is 80, but 8000 inside[\s\S]*Service receiver has no port 8000/,
  },
  {
    name: 'an address of no Service',
    target: 'Deployment/processor',
    change: (_, __, container) => setEnv(container, 'RECOGNIZER_ADDRESS', 'recogniser:50051'),
    problem: /there is no Service recogniser/,
  },
  {
    name: 'a Service that selects nothing',
    target: 'Service/recognizer',
    change: (object) => set(object.spec?.selector, { 'app.kubernetes.io/name': 'recogniser' }),
    problem: /selects 0 workloads/,
  },
  {
    name: 'a Deployment that does not select its pods',
    target: 'Deployment/recognizer',
    change: (object) => set(object.spec?.selector?.matchLabels, { 'app.kubernetes.io/name': 'recogniser' }),
    problem: /selector does not match its pods/,
  },
  {
    name: 'a StatefulSet whose service is not headless',
    target: 'Service/mysql',
    change: (object) => delete object.spec?.clusterIP,
    problem: /StatefulSet\/mysql: it has no headless service/,
  },
  {
    name: 'a probe of an unknown port',
    target: 'Deployment/receiver',
    change: (_, __, container) => set(container.livenessProbe?.httpGet, { port: 'web' }),
    problem: /livenessProbe asks port web/,
  },
  {
    name: 'a probe of an unknown path',
    target: 'Deployment/processor',
    change: (_, __, container) => set(container.livenessProbe?.httpGet, { path: '/alive' }),
    problem: /livenessProbe asks \/alive/,
  },
  {
    name: 'a probe with two handlers',
    target: 'Deployment/recognizer',
    change: (_, __, container) => set(container.livenessProbe, { tcpSocket: { port: 50051 } }),
    problem: /livenessProbe has 2 handlers/,
  },
  {
    name: 'a mount of no volume',
    target: 'StatefulSet/mysql',
    change: (_, pod) => set(pod.volumes?.[0], { name: 'ran' }),
    problem: /there is no volume run\n.*nobody mounts the volume ran/,
  },
  {
    name: 'a claim that is not there',
    target: 'PersistentVolumeClaim/photos',
    change: (object) => set(object.metadata, { name: 'fotos' }),
    problem: /Deployment\/receiver: there is no claim photos/,
  },
  {
    name: 'photos that one node only can mount',
    target: 'PersistentVolumeClaim/photos',
    change: (object) => set(object.spec, { accessModes: ['ReadWriteOnce'] }),
    problem: /photos is for one node only/,
  },
  {
    name: 'photos that a service can write',
    target: 'Deployment/receiver',
    change: (_, __, container) => {
      for (const mount of container.volumeMounts ?? []) delete mount.readOnly;
    },
    problem: /photos is not read-only/,
  },
  {
    name: 'a password in clear',
    target: 'StatefulSet/mysql',
    change: (_, __, container) => setEnv(container, 'MYSQL_PASSWORD', 'hunter2'),
    problem: /MYSQL_PASSWORD is a secret in clear/,
  },
  {
    name: 'a password in a URL',
    target: 'Deployment/receiver',
    change: (_, __, container) => setEnv(container, 'MYSQL_URL', 'mysql://faceflow:hunter2@mysql:3306/faceflow'),
    problem: /MYSQL_URL is a secret in clear/,
  },
  {
    name: 'a token in a URL',
    target: 'ConfigMap/faceflow',
    change: (object) => set(object.data, { NATS_URL: 'nats://hunter2@nats:4222' }),
    problem: /NATS_URL is a secret in clear/,
  },
  {
    name: 'a Secret among the manifests',
    target: 'ConfigMap/faceflow',
    change: (object) => set(object, { kind: 'Secret' }),
    problem: /a Secret belongs into the cluster/,
  },
  {
    name: 'an image without a version',
    target: 'StatefulSet/nats',
    change: (_, __, container) => set(container, { image: 'nats:latest' }),
    problem: /the image nats:latest has no version/,
  },
  {
    name: 'a pod that may run as root',
    target: 'Deployment/frontend',
    change: (_, pod) => delete pod.securityContext?.runAsNonRoot,
    problem: /it may run as root/,
  },
  {
    name: 'a pod without a seccomp profile',
    target: 'Deployment/frontend',
    change: (_, pod) => delete pod.securityContext?.seccompProfile,
    problem: /no seccomp profile/,
  },
  {
    name: 'service links',
    target: 'Deployment/frontend',
    change: (_, pod) => delete pod.enableServiceLinks,
    problem: /service links/,
  },
  {
    name: 'a service account token',
    target: 'Deployment/frontend',
    change: (_, pod) => delete pod.automountServiceAccountToken,
    problem: /service account token/,
  },
  {
    name: 'a container that is not locked down',
    target: 'Deployment/frontend',
    change: (_, __, container) => delete container.securityContext,
    problem: /may gain privileges\n.*file system can be written\n.*keeps capabilities/,
  },
  {
    name: 'a container without limits',
    target: 'Deployment/frontend',
    change: (_, __, container) => delete container.resources,
    problem: /requests no cpu and memory\n.*has no limit/,
  },
  {
    name: 'too short a time to stop',
    target: 'Deployment/receiver',
    change: (_, pod) => set(pod, { terminationGracePeriodSeconds: 30 }),
    problem: /is killed before it can stop/,
  },
  {
    name: 'a port for figures that is not set',
    target: 'Deployment/recognizer',
    change: (_, __, container) => set(container, { env: container.env?.filter(({ name }) => name !== 'METRICS_PORT') }),
    problem: /port 50051,9464, but 50051 is set/,
  },
  {
    name: 'an account that is not there',
    target: 'ServiceAccount/processor',
    change: (object) => set(object.metadata, { name: 'worker' }),
    problem: /Deployment\/processor: there is no ServiceAccount processor/,
  },
  {
    name: 'a pod under the account of everybody',
    target: 'Deployment/processor',
    change: (_, pod) => delete pod.serviceAccountName,
    problem: /runs under the account "default"/,
  },
  {
    name: 'an account with rights',
    target: 'ServiceAccount/processor',
    change: (_, __, ___, objects) =>
      objects.push({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'all' } }),
    problem: /Role\/all: nothing here asks/,
  },
  {
    name: 'a Job that keeps its name when its version changes',
    target: 'Job/migrate',
    change: (_, __, container) => set(container, { image: 'faceflow:9.9.9' }),
    problem: /its name does not end with its version, 9.9.9/,
  },
  {
    name: 'a Job that stays',
    target: 'Job/migrate',
    change: (object) => delete object.spec?.ttlSecondsAfterFinished,
    problem: /it stays for ever/,
  },
  {
    name: 'a new version that takes replicas away',
    target: 'Deployment/receiver',
    change: (object) => delete object.spec?.strategy,
    problem: /may leave fewer replicas/,
  },
  {
    name: 'a budget of nothing',
    target: 'PodDisruptionBudget/receiver',
    change: (object) => set(object.spec?.selector?.matchLabels, { 'app.kubernetes.io/name': 'reciever' }),
    problem: /PodDisruptionBudget\/receiver: selects 0/,
  },
  {
    name: 'an Ingress to nowhere',
    target: 'Service/frontend',
    change: (object) => set(object.spec?.ports?.[0], { name: 'web' }),
    problem: /Ingress\/faceflow: there is no Service frontend with the port http/,
  },
  {
    name: 'an Ingress without TLS',
    target: 'Ingress/faceflow',
    change: (object) => set(object.spec, { tls: [] }),
    problem: /faceflow.example.org has no TLS/,
  },
  {
    name: 'a page under another name than the Ingress',
    target: 'ConfigMap/faceflow',
    change: (object) => set(object.data, { PUBLIC_URL: 'https://faces.example.org' }),
    problem: /it does not serve https:\/\/faces/,
  },
  {
    name: 'a way that is closed',
    target: 'NetworkPolicy/recognizer',
    change: (object) => set(object.spec, { ingress: [] }),
    problem: /the way from Deployment\/processor to Deployment\/recognizer:50051 is closed/,
  },
  {
    name: 'a way that nobody needs',
    target: 'NetworkPolicy/mysql',
    change: (object) => set(object.spec, { ingress: [{ ports: [{ port: 3306, protocol: 'TCP' }] }] }),
    problem: /the way from Deployment\/frontend to StatefulSet\/mysql:3306 is open for nothing/,
  },
  {
    name: 'a pod that no policy closes',
    target: 'Deployment/frontend',
    change: (object) => set(object.spec?.template?.metadata, { labels: { 'app.kubernetes.io/name': 'page' } }),
    problem: /Deployment\/frontend: no NetworkPolicy closes it/,
  },
  {
    name: 'figures that nobody has',
    target: 'Deployment/processor',
    change: (_, __, ___, objects) =>
      objects.push({
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'PodMonitor',
        metadata: { name: 'faceflow' },
        spec: {
          selector: { matchLabels: { 'app.kubernetes.io/name': 'processor' } },
          podMetricsEndpoints: [{ port: 'figures' }],
        } as object,
      }),
    problem: /PodMonitor\/faceflow: nothing that it selects has the port figures/,
  },
  {
    name: 'replicas of nothing',
    target: 'Deployment/processor',
    change: (_, __, ___, objects) =>
      objects.push({
        apiVersion: 'keda.sh/v1alpha1',
        kind: 'ScaledObject',
        metadata: { name: 'processor' },
        spec: { scaleTargetRef: { name: 'worker' }, triggers: [{ type: 'cpu', metadata: {}, upTo: 3 }] } as object,
      }),
    problem: /triggers\/0\/upTo is not a field of the schema[\s\S]*there is no Deployment\/worker/,
  },
  {
    name: 'a field that Istio does not have',
    target: 'Deployment/processor',
    change: (_, __, ___, objects) =>
      objects.push({
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: { name: 'receiver' },
        spec: { hosts: ['receiver'], retry: 0 } as object,
      }),
    problem: /VirtualService\/receiver: \/spec additionalProperties .*retry/,
  },
  {
    name: 'replicas that two decide on',
    target: 'Deployment/recognizer',
    change: (_, __, ___, objects) =>
      objects.push({
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name: 'recognizer' },
        spec: {
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'recognizer' },
          maxReplicas: 4,
        } as object,
      }),
    problem: /Deployment\/recognizer has a number of replicas of its own/,
  },
];
