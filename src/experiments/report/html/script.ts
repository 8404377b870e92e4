/**
 * What the page does beyond reading: columns sort, long tables filter, pictures enlarge, paper shows what is folded.
 * Without it everything is there all the same. Its words are in the body's data attributes.
 */
export const pageScript = `
const words = document.body.dataset;
const button = (text, act) => {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
};

const valueOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
};
const compare = (a, b) =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), document.documentElement.lang, { numeric: true });

for (const table of document.querySelectorAll("table:not(.matrix)")) {
  const body = table.tBodies[0];
  if (body.rows.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const text = head.textContent;
    const made = button(text, () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => compare(valueOf(a, column), valueOf(b, column)));
      body.append(...(rising ? rows : rows.reverse()));
    });
    made.title = words.sort;
    head.replaceChildren(made);
  });
  if (body.rows.length < 16) continue;
  const label = document.createElement("label");
  label.className = "filter";
  label.textContent = words.filter;
  const input = document.createElement("input");
  input.type = "search";
  input.addEventListener("input", () => {
    const wanted = input.value.toLocaleLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLocaleLowerCase().includes(wanted);
  });
  label.append(input);
  table.closest(".wide").before(label);
}

const dialog = document.createElement("dialog");
dialog.setAttribute("aria-label", words.enlarge);
document.body.append(dialog);
for (const figure of document.querySelectorAll(".picture")) {
  const made = button(words.enlarge, () => {
    const copy = figure.cloneNode(true);
    copy.querySelector("button").remove();
    const close = button(words.close, () => dialog.close());
    dialog.replaceChildren(close, copy);
    dialog.showModal();
  });
  made.setAttribute("aria-label", words.enlarge + ": " + figure.querySelector("b").textContent);
  figure.append(made);
}

// A fragment may lie in what is folded.
const unfold = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
};
addEventListener("hashchange", unfold);
unfold();

let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const each of folded) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of folded) each.open = false;
});
`;
