/** Ready to be read on after the first, which is there: what fails before it fails now, while an answer can still say so. */
export async function begun<T>(all: AsyncGenerator<T, void>): Promise<AsyncGenerator<T, void>> {
  const first = await all.next();
  return (async function* (): AsyncGenerator<T, void> {
    if (first.done === true) return;
    yield first.value;
    yield* all;
  })();
}
