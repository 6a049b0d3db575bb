// The box with figures that follows the pointer over a chart.
import type uPlot from "uplot";

/** Shows text beside a point of the plotting area, in its pixels. */
export function showTip(over: HTMLElement, text: string, left: number, top: number): void {
  let tip = over.querySelector<HTMLElement>(".tip");
  if (!tip) {
    tip = document.createElement("div");
    tip.className = "tip";
    over.append(tip);
  }
  tip.textContent = text;
  tip.hidden = false;
  const right = left + 14 + tip.offsetWidth > over.clientWidth;
  tip.style.left = `${Math.max(0, right ? left - 14 - tip.offsetWidth : left + 14)}px`;
  tip.style.top = `${Math.max(0, Math.min(top - tip.offsetHeight / 2, over.clientHeight - tip.offsetHeight))}px`;
}

/** Hides it. */
export function hideTip(over: HTMLElement): void {
  const tip = over.querySelector<HTMLElement>(".tip");
  if (tip) tip.hidden = true;
}

/** A hook for a chart with one row of x values: the tip says what text returns for the row under the pointer. */
export function tooltip(text: (index: number) => string): (u: uPlot) => void {
  return (u) => {
    const { idx, left, top } = u.cursor;
    if (idx == null || left == null || left < 0) hideTip(u.over);
    else showTip(u.over, text(idx), left, top ?? 0);
  };
}
