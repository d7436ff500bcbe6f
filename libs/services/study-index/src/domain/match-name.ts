import { foldText, type NamePattern } from '@callosum/dicom';

/** A name as one asks the index for it first: in a form that finds every name which the key describes, and some more. */
export interface NameNarrowing {
  readonly kind: 'equal' | 'like';
  /** Folded; with `like` a pattern of SQL LIKE with '\' as its escape. */
  readonly text: string;
}

/** Where folding may change how many characters there are, or which, the narrowing takes any. */
export function narrowName(pattern: NamePattern): NameNarrowing {
  const components = pattern.map((component) =>
    component
      .split(/([*?]+)/)
      .map((part, i) =>
        i % 2 === 1
          ? '%'
          : foldText(part)
              .replace(/[\\%_]/g, '\\$&')
              .replace(/[σς]/g, '_'),
      )
      .join(''),
  );
  // `doe^*` finds DOE alone, too.
  let said = components.length;
  while (said > 1 && components[said - 1] === '%') said--;
  const text = components.slice(0, said).join('^') + (said < components.length ? '%' : '');
  const isExact = !pattern.some((component) => /[*?]/.test(component)) && !text.includes('_');
  return isExact ? { kind: 'equal', text: text.replace(/\\([\\%_])/g, '$1') } : { kind: 'like', text };
}
