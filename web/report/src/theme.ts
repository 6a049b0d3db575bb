// The theme: the reader's system decides, and the button overrules it. Charts are drawn on canvases, which take no colours from
// the style sheet by themselves, so they are told when it changes.

const redraws: (() => void)[] = [];

/** Calls redraw after each change of theme. */
export function onTheme(redraw: () => void): void {
  redraws.push(redraw);
}

/** Returns the value of a colour of palette.css in the current theme. */
export function color(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function apply(theme: string | null): void {
  if (theme === null) document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = theme;
  for (const redraw of redraws) redraw();
}

/** Sets up the button, the reader's remembered choice, and printing, which is always on white. */
export function setUpTheme(): void {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const current = (): string => document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
  const label = (): void => {
    if (button) button.textContent = current() === "dark" ? "Light theme" : "Dark theme";
  };
  const remembered = recall();
  if (remembered) document.documentElement.dataset.theme = remembered;
  label();
  button?.addEventListener("click", () => {
    const next = current() === "dark" ? "light" : "dark";
    apply(next);
    remember(next);
    label();
  });
  system.addEventListener("change", () => {
    for (const redraw of redraws) redraw();
    label();
  });
  let before: string | null = null;
  addEventListener("beforeprint", () => {
    before = document.documentElement.dataset.theme ?? null;
    apply("light");
  });
  addEventListener("afterprint", () => apply(before));
}

// A browser may refuse storage to a page that was opened from a file.
function recall(): string | null {
  try {
    return localStorage.getItem("sluice-report-theme");
  } catch {
    return null;
  }
}

function remember(theme: string): void {
  try {
    localStorage.setItem("sluice-report-theme", theme);
  } catch {
    // Then the choice holds until the page is closed.
  }
}
