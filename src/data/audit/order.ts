/** Order by UTF-16 code units, which no locale changes. */
export function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The distinct texts, sorted by UTF-16 code units. */
export function sortedDistinct(texts: Iterable<string>): string[] {
  return [...new Set(texts)].sort(compareCodeUnits);
}

/** Items by key, in the order in which the keys first appear; items whose key is null are left out. */
export function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string | null): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === null) continue;
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
