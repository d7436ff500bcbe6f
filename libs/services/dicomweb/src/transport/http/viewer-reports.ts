/**
 * An extension of OHIF's (docs.ohif.org, "Extensions") in the configuration itself, as the text of an object. OHIF draws a measurement
 * report (TID 1500) as marks on images, and shows nothing of one that has no coordinates (SCOORD, SCOORD3D; PS3.3 C.18.6, C.18.9), such
 * as a volume that a model measured. It can show any other document as text: here it takes such a report for one.
 */
export const reportsAsText = `{
    id: 'callosum.reports-as-text',
    preRegistration({ servicesManager }) {
      const { displaySetService } = servicesManager.services;
      const hasRegion = (items) =>
        [].concat(items ?? []).some((item) => /^SCOORD/.test(item?.ValueType) || hasRegion(item?.ContentSequence));
      const separate = (container) => {
        container.ContinuityOfContent = 'SEPARATE';
        for (const item of [].concat(container.ContentSequence ?? [])) if (item?.ValueType === 'CONTAINER') separate(item);
      };
      displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_ADDED, ({ displaySetsAdded }) => {
        for (const one of displaySetsAdded) {
          if (!one.isImagingMeasurementReport || hasRegion(one.instance?.ContentSequence)) continue;
          one.isImagingMeasurementReport = false;
          for (const instance of one.instances) separate(instance);
        }
      });
    },
  }`;
