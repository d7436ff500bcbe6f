// The tables of docs/conformance/dicomweb.md that come from code.
import { services } from '@callosum/all-in-one/services';
import { describeSettings } from '@callosum/config';
import { encodedSyntaxes, nativeSyntaxes, transferSyntaxes } from '@callosum/dicom';
import {
  defaultSyntaxOf,
  headersOfPages,
  statedAnswers,
  statedPixels,
  statedResources,
  statedSyntaxes,
} from '@callosum/dicomweb-service';

import { fillTables } from './generated-tables.mjs';

const code = (text) => `\`${text}\``;
const lines = (texts) => texts.join('<br>');
const nameOf = (uid) => transferSyntaxes.get(uid)?.name ?? uid;

/** ":study" as PS3.18 writes it, "{study}". */
const templateText = (template) => template.replace(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}');

const ofService = (section) => statedResources.filter((one) => one.section.startsWith(section));

function resourceTable(resources) {
  const takesSome = resources.some(({ takes }) => takes.length > 0);
  const head = ['resource', 'PS3.18', ...(takesSome ? ['payload'] : []), 'answer', 'parameters', 'status'];
  return (table) =>
    table(
      head,
      resources.map(({ method, template, section, takes, gives, parameters, statuses }) => [
        code(`${method} ${templateText(template)}`),
        section,
        ...(takesSome ? [lines(takes.map(code))] : []),
        lines(gives.map(code)),
        parameters.map(code).join(', '),
        statuses.join(', '),
      ]),
    );
}

/** A line for each status; reasons that share one stand in it. */
const statuses = (table) =>
  table(
    ['status', 'when'],
    [...Map.groupBy(statedAnswers, ({ status }) => status)].map(([status, of]) => [
      status,
      lines(of.map(({ when }) => when)),
    ]),
  );

/** What others are rewritten in, where they can be decoded. */
const isMade = (uid) => nativeSyntaxes.includes(uid) || encodedSyntaxes.includes(uid);

/** In their order; the one that the object is in already is its own. */
const choicesText = (uids, stored) => uids.map((uid) => (uid === stored ? 'as it is' : nameOf(uid))).join(', else ');

const syntaxes = (table) =>
  table(
    [
      'transfer syntax',
      'UID',
      'an instance stored in it leaves, when no syntax is named',
      'with `transfer-syntax=*`',
      'a frame of it, with `transfer-syntax=*`',
      'given by name, made without loss of others whose pixels it holds',
    ],
    statedSyntaxes().map(
      ({ transferSyntaxUid: uid, instanceByDefault, instanceAsStored, isAskedFor, frameAsStored }) => [
        nameOf(uid),
        uid,
        choicesText(instanceByDefault, uid),
        choicesText(instanceAsStored.slice(0, 1), uid),
        frameAsStored ? code(frameAsStored.mediaType) : '',
        isAskedFor && isMade(uid) ? 'yes' : '',
      ],
    ),
  );

/** What encoders here hold. */
const pixels = (table) =>
  table(
    ['pixels', ...encodedSyntaxes.map(nameOf)],
    statedPixels().map(({ kind, transferSyntaxUids }) => [
      kind,
      ...encodedSyntaxes.map((uid) => (transferSyntaxUids.includes(uid) ? 'yes' : 'no')),
    ]),
  );

const frameTypes = (table) => {
  const types = [...new Set(statedSyntaxes().flatMap(({ frameAsStored }) => frameAsStored?.mediaType ?? []))];
  return table(
    ['media type of frames', 'transfer syntax that is meant when none is named'],
    types.map((type) => {
      const uid = defaultSyntaxOf(type);
      return [code(type), uid === undefined ? 'the one it is stored in' : nameOf(uid)];
    }),
  );
};

const pages = (table) =>
  table(
    ['a page that was let in', 'headers, beside those that every page may'],
    [
      ['may send', headersOfPages.sent.map(code).join(', ')],
      ['may read, also of refusals', headersOfPages.read.map(code).join(', ')],
    ],
  );

const settings = (table) => {
  const { settings: schema } = services.find(({ name }) => name === 'dicomweb');
  return table(
    ['setting', 'default', 'meaning'],
    describeSettings(schema).map(({ name, defaultValue, description }) => [
      code(name),
      defaultValue === undefined ? '' : code(defaultValue),
      description,
    ]),
  );
};

const tables = {
  'store-resources': resourceTable(ofService('10.5')),
  'search-resources': resourceTable(ofService('10.6')),
  'retrieve-resources': resourceTable(ofService('10.4')),
  'other-resources': resourceTable(statedResources.filter(({ section }) => !section.startsWith('10.'))),
  syntaxes,
  pixels,
  'frame-types': frameTypes,
  statuses,
  pages,
  settings,
};

const path = 'docs/conformance/dicomweb.md';

/** The document with these tables as they are now. @param table (head, rows) → Markdown */
export const withDicomwebTables = (document, table) => fillTables(path, document, tables, table);
