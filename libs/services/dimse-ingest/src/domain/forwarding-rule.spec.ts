import { describe, expect, it } from 'vitest';

import { forwardingRuleInput } from '../settings-forwarding.js';
import { type ForwardableInstance, type ForwardingRule, matchesPattern, targetsOf } from './forwarding-rule.js';
import { isOfModality, modalityClasses } from './modality-classes.js';

const ct = '1.2.840.10008.5.1.4.1.1.2';
const instance = (more: Partial<ForwardableInstance> = {}): ForwardableInstance => ({
  studyInstanceUid: '1.2.3',
  sopInstanceUid: '1.2.3.1.1',
  sopClassUid: ct,
  transferSyntaxUid: '1.2.840.10008.1.2.1',
  revision: 1,
  source: 'CT1',
  issuedByCallosum: false,
  ...more,
});
const rule = (more: Partial<ForwardingRule> = {}): ForwardingRule => ({
  id: 'r1',
  sources: ['*'],
  exceptSources: [],
  sopClasses: [],
  destination: 'PACS',
  transcode: true,
  ...more,
});
const sentTo = (rules: ForwardingRule[], one = instance()): string[] =>
  targetsOf(rules, one).map(({ destination }) => destination);

describe('forwarding rules', () => {
  it('match the sender by its title, with wildcards, and let some out', () => {
    expect(sentTo([rule({ sources: ['CT*'] })])).toEqual(['PACS']);
    expect(sentTo([rule({ sources: ['ct*', 'MR1'] })])).toEqual([]);
    expect(sentTo([rule({ exceptSources: ['CT1'] })])).toEqual([]);
    expect(sentTo([rule({ sources: ['http:*'] })], instance({ source: 'http:scanner' }))).toEqual(['PACS']);
  });

  it('match SOP classes by UID and by modality', () => {
    expect(sentTo([rule({ sopClasses: [ct] })])).toEqual(['PACS']);
    expect(sentTo([rule({ sopClasses: ['CT'] })], instance({ sopClassUid: `${ct}.1` }))).toEqual(['PACS']);
    expect(sentTo([rule({ sopClasses: ['MR', 'SR'] })])).toEqual([]);
    expect(sentTo([rule({ sopClasses: ['CT'] })], instance({ sopClassUid: '1.2.3.4' }))).toEqual([]);
  });

  it('send to each destination once, and may transcode where one of them lets it', () => {
    const rules = [
      rule({ transcode: false }),
      rule({ id: 'r2', transcode: true }),
      rule({ id: 'r3', destination: 'B' }),
    ];
    expect(targetsOf(rules, instance())).toEqual([
      { destination: 'PACS', transcode: true },
      { destination: 'B', transcode: true },
    ]);
  });

  it('send nothing back to whom it came from, whichever way it came', () => {
    expect(sentTo([rule(), rule({ destination: 'CT1' })])).toEqual(['PACS']);
    expect(sentTo([rule()], instance({ source: 'PACS' }))).toEqual([]);
    expect(sentTo([rule()], instance({ source: 'http:PACS' }))).toEqual([]);
  });

  it('leave what was stored before they were made', () => {
    const since = new Date('2026-11-26T12:00:00Z');
    const stored = (at: string) => sentTo([rule({ since })], instance({ storedAt: new Date(at) }));
    expect(stored('2026-11-26T11:00:00Z')).toEqual([]);
    expect(stored('2026-11-26T12:00:01Z')).toEqual(['PACS']);
  });

  it('send nothing that Callosum made, whoever sent it', () => {
    const rules = [rule(), rule({ sources: ['result-publisher', 'PACS'], destination: 'B' })];
    expect(sentTo(rules, instance({ source: 'result-publisher', issuedByCallosum: true }))).toEqual([]);
    expect(sentTo(rules, instance({ source: 'PACS', issuedByCallosum: true }))).toEqual([]);
  });

  it('cannot be written with a member that says otherwise', () => {
    expect(forwardingRuleInput.safeParse({ destination: 'PACS' }).success).toBe(true);
    for (const include of ['received', 'results', 'both'])
      expect(forwardingRuleInput.safeParse({ destination: 'PACS', include }).success).toBe(false);
  });
});

describe('patterns', () => {
  it.each([
    ['*', 'CT1', true],
    ['CT*', 'CT', true],
    ['*1', 'CT1', true],
    ['C*T*1', 'CAATB1', true],
    ['A*A', 'A', false],
    ['A*AB*B', 'AAB', false],
    ['A*AB*B', 'AABB', true],
    ['CT1', 'CT12', false],
    ['C.1', 'CT1', false],
  ])('%s and %s: %s', (pattern, text, matches) => {
    expect(matchesPattern(pattern, text)).toBe(matches);
  });

  it('take no longer for a hostile one', () => {
    const startedAt = performance.now();
    expect(matchesPattern(`${'*a'.repeat(40)}b`, 'a'.repeat(64))).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(100);
  });
});

describe('modality classes', () => {
  it('name each SOP class once', () => {
    const of = (suffix: string) =>
      modalityClasses.filter((name) => isOfModality(`1.2.840.10008.5.1.4.1.1.${suffix}`, name));
    expect(of('2')).toEqual(['CT']);
    expect(of('11.1')).toEqual(['PR']);
    expect(of('88.59')).toEqual(['KO']);
    expect(of('9.1.2')).toEqual(['ECG']);
    expect(of('9.10')).toEqual([]);
  });
});
