// Where pictures come from besides the camera: a file, a drop, the clipboard, the example.

/** Calls `take(blob, name)` with every picture that the visitor opens, drops or pastes. */
export function watchSources(fileInput, take) {
  fileInput.addEventListener("change", () => {
    const [file] = fileInput.files;
    if (file) take(file, file.name);
    fileInput.value = ""; // so that the same file can be opened again
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) take(file, file.name);
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) take(file, "The pasted picture");
  });
}

/** The built-in picture for a model of this edge, as a file. */
export async function fetchExample(edge) {
  const response = await fetch(`/example/${edge}.png`);
  if (!response.ok) throw new Error("The example could not be loaded.");
  return response.blob();
}
