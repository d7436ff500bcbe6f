import type { KubernetesObject } from './chart.js';
import { selects, type Workload } from './workloads.js';

interface Rule {
  readonly ports: readonly { readonly port: number; readonly protocol: string }[];
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
}
export interface Peer {
  readonly podSelector?: { readonly matchLabels: Record<string, string> };
  readonly namespaceSelector?: { readonly matchLabels?: Record<string, string> };
  readonly ipBlock?: { readonly cidr: string };
}
interface PolicySpec {
  readonly podSelector: { readonly matchLabels?: Record<string, string> };
  readonly policyTypes: readonly string[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

export const policiesFor = (objects: readonly KubernetesObject[], { labels }: Workload): PolicySpec[] =>
  objects
    .filter(({ kind }) => kind === 'NetworkPolicy')
    .map(({ spec }) => spec as unknown as PolicySpec)
    .filter(({ podSelector }) => selects(podSelector, labels));

/** Ports anything may reach by the policies of a workload. */
export const allowedPorts = (policies: readonly PolicySpec[]): number[] =>
  policies.flatMap(({ ingress = [] }) => ingress.flatMap(({ ports }) => ports.map(({ port }) => port)));

/** Who a peer is, in words: a component of ours, or what `outside` calls it. */
export type NameOfPeer = (peer: Peer) => string;

const dns = 53;

/** "a -> b:port" for all that policies let out (from a workload) and in (to a workload), DNS left out. */
export function edges(
  objects: readonly KubernetesObject[],
  workloads: readonly Workload[],
  nameOf: NameOfPeer,
): { out: string[]; in: string[] } {
  const out: string[] = [];
  const into: string[] = [];
  for (const workload of workloads) {
    for (const { ingress = [], egress = [] } of policiesFor(objects, workload)) {
      for (const { ports, to = [] } of egress)
        for (const { port } of ports)
          if (port !== dns) for (const peer of to) out.push(`${workload.component} -> ${nameOf(peer)}:${port}`);
      for (const { ports, from = [] } of ingress)
        for (const { port } of ports)
          for (const peer of from) into.push(`${nameOf(peer)} -> ${workload.component}:${port}`);
    }
  }
  return { out: [...new Set(out)].sort(), in: [...new Set(into)].sort() };
}
