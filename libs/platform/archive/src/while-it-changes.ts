/** How often a scope is read again that changes while it is decided on. */
const attemptsMax = 20;

/** What a decision was made on: whether it changed before it was recorded. */
export interface Look {
  changed: boolean;
}

/** Decides again where a scope changed between the look and the lock: something came, or somebody said something of it. */
export async function whileItChanges<T>(decide: (look: Look) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const look = { changed: false };
    try {
      return await decide(look);
    } catch (error) {
      if (!look.changed || attempt >= attemptsMax) throw error;
    }
  }
}
