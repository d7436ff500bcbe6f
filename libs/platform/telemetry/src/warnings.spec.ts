import { diag } from '@opentelemetry/api';
import { afterEach, expect, it } from 'vitest';

import { createLogger } from './logger.js';
import { tellDiagnostics, tellWarnings } from './warnings.js';

const before = process.listeners('warning');
afterEach(() => {
  process.removeAllListeners('warning');
  for (const listener of before) process.on('warning', listener);
  diag.disable();
});

function recorded(): { lines: string[]; logger: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  return { lines, logger: createLogger('test', 'debug', { write: (line: string) => void lines.push(line) }) };
}

it('makes a warning of Node a line of JSON, without its text', async () => {
  const { lines, logger } = recorded();
  tellWarnings(logger);
  process.emitWarning('the value JOHN^DOE is odd', { type: 'OddWarning', code: 'ODD' });
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'warn', msg: 'node.warning', err: { code: 'ODD' } });
  expect(lines[0]).not.toContain('JOHN');
});

it('makes what OpenTelemetry could not do a line of JSON, without its text', () => {
  const { lines, logger } = recorded();
  tellDiagnostics(logger);
  diag.error('could not send JOHN^DOE', new TypeError('JOHN^DOE'));
  diag.warn('of no matter');
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { msg: 'telemetry.trouble', err: { type: 'TypeError' } },
  ]);
  expect(lines.join()).not.toContain('JOHN');
});
