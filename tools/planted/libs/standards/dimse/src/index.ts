export const dimse = 1;
