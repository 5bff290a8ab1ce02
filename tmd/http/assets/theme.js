// Loaded before the page is drawn: the chosen colours must not come after a flash of the others.
(() => {
  try {
    const chosen = localStorage.getItem("taskmaster.theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch {
    // A browser that keeps nothing shows what its system prefers.
  }
})();
