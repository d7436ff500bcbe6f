import '../../../standards/phantom/src/index.js';
