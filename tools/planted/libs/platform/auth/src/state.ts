import '../../database/src/index.js';
