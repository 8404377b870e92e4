/** A count with its unit, which is given in the plural: "1 frame", "2 pairs of images". */
export function counted(count: number, unit: string): string {
  return `${count} ${count === 1 ? singular(unit) : unit}`;
}

function singular(unit: string): string {
  if (unit === "classes and views") return "class or view";
  const [head, ...rest] = unit.split(" of ");
  return [head.replace(/s$/, ""), ...rest].join(" of ");
}
