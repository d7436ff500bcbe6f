// Runs in a page beside dicomweb-client of JavaScript: asks an origin server by every public method of it.
/* global atob, Blob, createImageBitmap, crypto, TextDecoder */

/**
 * @param given {url, uids: {study, series, instance}, objects: base64 of PS3.10 files, the first of which is the one that `uids` name,
 *   pixelsSha256: of its Pixel Data, rows, columns}
 * @returns {methods, cases}: the public methods as the client has them, and for each one that is tried "ok" or what was wrong
 */
export async function callAll({ url, uids, objects, pixelsSha256, rows, columns }) {
  const { DICOMwebClient } = globalThis.DICOMwebClient.api;
  const client = new DICOMwebClient({ url });
  const names = {
    studyInstanceUID: uids.study,
    seriesInstanceUID: uids.series,
    sopInstanceUID: uids.instance,
  };
  const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer;
  const check = (is, what) => {
    if (!is) throw new Error(what);
  };
  const sha256 = async (buffer) => {
    const digest = await crypto.subtle.digest('SHA-256', buffer);
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  };
  const isPart10 = (buffer) => new TextDecoder('latin1').decode(new Uint8Array(buffer, 128, 4)) === 'DICM';
  const valueOf = (dataset, tag) => dataset?.[tag]?.Value?.[0];
  const eventually = async (what, probe) => {
    for (const deadline = performance.now() + 30_000; ; await new Promise((go) => setTimeout(go, 250))) {
      const found = await probe();
      if (found) return found;
      check(performance.now() < deadline, `not in 30 s: ${what}`);
    }
  };
  const png = [{ mediaType: 'image/png' }];
  const picture = async (answer, most) => {
    const [data] = [answer].flat();
    const bitmap = await createImageBitmap(new Blob([data], { type: 'image/png' }));
    check(bitmap.width <= most.columns && bitmap.height <= most.rows, `it is ${bitmap.width} × ${bitmap.height}`);
    return bitmap;
  };
  const whole = async (answer) => {
    const bitmap = await picture(answer, { rows, columns });
    check(bitmap.width === columns && bitmap.height === rows, `it is ${bitmap.width} × ${bitmap.height}`);
  };
  const isFrame = async (frames) => {
    check(frames.length === 1, `${frames.length} frames come`);
    check((await sha256(frames[0])) === pixelsSha256, 'the frame is another');
  };

  // Storing comes first: the others ask for what it stored.
  const cases = {
    async storeInstances() {
      const answer = JSON.parse(await client.storeInstances({ datasets: objects.map(bytesOf) }));
      const stored = answer['00081199']?.Value ?? [];
      check(stored.length === objects.length, `${stored.length} of ${objects.length} are said to be stored`);
    },
    async searchForStudies() {
      const queryParams = { StudyInstanceUID: uids.study };
      const find = async () => {
        const [found] = await client.searchForStudies({ queryParams });
        return valueOf(found, '00201208') === objects.length;
      };
      await eventually('the whole study', find);
      check((await client.searchForStudies({ queryParams: { PatientID: 'NOBODY' } })).length === 0, 'nobody is found');
    },
    async searchForSeries() {
      const found = await client.searchForSeries({ studyInstanceUID: uids.study });
      check(
        found.some((one) => valueOf(one, '0020000E') === uids.series),
        'the series is not found',
      );
    },
    async searchForInstances() {
      const found = await client.searchForInstances({ studyInstanceUID: uids.study, queryParams: { limit: 100 } });
      check(found.length === objects.length, `${found.length} instances are found`);
    },
    async retrieveStudyMetadata() {
      check((await client.retrieveStudyMetadata(names)).length === objects.length, 'not of every instance');
    },
    async retrieveSeriesMetadata() {
      const found = await client.retrieveSeriesMetadata(names);
      check(
        found.some((one) => valueOf(one, '00080018') === uids.instance),
        'not of the instance',
      );
    },
    async retrieveInstanceMetadata() {
      const [found] = await client.retrieveInstanceMetadata(names);
      check(valueOf(found, '00080018') === uids.instance && valueOf(found, '00280010') === rows, 'of another instance');
    },
    async retrieveInstanceFrames() {
      await isFrame(await client.retrieveInstanceFrames({ ...names, frameNumbers: [1] }));
      const mediaTypes = [{ mediaType: 'application/octet-stream', transferSyntaxUID: '1.2.840.10008.1.2.1' }];
      await isFrame(await client.retrieveInstanceFrames({ ...names, frameNumbers: [1], mediaTypes }));
    },
    async retrieveBulkData() {
      const [{ '7FE00010': pixels }] = await client.retrieveInstanceMetadata(names);
      await isFrame(await client.retrieveBulkData({ BulkDataURI: pixels.BulkDataURI }));
    },
    async retrieveInstance() {
      // Without media types: 0.11.3 refuses every one that it is given here, before it asks.
      check(isPart10(await client.retrieveInstance(names)), 'it is no DICOM file');
    },
    async retrieveSeries() {
      check((await client.retrieveSeries(names)).every(isPart10), 'one is no DICOM file');
    },
    async retrieveStudy() {
      const found = await client.retrieveStudy(names);
      check(found.length === objects.length && found.every(isPart10), `${found.length} come`);
    },
    async retrieveInstanceRendered() {
      await whole(await client.retrieveInstanceRendered({ ...names, mediaTypes: png }));
      await whole(await client.retrieveInstanceRendered(names));
    },
    async retrieveInstanceThumbnail() {
      await picture(await client.retrieveInstanceThumbnail({ ...names, mediaTypes: png }), { rows: 256, columns: 256 });
    },
    async retrieveInstanceFramesRendered() {
      await whole(await client.retrieveInstanceFramesRendered({ ...names, frameNumbers: [1], mediaTypes: png }));
    },
    async retrieveInstanceFramesThumbnail() {
      const answer = await client.retrieveInstanceFramesThumbnail({ ...names, frameNumbers: [1], mediaTypes: png });
      await picture(answer, { rows: 256, columns: 256 });
    },
    async buildInstanceWadoURIUrl() {
      const response = await fetch(client.buildInstanceWadoURIUrl(names));
      check(
        response.status === 200 && isPart10(await response.arrayBuffer()),
        `it is answered with ${response.status}`,
      );
    },
    setVerbose: () => client.setVerbose(false),
    getVerbose: () => check(client.getVerbose() === false, 'it is verbose'),
    setDebug: () => client.setDebug(false),
    getDebug: () => check(!client.getDebug(), 'it tells everything'),
  };

  const results = {};
  for (const [name, call] of Object.entries(cases)) {
    try {
      await call();
      results[name] = 'ok';
    } catch (error) {
      results[name] = `${error.status ?? ''} ${error.message}`.trim();
    }
  }
  const methods = Object.getOwnPropertyNames(DICOMwebClient.prototype);
  return { methods: methods.filter((name) => name !== 'constructor' && !name.startsWith('_')), cases: results };
}
