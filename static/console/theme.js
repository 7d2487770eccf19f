// Before the first paint: the theme that was chosen, if one was.
const chosen = localStorage.getItem("hyphad-theme");
if (chosen) document.documentElement.dataset.theme = chosen;
