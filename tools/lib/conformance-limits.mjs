// The table of limits of docs/conformance/dicom.md: those of libs/standards/dimse, in words.
import { scpLimits, scuLimits, scuTimeouts } from '@callosum/dimse';

const limitNames = {
  pduBytesMax: 'PDU taken, and announced to the peer, bytes',
  associateBytesMax: 'association request, bytes',
  userInformationBytesMax: 'user information in it, bytes',
  commandBytesMax: 'command set, bytes',
  objectBytesMax: 'dataset of a C-STORE, bytes',
  identifierBytesMax: 'any other dataset, bytes',
  bufferedBytesMax: 'bytes held for a slow reader of an association',
  associationsMax: 'associations at the same time',
  newcomersMax: 'connections without an association at the same time',
  newcomersPerAddressMax: 'of them, those of one address',
  handshakeMs: 'TLS handshake, ms',
  artimMs: 'ARTIM timer, ms',
  idleTimeoutMs: "the peer's silence inside an association, ms",
  messageTimeoutMs: 'a message without pixels, from its command to the end of its dataset, ms',
  messageBytesPerSecondMin:
    'least rate of a message that goes on for longer than that silence may be, bytes per second',
  responseTimeoutMs: "the peer's silence after a request of ours, ms",
  associateMs: 'connection, TLS handshake, and the answer to our association request, ms',
  responseMs: 'the response to a request of ours, ms',
};
/** @param table (head, rows) → Markdown */
export function limits(table) {
  const acceptor = scpLimits;
  const requestor = { ...scuLimits, ...scuTimeouts };
  const known = Object.keys({ ...acceptor, ...requestor });
  const unnamed = known.filter((name) => !(name in limitNames));
  if (unnamed.length > 0)
    throw new Error(`limits without words in tools/lib/conformance-limits.mjs: ${unnamed.join(', ')}`);
  const number = (value) => (value === undefined ? '' : value.toLocaleString('en'));
  return table(
    ['limit', 'as acceptor', 'as requestor'],
    known.map((name) => [limitNames[name], number(acceptor[name]), number(requestor[name])]),
  );
}
