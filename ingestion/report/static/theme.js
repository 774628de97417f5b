// Sets the theme before anything is drawn: the one chosen last time, otherwise the one of the system.
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

function followTheme() {
  let chosen = null;
  try {
    chosen = localStorage.getItem("report-theme");
  } catch {
    // a browser may forbid storage for files
  }
  const isDark = chosen === "light" || chosen === "dark" ? chosen === "dark" : systemIsDark.matches;
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
}

followTheme();
