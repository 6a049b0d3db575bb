// Tables that sort by a click on a header. A cell's data-sort holds its value; cells without one, where a figure is missing,
// come last in both directions.

/** Makes the headers of each table with the class "sorts" into buttons. */
export function setUpSorting(): void {
  for (const table of document.querySelectorAll<HTMLTableElement>("table.sorts")) {
    table.querySelectorAll<HTMLButtonElement>("thead button").forEach((button) => {
      const th = button.closest("th");
      if (th) button.addEventListener("click", () => sortBy(table, th));
    });
  }
}

function sortBy(table: HTMLTableElement, th: HTMLTableCellElement): void {
  const body = table.tBodies[0];
  if (!body) return;
  // A first click brings the most interesting value to the top: the lowest of latencies and costs, the highest of rates.
  const first = th.dataset.first === "descending" ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const direction = th.getAttribute("aria-sort") === first ? other : first;
  for (const h of table.querySelectorAll("th[aria-sort]")) h.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", direction);

  const sign = direction === "ascending" ? 1 : -1;
  const column = th.cellIndex;
  const key = (row: HTMLTableRowElement): string | undefined => row.cells[column]?.dataset.sort;
  const rows = [...body.rows].sort((a, b) => {
    const x = key(a);
    const y = key(b);
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    const d = Number(x) - Number(y);
    return sign * (Number.isNaN(d) ? x.localeCompare(y, "en", { numeric: true }) : d);
  });
  body.append(...rows);
}
