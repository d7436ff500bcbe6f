import './cycle-a.js';
export const b = 1;
