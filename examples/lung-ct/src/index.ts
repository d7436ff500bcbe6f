export { analyseLungs, type AnalysisWarning, type LungAnalysis, type LungMeasurements } from './measure.js';
export { UnusableVolumeError, type LungVolume } from './volume.js';
export { manifest } from './manifest.js';
export { toInferenceResult, type WrittenLabelMap } from './result.js';
