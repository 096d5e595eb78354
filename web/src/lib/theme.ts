/** Light, dark, or as the system says; remembered in this browser. */
import { Store } from "./store";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "karyaksham.theme";

function remembered(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return THEMES.find((each) => each === value) ?? "system";
  } catch {
    return "system"; // a browser that keeps nothing
  }
}

export const theme = new Store<Theme>("system");

/** Show a theme from now on. */
export function chooseTheme(value: Theme): void {
  theme.set(value);
  show(value);
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // it holds for this visit
  }
}

function show(value: Theme): void {
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
}

/** Before anything is drawn: what was chosen at an earlier visit. */
export function startTheme(): void {
  theme.set(remembered());
  show(theme.get());
}
