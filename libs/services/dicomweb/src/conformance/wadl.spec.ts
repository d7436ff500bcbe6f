import { describe, expect, it } from 'vitest';

import { resources } from './resources.js';
import { transactionOf } from './transaction.js';
import { wadlOf } from './wadl.js';

const described = resources.filter(({ method }) => method !== 'OPTIONS');
const instance = '/dicom-web/studies/:study/series/:series/instances/:instance';

describe('names of transactions', () => {
  it.each([
    ['POST', '/dicom-web/studies', 'StoreInstances'],
    ['POST', '/dicom-web/studies/:study', 'StoreStudyInstances'],
    ['POST', '/dicom-web/from/:source/studies', 'StoreInstancesFromSource'],
    ['GET', '/dicom-web/studies', 'SearchForStudies'],
    ['GET', '/dicom-web/instances', 'SearchForInstances'],
    ['GET', '/dicom-web/studies/:study/series', 'SearchForStudySeries'],
    ['GET', '/dicom-web/studies/:study/series/:series/instances', 'SearchForStudySeriesInstances'],
    ['GET', '/dicom-web/studies/:study', 'RetrieveStudy'],
    ['GET', '/dicom-web/studies/:study/metadata', 'RetrieveStudyMetadata'],
    ['GET', '/dicom-web/studies/:study/series/:series/rendered', 'RetrieveRenderedSeries'],
    ['GET', '/dicom-web/studies/:study/thumbnail', 'RetrieveStudyThumbnail'],
    ['GET', `${instance}/frames/:frames`, 'RetrieveFrames'],
    ['GET', `${instance}/frames/:frames/rendered`, 'RetrieveRenderedFrames'],
    ['GET', `${instance}/frames/:frames/thumbnail`, 'RetrieveFramesThumbnail'],
    ['GET', `${instance}/bulkdata/*`, 'RetrieveInstanceBulkdata'],
    ['GET', '/dicom-web/wado', 'GetWado'],
  ] as const)('%s %s is %s', (method, template, name) => {
    expect(transactionOf({ method, template })).toBe(name);
  });

  it('are each given once', () => {
    const names = described.map(transactionOf);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('the Capabilities Description', () => {
  const text = wadlOf(described, 'https://pacs.example/a&b"/dicom-web');

  it('has one application with one tree of resources under the base URL', () => {
    expect(text.match(/<application /g)).toHaveLength(1);
    expect(text).toContain('<resources base="https://pacs.example/a&#38;b&#34;/dicom-web">');
    // "studies" is one resource with a search and a store, and what lies below it.
    expect(text.match(/<resource path="studies">/g)).toHaveLength(2);
    expect(text).toContain('<resource path="{study}">\n<param name="study" style="template" required="true"/>');
  });

  it('names every method with what it takes, gives and answers', () => {
    for (const resource of described) {
      const begin = text.indexOf(`id="${transactionOf(resource)}"`);
      expect(begin, transactionOf(resource)).toBeGreaterThan(0);
      const method = text.slice(begin, text.indexOf('</method>', begin));
      for (const name of resource.parameters) expect(method).toContain(`<param name="${name}" style="query"/>`);
      for (const status of resource.statuses) expect(method).toMatch(new RegExp(`status="[\\d ]*${status}\\b`));
      for (const type of [...resource.takes, ...resource.gives])
        expect(method).toContain(`mediaType="${type.replaceAll('"', '&#34;')}"`);
    }
  });

  it('is well-formed', () => {
    const open: string[] = [];
    for (const [, close, name, empty] of text.matchAll(/<(\/?)([a-z]+)(?:\s[^<>]*?)?(\/?)>/g)) {
      if (close === '/') expect(open.pop()).toBe(name);
      else if (empty !== '/') open.push(name ?? '');
    }
    expect(open).toEqual([]);
    expect(text.replace(/<[^<>]*>/g, '').trim()).toBe('');
  });
});
