/** What an AE, or the user it names, may ask of this node. Verification is for everyone who may associate. */
export const permissions = ['store', 'query', 'retrieve', 'worklist', 'commitment', 'procedure-steps'] as const;
export type Permission = (typeof permissions)[number];

const queryRetrieve = /^1\.2\.840\.10008\.5\.1\.4\.1\.2\.\d+\.([123])$/;
const services: Readonly<Record<string, Permission>> = {
  '1.2.840.10008.5.1.4.31': 'worklist', // Modality Worklist Information Model - FIND
  '1.2.840.10008.1.20.1': 'commitment', // Storage Commitment Push Model
  '1.2.840.10008.3.1.2.3.3': 'procedure-steps', // Modality Performed Procedure Step
  '1.2.840.10008.3.1.2.3.4': 'procedure-steps', // its retrieve
  '1.2.840.10008.3.1.2.3.5': 'procedure-steps', // its notification
};

/**
 * The permission a SOP class other than those of storage needs; undefined for one that no list can give, so that a new
 * service is closed to AEs with a list until there is a word for it.
 */
export function permissionFor(sopClassUid: string): Permission | undefined {
  const [, operation] = queryRetrieve.exec(sopClassUid) ?? [];
  if (operation) return operation === '1' ? 'query' : 'retrieve';
  return services[sopClassUid];
}

/** What both lists hold; `undefined` is everything. */
export function both(
  one: readonly Permission[] | undefined,
  other: readonly Permission[] | undefined,
): readonly Permission[] | undefined {
  if (!one || !other) return one ?? other;
  return one.filter((permission) => other.includes(permission));
}
