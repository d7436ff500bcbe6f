import '../adapters/rows.js';
