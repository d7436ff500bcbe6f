/** How often others of the process had their turn while it was worked for. */
export async function turnsBeside<T>(work: Promise<T>): Promise<[result: T, turns: number]> {
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const result = await work.finally(() => (isOver = true));
  return [result, turns];
}
