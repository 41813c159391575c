/** The title of the tab: where one is, and how much waits. */

let place = "";
let waiting = "";

export function setPageTitle(title: string): void {
  place = title;
  show();
}

/** `3`, or nothing. */
export function setWaiting(count: string): void {
  waiting = count;
  show();
}

function show(): void {
  document.title = `${waiting === "" ? "" : `(${waiting}) `}${place === "" ? "Weir" : `${place} · Weir`}`;
}
