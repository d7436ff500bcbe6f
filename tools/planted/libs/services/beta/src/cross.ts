import '../../alpha/src/index.js';
