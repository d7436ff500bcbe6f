/** The part of NLM's UCUM library used here; it carries no types of its own. */
declare module '@lhncbc/ucum-lhc' {
  export const UcumLhcUtils: { getInstance(): unknown };
}

declare module '@lhncbc/ucum-lhc/source-cjs/unitString.js' {
  export const UnitString: {
    getInstance(): {
      /** @returns the unit or null, the expression as understood, and what was wrong with it */
      parseString(
        unit: string,
        purpose: 'validate',
        suggest: boolean,
      ): readonly [unit: object | null, asWritten: string | null, remarks: readonly string[]];
    };
  };
}
