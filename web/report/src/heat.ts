// The heatmap's choice of metric. All figures are in the page; the table says which of them shows.

/** Lets the buttons above the heatmap choose its metric. */
export function setUpHeatmap(): void {
  const heat = document.getElementById("heat");
  if (!heat) return;
  const buttons = document.querySelectorAll<HTMLButtonElement>("#heat-metric button");
  buttons.forEach((button) => {
    button.addEventListener("click", () => {
      heat.dataset.metric = button.value;
      buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
    });
  });
}
