import '../../../libs/standards/dicom/src/index.js';
