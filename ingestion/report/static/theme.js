// Before anything is drawn: the theme that was chosen the last time, else the system's.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("report-theme");
  } catch {
    // a browser may keep nothing for files
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
