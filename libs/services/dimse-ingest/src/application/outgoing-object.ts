import { DicomTranscodeError, transcode, type TranscodeSource } from '@callosum/dicom';
import type { OtherForm, OutgoingObject } from '@callosum/dimse';

import type { ForwardItem, KeptObject } from './forwarding-ports.js';
import { asKept, buffers, sourceOf } from './kept-dataset.js';
import type { KeptObjects } from './ports.js';

/** An instance of the archive for a peer: its bytes as they are kept; where a rule lets it, in another lossless form. */
export function outgoingObject(
  objects: KeptObjects,
  { sopInstanceUid, transcode: mayChange }: Pick<ForwardItem, 'sopInstanceUid' | 'transcode'>,
  { sopClassUid, transferSyntaxUid, blobKey }: KeptObject,
): OutgoingObject {
  const source = sourceOf(objects, blobKey);
  return {
    sopClassUid,
    sopInstanceUid,
    transferSyntaxUid,
    dataset: asKept(source),
    ...(mayChange ? { otherwise: (accepted: readonly string[]) => otherForm(source, accepted) } : {}),
  };
}

/** Undefined when the object cannot be given in any of them: video, for one. */
async function otherForm(source: TranscodeSource, accepted: readonly string[]): Promise<OtherForm | undefined> {
  try {
    const form = await transcode(source, { to: accepted });
    return { transferSyntaxUid: form.transferSyntaxUid, dataset: () => buffers(form.dataset()) };
  } catch (error) {
    if (error instanceof DicomTranscodeError) return undefined;
    throw error;
  }
}
