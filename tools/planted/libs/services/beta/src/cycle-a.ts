import './cycle-b.js';
export const a = 1;
