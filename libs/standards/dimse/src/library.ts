// The one door to dcmjs-dimse 0.3.3; what bites in it is worked around here and in the files that say so.
import { implementationClassUid, implementationVersionName } from '@callosum/dicom';
import dimse from 'dcmjs-dimse';

// Its logger is created with every level on and prints to the console: AE titles, UIDs, and whatever a peer sends.
dimse.log.disableAll(false);
// Switched off, it still formats every message before nobody reads it: for an association with 128 contexts that
// is a linear search of all known UIDs per proposed syntax.
const quiet = (): string => '';
const spoken = [dimse.association.Association, ...Object.values(dimse.requests), ...Object.values(dimse.responses)];
for (const { prototype } of spoken as { prototype: { toString: () => string } }[]) prototype.toString = quiet;

// "min(peer's maximum, ours)" is what the library announces, and 0 from the peer means "no limit": we announce our
// own number per association instead (see PS3.8 D.1), so its process-wide one must never be the smaller.
dimse.Implementation.setMaxPduLength(0xffff_ffff);
dimse.Implementation.setImplementationClassUid(implementationClassUid);
dimse.Implementation.setImplementationVersion(implementationVersionName);

export const { Dataset, Scp } = dimse;
export const { Association, PresentationContext } = dimse.association;
export const { CEchoRequest, CStoreRequest } = dimse.requests;
export const { CEchoResponse, CStoreResponse } = dimse.responses;

export type LibraryAssociation = InstanceType<typeof Association>;
export type LibraryPresentationContext = InstanceType<typeof PresentationContext>;
export type LibraryDataset = InstanceType<typeof Dataset>;
export type LibraryStoreRequest = InstanceType<typeof CStoreRequest>;
export type LibraryStoreResponse = InstanceType<typeof CStoreResponse>;
export type LibraryEchoRequest = InstanceType<typeof CEchoRequest>;
export type LibraryEchoResponse = InstanceType<typeof CEchoResponse>;
