import { type AcceptedAssociation, createScpServer, type ScpServer } from '@callosum/dimse';
import { ROOT_CONTEXT } from '@opentelemetry/api';

import { acceptanceOf } from '../transport/dimse/acceptance.js';
import type { DimseService } from '../transport/dimse/dimse-service.js';
import { DimseMetrics } from '../transport/dimse/metrics.js';
import { serviceRequests } from '../transport/dimse/service-requests.js';

export interface ServedServices {
  readonly server: ScpServer;
  readonly port: number;
  /** What was refused: operation, status and what is said of the reason. */
  readonly refused: string[];
  /** Defects. */
  readonly errors: unknown[];
}

/** A node that answers these services alone, on a port of its own. */
export async function serveServices(...services: readonly DimseService[]): Promise<ServedServices> {
  const refused: string[] = [];
  const errors: unknown[] = [];
  const server = await createScpServer({
    host: '127.0.0.1',
    port: 0,
    onAssociation: (info) => {
      let accepted: AcceptedAssociation | undefined;
      const association = {
        info,
        accepted: () => {
          if (!accepted) throw new Error('not accepted yet');
          return accepted;
        },
      };
      const requests = serviceRequests({
        services,
        association,
        metrics: new DimseMetrics(),
        parent: ROOT_CONTEXT,
        onRefused: (operation, status, error) => void refused.push(`${operation} ${status} ${String(error)}`),
      });
      return {
        handler: { ...requests, ended: () => undefined },
        policy: acceptanceOf(services),
        accepted: (one) => (accepted = one),
      };
    },
    onError: (error) => void errors.push(error),
  });
  return { server, port: server.port, refused, errors };
}
