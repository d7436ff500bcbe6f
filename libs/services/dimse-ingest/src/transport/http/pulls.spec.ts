import type { Principal } from '@callosum/auth';
import type { Logger } from '@callosum/telemetry';
import type { FastifyReply } from 'fastify';
import { describe, expect, it } from 'vitest';

import type { ApplicationEntities } from '../../application/ports.js';
import type { PullRequest, Pulls, PullView } from '../../application/pull-ports.js';
import { PullsHttp } from './pulls.http.js';

const id = '0b6d6f3e-6f0a-4b7e-9c55-9f1f0a1b2c3d';
const entities: ApplicationEntities = {
  named: () => Promise.resolve([]),
  callable: (aet) => Promise.resolve(aet === 'PACS' ? { aet, host: '127.0.0.1', port: 104 } : undefined),
};
const operator: Principal = { kind: 'bearer', subject: 'user-7', roles: new Set(['operator']) };
const reply = { code: () => reply, header: () => reply } as unknown as FastifyReply;

describe('/api/dimse/pulls', () => {
  it('logs who is asked, which pull it is and who cancelled it, nothing of the patient', async () => {
    const lines: unknown[] = [];
    const logger = { info: (...line: unknown[]) => lines.push(line) } as unknown as Logger;
    const asked: PullRequest[] = [];
    const view = { id, number: 1, source: 'PACS', state: 'waiting', createdAt: new Date(0) } as PullView;
    const pulls = {
      request: (request: PullRequest) => Promise.resolve({ id, isNew: asked.push(request) > 0 }),
      find: () => Promise.resolve({ ...view, selector: asked[0]?.selector }),
      list: () => Promise.resolve([view]),
      cancel: () => Promise.resolve(true),
    } as unknown as Pulls;
    const http = new PullsHttp(pulls, entities, logger, { CALLOSUM_DIMSE_AE: 'CALLOSUM' });
    const body = { source: 'PACS', patientId: 'SECRET-1', studyDateFrom: '2026-01-02' };
    const answer = await http.request(body, undefined, reply);
    expect(answer).toMatchObject({
      id,
      state: 'waiting',
      asksFor: { patientId: 'SECRET-1', studyDateFrom: '2026-01-02' },
    });
    expect(asked[0]?.selector).toMatchObject({ patientId: 'SECRET-1', studyDateFrom: '20260102' });
    await http.cancel(id, operator);
    expect(lines).toEqual([
      [{ pull: id, aet: 'PACS' }, 'pull.requested'],
      [{ pull: id, by: 'user-7' }, 'pull.cancelled'],
    ]);
    const bad = http.request({ source: 'PACS', patientId: 'SECRET*1' }, undefined, reply);
    await expect(bad).rejects.toThrow(/^not usable: patientId$/);
  });
});
