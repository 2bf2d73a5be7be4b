// Drop or paste a file anywhere in a .drop-target (the Edit tab; each end of the Morph tab): it goes the way of the
// upload button inside, so that a wrong file ends in the same sentence as one that was chosen.
(() => {
  const shown = (element) => element && element.offsetParent !== null;

  function targetOf(event) {
    const under = event.target instanceof Element ? event.target.closest(".drop-target") : null;
    if (under) return under;
    const all = [...document.querySelectorAll(".drop-target")].filter(shown);
    return all.find((target) => target.matches(":hover")) || all[0] || null;
  }

  function give(target, files) {
    const input = target && target.querySelector("input.open-photo, .open-photo input[type=file], input[type=file]");
    if (!input || !files.length) return false;
    const one = new DataTransfer();
    one.items.add(files[0]);
    input.files = one.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }

  const carriesFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const mark = (target) => {
    document.querySelectorAll(".drop-over").forEach((element) => element !== target && element.classList.remove("drop-over"));
    if (target) target.classList.add("drop-over");
  };

  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault(); // without this the browser would leave the page for the dropped file
    mark(targetOf(event));
  }, true);
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(null); }, true);
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    mark(null);
    give(targetOf(event), [...event.dataTransfer.files]);
  }, true);
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData ? [...event.clipboardData.files] : [];
    if (files.length && give(targetOf(event), files)) event.preventDefault();
  }, true);
})();
