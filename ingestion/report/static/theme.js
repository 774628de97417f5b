// Before anything is drawn, and when the system's theme changes: the theme that was chosen the last time, else the system's.
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

function followTheme() {
  let chosen = null;
  try {
    chosen = localStorage.getItem("report-theme");
  } catch {
    // a browser may keep nothing for files
  }
  const isDark = chosen === "light" || chosen === "dark" ? chosen === "dark" : systemIsDark.matches;
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
}

followTheme();
