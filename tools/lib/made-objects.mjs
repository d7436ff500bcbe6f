// Attributes of the objects Callosum makes, read from ones made of a phantom's result, for docs/conformance/dicom.md.
import { dictionaryEntry, parseFile, toDicomJson } from '@callosum/dicom';

import { buildResultDocuments } from '../../libs/services/result-publisher/dist/domain/dicom/result-documents.js';
import { readSourceSeries } from '../../libs/services/result-publisher/dist/domain/dicom/source-series.js';
import { tinyLabelMap, tinyResult, tinyStudy } from '../../libs/services/result-publisher/dist/test-support/phantom.js';

const contentSequence = '0040A730';
/** Code Sequence Macro, PS3.3 table 8.8-1. */
const codeTags = new Set(['00080100', '00080102', '00080104', '00080119', '00080103']);

/** Rows of one level: what items of a sequence have together, and how often they have it. */
function rowsOf(datasets, depth, path) {
  const tags = [...new Set(datasets.flatMap((dataset) => Object.keys(dataset)))].sort();
  return tags.flatMap((tag) => {
    const keyword = dictionaryEntry(tag)?.keyword ?? tag;
    const elements = datasets.map((dataset) => dataset[tag]).filter((element) => element !== undefined);
    const { vr } = elements[0];
    const items = vr === 'SQ' ? elements.flatMap((element) => element.Value ?? []) : [];
    const isCode = items.length > 0 && items.every((item) => Object.keys(item).every((inner) => codeTags.has(inner)));
    const repeats = tag === contentSequence && path.includes(contentSequence);
    const terms = vr === 'CS' ? [...new Set(elements.map((element) => (element.Value ?? []).join('\\')))] : [];
    const isEmpty = elements.every(
      (element) => (element.Value ?? []).length === 0 && !element.InlineBinary && !element.bytes,
    );
    const says = isCode
      ? 'a code'
      : repeats
        ? 'as above'
        : terms.length > 0 && terms.length <= 4
          ? terms.join(', ')
          : '';
    const presence =
      elements.length < datasets.length ? 'in some items' : isEmpty && vr !== 'SQ' ? 'yes, empty' : 'yes';
    const name = `${'>'.repeat(depth)}${depth > 0 ? ' ' : ''}${keyword}`;
    const row = [name, `(${tag.slice(0, 4)},${tag.slice(4)})`, vr, presence, says];
    return [row, ...(isCode || repeats || items.length === 0 ? [] : rowsOf(items, depth + 1, [...path, tag]))];
  });
}

const head = ['attribute', 'tag', 'VR', 'in the sample', 'its code strings'];

/** @returns tables of the Segmentation and of the report, by name; Patient and Study are copied and left out */
export function madeObjects() {
  const study = tinyStudy();
  const source = readSourceSeries(study.sopInstanceUids, study.instances);
  const { segmentation, report } = buildResultDocuments(tinyResult(study, tinyLabelMap(study)), source);
  const rows = ({ bytes }) => {
    const dataset = toDicomJson(parseFile(bytes).dataset);
    return rowsOf([Object.fromEntries(Object.entries(dataset).filter(([tag]) => !(tag in source.copied)))], 0, []);
  };
  return { segmentation: (table) => table(head, rows(segmentation)), report: (table) => table(head, rows(report)) };
}
