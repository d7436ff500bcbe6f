import '../../../services/alpha/src/index.js';
