/** What is used of it here: neither the types of Node nor the ES library have it. */
declare namespace WebAssembly {
  type Module = object;
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  interface Instantiated {
    readonly module: Module;
    readonly instance: { readonly exports: { readonly memory: Memory } };
  }
  type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  function validate(bytes: Uint8Array): boolean;
  function compile(bytes: Uint8Array): Promise<Module>;
  let instantiate: (binary: Uint8Array, imports: Imports) => Promise<Instantiated>;
}
