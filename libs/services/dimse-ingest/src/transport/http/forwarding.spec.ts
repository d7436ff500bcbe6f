import type { Principal } from '@callosum/auth';
import type { Logger } from '@callosum/telemetry';
import { expect, it } from 'vitest';

import type { ForwardingRules, ForwardQueue } from '../../application/forwarding-ports.js';
import { ForwardingHttp } from './forwarding.http.js';

const operator: Principal = { kind: 'bearer', subject: 'user-7', roles: new Set(['operator']) };

it('what is decided on forwarding is logged with whoever decided it', async () => {
  const lines: unknown[] = [];
  const say = (...line: unknown[]) => lines.push(line);
  const known = { id: 'r1', destination: 'PACS' };
  const rules = {
    create: () => Promise.resolve(known),
    replace: () => Promise.resolve(known),
    remove: () => Promise.resolve(),
  } as unknown as ForwardingRules;
  const queue = { retry: () => Promise.resolve(3), drop: () => Promise.resolve(4) } as unknown as ForwardQueue;
  const http = new ForwardingHttp(rules, queue, { info: say, warn: say } as unknown as Logger);
  await http.create({ destination: 'PACS' }, operator);
  await http.replace('r1', { destination: 'PACS' }, operator);
  await http.remove('r1', operator);
  await http.retry('PACS', undefined, operator);
  await http.drop('PACS', { state: 'waiting' }, operator);
  // Where nobody has to say who he is.
  await http.remove('r1');
  const by = 'user-7';
  expect(lines).toEqual([
    [{ rule: 'r1', aet: 'PACS', by }, 'forward.rule-changed'],
    [{ rule: 'r1', aet: 'PACS', by }, 'forward.rule-changed'],
    [{ rule: 'r1', by }, 'forward.rule-changed'],
    [{ aet: 'PACS', instances: 3, by }, 'forward.retried'],
    [{ aet: 'PACS', state: 'waiting', instances: 4, by }, 'forward.dropped'],
    [{ rule: 'r1', by: 'anonymous' }, 'forward.rule-changed'],
  ]);
});
