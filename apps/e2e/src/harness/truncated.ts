import type { Callosum } from './callosum.js';
import { runPython } from './python.js';

const sendCut = `
import json, struct, sys
from io import BytesIO
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pydicom import dcmread
port, path, keep = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
raw = open(path, 'rb').read()
dataset = raw[144 + struct.unpack('<I', raw[140:144])[0]:]
meta = dcmread(path, stop_before_pixels=True)
ae = AE('E2E-CUT')
ae.add_requested_context(meta.SOPClassUID, meta.file_meta.TransferSyntaxUID)
association = ae.associate('127.0.0.1', port, ae_title='CALLOSUM')
request = C_STORE()
request.MessageID = 1
request.Priority = 2
request.AffectedSOPClassUID = meta.SOPClassUID
request.AffectedSOPInstanceUID = meta.SOPInstanceUID
request.DataSet = BytesIO(dataset[:keep])
association._reactor_checkpoint.clear()
association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
_, response = association.dimse.get_msg(block=True)
association._reactor_checkpoint.set()
status = response.Status if response is not None else None
association.release()
print(json.dumps({'status': status, 'sent': len(dataset[:keep]), 'whole': len(dataset)}))
`;

export interface Truncated {
  /** Of C-STORE-RSP; null when no response came. */
  readonly status: number | null;
  readonly sent: number;
  readonly whole: number;
}

/** Sends a PS3.10 file's dataset cut to `keepBytes` by C-STORE, as a modality that ends in the middle of it. */
export const sendTruncated = (
  { dimsePort }: Pick<Callosum, 'dimsePort'>,
  path: string,
  keepBytes: number,
): Promise<Truncated> => runPython<Truncated>(sendCut, [String(dimsePort), path, String(keepBytes)]);
