import type { KubernetesObject } from './kubernetes-objects.ts';
import { type Selector, selects, type Workload } from './manifest-workloads.ts';

interface Peer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string };
}

interface Rule {
  from?: Peer[];
  to?: Peer[];
  ports?: { port: number }[];
}

interface Policy {
  podSelector: Selector;
  policyTypes: ('Ingress' | 'Egress')[];
  ingress?: Rule[];
  egress?: Rule[];
}

/** One service that calls another: names of workloads, and the port inside. */
export interface Arrow {
  from: Workload;
  to: Workload;
  port: number;
}

/** Whether the NetworkPolicies, where there are any, allow the arrows that the services need, and no other between them. */
export function findArrowProblems(
  objects: readonly KubernetesObject[],
  workloads: readonly Workload[],
  arrows: readonly Arrow[],
): string[] {
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec as unknown as Policy);
  if (policies.length === 0) return [];
  // One without rules, for all: then nothing may be left out.
  const closesAll = policies.some((policy) => policy.ingress === undefined && policy.egress === undefined);
  const open = workloads.filter(
    ({ labels }) => !isIsolated(policies, 'Ingress', labels) || !isIsolated(policies, 'Egress', labels),
  );
  const wanted = new Set(arrows.map(nameOf));
  const possible = workloads.flatMap((from) =>
    workloads.flatMap((to) => (from === to ? [] : listPorts(to).map((port): Arrow => ({ from, to, port })))),
  );
  const isOpen = (arrow: Arrow) => passes(policies, 'Egress', arrow) && passes(policies, 'Ingress', arrow);
  // Whoever is called decides who may: its end alone must be as narrow as that.
  const letIn = possible.filter(
    (arrow) => isIsolated(policies, 'Ingress', arrow.to.labels) && passes(policies, 'Ingress', arrow),
  );
  return [
    ...(closesAll ? open : []).map(({ label }) => `${label}: no NetworkPolicy closes it`),
    ...arrows.filter((arrow) => !isOpen(arrow)).map((arrow) => `${nameOf(arrow)} is closed`),
    ...letIn.filter((arrow) => !wanted.has(nameOf(arrow))).map((arrow) => `${nameOf(arrow)} is open for nothing`),
  ];
}

const nameOf = ({ from, to, port }: Arrow) => `the way from ${from.label} to ${to.label}:${port}`;

function listPorts({ pod }: Workload): number[] {
  return pod.containers.flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort));
}

function isIsolated(policies: readonly Policy[], type: 'Ingress' | 'Egress', labels: Record<string, string>): boolean {
  return policies.some((policy) => policy.policyTypes.includes(type) && selects(policy.podSelector, labels));
}

/** Whether one end of an arrow lets the other in, or out to it; an end that no policy selects does. */
function passes(policies: readonly Policy[], type: 'Ingress' | 'Egress', { from, to, port }: Arrow): boolean {
  const [own, other] = type === 'Ingress' ? [to, from] : [from, to];
  return (
    !isIsolated(policies, type, own.labels) ||
    policies
      .filter(({ podSelector }) => selects(podSelector, own.labels))
      .flatMap((policy) => (type === 'Ingress' ? policy.ingress : policy.egress) ?? [])
      .some((rule) => admits(rule, other.labels, port))
  );
}

function admits({ from, to, ports }: Rule, labels: Record<string, string>, port: number): boolean {
  const peers = from ?? to;
  const isPeer = ({ podSelector, namespaceSelector }: Peer) =>
    // Peers of other namespaces, and addresses, are none of ours.
    namespaceSelector === undefined && podSelector !== undefined && selects(podSelector, labels);
  return (ports === undefined || ports.some((one) => one.port === port)) && (peers === undefined || peers.some(isPeer));
}
