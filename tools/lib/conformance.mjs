// The tables of docs/conformance/dicom.md that come from code.
import {
  dimseIngest,
  proposedContexts,
  serviceStatusOf,
  statedAttributes,
  statedBehaviour,
  statedFailureReasons,
  statedRejections,
  statedServices,
  statedStatuses,
  statusRows,
} from '@callosum/dimse-ingest-service';
import { documentConcepts } from '@callosum/result-publisher-service';
import { describeSettings } from '@callosum/config';
import {
  dictionaryEntry,
  implementationClassUid,
  implementationVersionName,
  nativeSyntaxes,
  encodedSyntaxes,
  serviceSopClassName,
  storageSopClasses,
  transferSyntaxes,
} from '@callosum/dicom';
import {
  applicationContextNotSupported,
  calledAetNotRecognized,
  callingAetNotRecognized,
  chooseMessageSyntax,
  chooseTransferSyntax,
  isStorableTransferSyntax,
  localLimitExceeded,
  protocolVersionNotSupported,
  rejectedWithoutReason,
  rejectionText,
  statusText,
} from '@callosum/dimse';

import { characterSets } from './conformance-character-sets.mjs';
import { limits } from './conformance-limits.mjs';
import { fillTables } from './generated-tables.mjs';
import { madeObjects } from './made-objects.mjs';

const yes = (is) => (is ? 'yes' : '');
const code = (text) => `\`${text}\``;
const nameOf = (uid) => `${serviceSopClassName(uid) ?? uid} ${uid}`;

function services(table) {
  return table(
    ['service', 'PS3.4', 'operations', 'SOP classes', 'SCP', 'SCU'],
    statedServices.map(({ name, section, operations, sopClassUids, scp, scuFor }) => [
      name,
      `annex ${section}`,
      operations,
      sopClassUids.length > 0 ? sopClassUids.map(nameOf).join('<br>') : 'all of Storage (section 8.7)',
      yes(scp),
      scuFor ?? '',
    ]),
  );
}

const storage = (table) =>
  table(
    ['SOP class', 'UID', ''],
    storageSopClasses.map(({ uid, name, retired }) => [name, uid, retired ? 'retired' : '']),
  );

function syntaxes(table) {
  const uncompressed = [...transferSyntaxes.keys()].filter((uid) => chooseMessageSyntax([uid]));
  /** Those left when the ones before are taken away: the order the node itself has. */
  const order = [];
  for (let left = uncompressed; left.length > 0; left = left.filter((uid) => !order.includes(uid)))
    order.push(chooseTransferSyntax(left));
  return table(
    [
      'transfer syntax',
      'UID',
      'objects are taken',
      'and written for a peer that takes no other',
      'queries and messages',
    ],
    [...transferSyntaxes.values()].map(({ uid, name }) => [
      name,
      uid,
      !isStorableTransferSyntax(uid) ? '' : order.includes(uid) ? `yes, preference ${order.indexOf(uid) + 1}` : 'yes',
      nativeSyntaxes.includes(uid) ? 'yes' : encodedSyntaxes.includes(uid) ? 'without loss' : '',
      yes(chooseMessageSyntax([uid]) === uid),
    ]),
  );
}

function rejections(table) {
  const rows = [
    [calledAetNotRecognized, 'the called AE title is another'],
    [callingAetNotRecognized, 'the calling AE title is none (PS3.5 table 6.2-1)'],
    [rejectedWithoutReason, 'a PDU length under 128 bytes'],
    ...statedRejections,
    [applicationContextNotSupported, "the application context is not DICOM's"],
    [protocolVersionNotSupported, 'bit 0 of the protocol version is not set'],
    [localLimitExceeded, 'as many associations as the node or that AE may have are open'],
  ];
  const byText = Map.groupBy(rows, ([{ result, source, reason }]) => rejectionText(result, source, reason));
  return table(
    ['A-ASSOCIATE-RJ', 'when'],
    [...byText].map(([text, of]) => [text, of.map(([, when]) => when).join('; ')]),
  );
}

/** Service status, status code and when: PS3.2's tables of a service's behaviour as provider. */
const statusTable = (lines) => (table) =>
  table(
    ['service status', 'status code', 'when'],
    statusRows(lines).map(({ status, whens }) => [
      serviceStatusOf(status),
      code(statusText(status)),
      whens.join('<br>'),
    ]),
  );

/** The same as user: what comes of a response. */
const behaviourTable = (lines) => (table) =>
  table(
    ['service status', 'status codes', 'behaviour'],
    lines.map(({ statuses, behaviour }) => [
      [...new Set(statuses.map(serviceStatusOf))].join(', '),
      statuses.map((status) => code(statusText(status))).join(', '),
      behaviour,
    ]),
  );

const contextHead = ['abstract syntax', 'transfer syntaxes', 'role', 'extended negotiation'];
const syntaxNames = (uids) => uids.map((uid) => `${transferSyntaxes.get(uid)?.name ?? '?'} ${uid}`).join('<br>');
const messageSyntaxes = () => [...transferSyntaxes.keys()].filter((uid) => chooseMessageSyntax([uid]));

/** Presentation contexts that are accepted (PS3.2: acceptable presentation contexts). */
const acceptedTable =
  ({ id, sopClassUids, requestorProvides, extended }) =>
  (table) => {
    const syntaxes = id === 'store' || id === 'echo' ? 'all of section 8.8' : syntaxNames(messageSyntaxes());
    const role = requestorProvides
      ? `SCP; SCU where the requestor selects the role of SCP, ${requestorProvides}`
      : 'SCP';
    const names =
      sopClassUids.length > 0 ? sopClassUids.map(nameOf) : ['each of section 8.7, private ones of the settings'];
    const negotiated = extended ? `of ${extended.map(() => 1).join(' ')}: ${extended.join(' ')}` : 'none';
    return table(
      contextHead,
      names.map((name) => [name, syntaxes, role, id === 'store' ? `always ${extended.join(' ')}` : negotiated]),
    );
  };

/** Storage SOP classes by their names, others by name and UID. */
const proposedName = (uid) => storageSopClasses.find((one) => one.uid === uid)?.name ?? nameOf(uid);

/** Presentation contexts that are proposed; SOP classes with the same syntaxes and role share a line. */
const proposedTable = (contexts, sampled) => (table) => {
  const key = ({ transferSyntaxUids, roles }) => JSON.stringify([transferSyntaxUids, roles]);
  return table(
    contextHead,
    [...Map.groupBy(contexts, key).values()].map((of) => {
      const [{ transferSyntaxUids, roles, extendedNegotiation }] = of;
      const names =
        of.length > 5
          ? [
              `${of.length} Storage SOP classes: `,
              of.map(({ abstractSyntaxUid: uid }) => proposedName(uid)).join(', '),
            ].join('')
          : of.map(({ abstractSyntaxUid: uid }) => proposedName(uid)).join('<br>');
      return [
        sampled ? 'SOP class of the object' : names,
        sampled && transferSyntaxUids.includes(sampled)
          ? 'that the object is kept in'
          : syntaxNames(transferSyntaxUids),
        roles?.scp ? 'SCP, by role selection' : 'SCU',
        extendedNegotiation ? [...extendedNegotiation].join(' ') : 'none',
      ];
    }),
  );
};

const attribute = (tag) => `${dictionaryEntry(tag)?.keyword ?? ''} (${tag.slice(0, 4)},${tag.slice(4)})`;
const worklistTable = (table) =>
  table(
    ['module', 'attributes: returned, and matched by'],
    [
      ['Requested procedure, patient, request', statedAttributes.worklist.procedure.map(attribute).join(', ')],
      ['Scheduled Procedure Step Sequence (0040,0100)', statedAttributes.worklist.step.map(attribute).join(', ')],
    ],
  );
const stepTable = (table) =>
  table(
    ['attribute', 'type with N-CREATE', 'type once the step has ended', 'N-SET'],
    statedAttributes.step.flatMap(({ tag, create, final, discontinued, settable, items = [] }) => [
      [
        attribute(tag),
        create,
        `${final ?? create}${discontinued === undefined ? '' : `; ${discontinued} where it is DISCONTINUED`}`,
        settable ? 'may change it' : 'may not',
      ],
      ...items.map(({ tag: inner, type }) => [`> ${attribute(inner)}`, type, type, '']),
    ]),
  );
const failureReasons = (table) =>
  table(
    ['Failure Reason (0008,1197)', 'when'],
    statedFailureReasons.map(({ reason, when }) => [code(statusText(reason)), when]),
  );
const concepts = (table) =>
  table(
    ['code', 'scheme', 'meaning'],
    Object.values(documentConcepts).map(({ value, scheme, meaning }) => [value, scheme, meaning]),
  );

const implementation = (table) =>
  table(
    ['', ''],
    [
      ['Implementation Class UID', implementationClassUid],
      ['Implementation Version Name', implementationVersionName],
      ['Application Context Name', '1.2.840.10008.3.1.1.1'],
    ],
  );

const settings = (table) =>
  table(
    ['variable', 'default', 'meaning'],
    describeSettings(dimseIngest.settings).map(({ name, defaultValue, required, description }) => [
      code(name),
      required ? 'required' : defaultValue === undefined ? '' : code(defaultValue),
      description,
    ]),
  );

/** The transfer syntax that stands for how an object is kept. */
const sampleSyntax = '1.2.840.10008.1.2.4.90';
const named = (prefix, entries, tableOf) =>
  Object.fromEntries(entries.map(([name, value]) => [`${prefix}-${name}`, tableOf(value, name)]));

const tables = {
  services,
  'storage-sop-classes': storage,
  'transfer-syntaxes': syntaxes,
  rejections,
  limits,
  'character-sets': characterSets,
  implementation,
  settings,
  'worklist-attributes': worklistTable,
  'step-attributes': stepTable,
  'failure-reasons': failureReasons,
  concepts,
  ...named('iod', Object.entries(madeObjects()), (tableOf) => tableOf),
  ...named('statuses', Object.entries(statedStatuses), statusTable),
  ...named('behaviour', Object.entries(statedBehaviour), behaviourTable),
  ...named(
    'accepted',
    statedServices.map((service) => [service.id, service]),
    acceptedTable,
  ),
  ...named('proposed', Object.entries(proposedContexts), (contexts, name) =>
    proposedTable(contexts, /^(move-objects|forwarding)$/.test(name) ? sampleSyntax : undefined),
  ),
};

/** The document with these tables as they are now. @param table (head, rows) → Markdown */
export const withTables = (document, table) => fillTables('docs/conformance/dicom.md', document, tables, table);
