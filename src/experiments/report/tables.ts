import type { Block, ReportDocument, Section, Table } from "./document.js";

/** A table, or none where it has no rows. */
export function filled(table: Omit<Table, "kind">): Table[] {
  return table.rows.length === 0 ? [] : [{ kind: "table", ...table }];
}

/** The tables of a document with their sections, those behind charts among them. */
export function tablesOf({
  sections,
}: ReportDocument): { readonly section: Section; readonly table: Table }[] {
  const own = (block: Block): readonly Table[] => {
    if (block.kind === "table") return [block];
    return block.kind === "chart" ? block.tables : [];
  };
  return sections.flatMap((section) =>
    section.blocks.flatMap((block) => own(block).map((table) => ({ section, table }))),
  );
}
