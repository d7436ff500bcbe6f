export { renderingAttributes } from './attributes.js';
export { DicomRenderError, type RenderProblem } from './errors.js';
export type { Gray8, Picture, Rgb8 } from './picture.js';
export { encodePicture, type PictureFormat, type PictureOptions } from './encode-picture.js';
export { encodePng } from './png.js';
export { renderFrame, renderInTurns, type RenderOptions } from './render-frame.js';
export { scaleToViewport, type SourceRegion, type Viewport } from './viewport.js';
export type { Window, WindowFunction } from './voi.js';
