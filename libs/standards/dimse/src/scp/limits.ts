/** Limits of a provider: what one peer may make us hold, and how long it may let us wait. */
export interface ScpLimits {
  /** Longest P-DATA-TF taken, and the maximum length announced to senders. */
  readonly pduBytesMax: number;
  /** Longest A-ASSOCIATE-RQ. */
  readonly associateBytesMax: number;
  /** Longest user information in it: role selections, negotiations, and the user's identity. */
  readonly userInformationBytesMax: number;
  /** Longest command set; the largest the standard knows has some 300 bytes. */
  readonly commandBytesMax: number;
  /** Longest dataset of one C-STORE. */
  readonly objectBytesMax: number;
  /** Longest dataset of any other message: identifiers, attribute lists, event and action information. */
  readonly identifierBytesMax: number;
  /** Dataset bytes of one association held for readers that are slower than the sender. */
  readonly bufferedBytesMax: number;
  readonly associationsMax: number;
  /** Connections without an association, beside those with one: who asks, and one too many until it has closed. */
  readonly newcomersMax: number;
  /** Of one address. */
  readonly newcomersPerAddressMax: number;
  /** A TLS connection until its handshake is done. */
  readonly handshakeMs: number;
  /** Connection until A-ASSOCIATE-RQ, and end of association until the peer closes (the ARTIM timer of PS3.8). */
  readonly artimMs: number;
  /** The peer's silence, or its slowness with one PDU, inside an association. Our own work does not count. */
  readonly idleTimeoutMs: number;
  /** From the command of a message without pixels to the end of its dataset, however steadily it drips in. */
  readonly messageTimeoutMs: number;
  /** Least rate at which any message comes, looked at each `idleTimeoutMs`: a trickle holds no association for ever. */
  readonly messageBytesPerSecondMin: number;
  /** The peer's silence after a request of ours: a C-STORE sub-operation or an N-EVENT-REPORT. */
  readonly responseTimeoutMs: number;
}

export const scpLimits: ScpLimits = Object.freeze({
  // DCMTK sends at most 128 KiB; more than 256 KiB made no transfer faster.
  pduBytesMax: 256 * 1024,
  // 128 contexts with forty transfer syntaxes each are 200 KiB.
  associateBytesMax: 256 * 1024,
  // All its length field can say: SAML assertions and Kerberos tickets are tens of KiB.
  userInformationBytesMax: 0xffff,
  commandBytesMax: 16 * 1024,
  // Native Pixel Data ends at 4 GiB (32 bit lengths); whole-slide and video objects in fragments may go past it.
  objectBytesMax: 16 * 1024 ** 3,
  // A query by a list of 10,000 UIDs has 640 KiB; a commitment of 10,000 instances 1.2 MiB, of 30,000 less than 4.
  identifierBytesMax: 4 * 1024 * 1024,
  // One PDU of headroom: the next one is read while this one is written.
  bufferedBytesMax: 256 * 1024,
  // Each holds at most about 1 MiB of buffers: 128 MiB in the worst case. What is being stored is its storage's to bound.
  associationsMax: 128,
  newcomersMax: 128,
  // Behind a load balancer all peers may have the same address, and come back at once: a TLS handshake takes a while.
  newcomersPerAddressMax: 64,
  handshakeMs: 10_000,
  artimMs: 15_000,
  // Modalities pause between images of one association; two minutes is what most senders wait themselves.
  idleTimeoutMs: 120_000,
  // The longest takes half of it at 1 Mbit/s.
  messageTimeoutMs: 60_000,
  // The slowest lines that carry images, of 64 kbit/s, have eight times as much.
  messageBytesPerSecondMin: 1_024,
  // A busy archive may sort out a large object for a while before it answers.
  responseTimeoutMs: 120_000,
});
