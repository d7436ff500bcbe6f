/** What is used of it here: neither the types of Node nor the ES library have it. */
declare namespace WebAssembly {
  type Module = object;
  function validate(bytes: Uint8Array): boolean;
  function compile(bytes: Uint8Array): Promise<Module>;
}
