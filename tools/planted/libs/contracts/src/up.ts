import '../../standards/dicom/src/index.js';
