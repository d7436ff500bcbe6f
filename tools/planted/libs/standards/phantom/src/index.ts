export const phantom = 1;
