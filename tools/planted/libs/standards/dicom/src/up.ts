import '../../../platform/database/src/index.js';
