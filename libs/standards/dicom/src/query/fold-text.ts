/** Lower case without combining marks: "Müller" and "MULLER" are the same key. */
export const foldText = (text: string): string =>
  text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().normalize('NFKC');
