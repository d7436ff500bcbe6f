/**
 * Text without any of these characters at its end. For text of others in place of a regular expression that ends in `+$`:
 * that looks at each run of them inside the text from each of its characters on, which takes minutes for a megabyte.
 */
export function withoutEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end--;
  return end === text.length ? text : text.slice(0, end);
}

/** Text without any of these characters at its beginning. */
export function withoutStart(text: string, characters: string): string {
  let start = 0;
  while (start < text.length && characters.includes(text.charAt(start))) start++;
  return start === 0 ? text : text.slice(start);
}
