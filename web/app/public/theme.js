// Before the first paint: whoever chose dark on a light system sees no flash. The page takes over from here.
try {
  document.documentElement.dataset.theme = localStorage.getItem("weir.theme") ?? "system";
} catch {
  // Nothing was chosen.
}
