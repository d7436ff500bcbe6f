import '../../../libs/platform/database/src/index.js';
