import type { DicomDataset } from '../dataset.js';

/**
 * Where the attributes of a functional group macro stand for one frame: in the frame's own item of its sequence, else in
 * the one all frames share, else in the dataset, as in objects that have no functional groups (PS3.3 C.7.6.16.1.1).
 * @param frameNumber from 1
 * @param sequence keyword of the macro's sequence, 'FrameVOILUTSequence'
 */
export function frameMacro(dataset: DicomDataset, frameNumber: number, sequence: string): DicomDataset {
  const own = dataset.sequence('PerFrameFunctionalGroupsSequence')[frameNumber - 1];
  const [shared] = dataset.sequence('SharedFunctionalGroupsSequence');
  return own?.sequence(sequence)[0] ?? shared?.sequence(sequence)[0] ?? dataset;
}
