// The camera: live frames for the page, and errors in words.

const WORDS = {
  NotAllowedError: "The camera was not permitted. Allow it for this page in the browser's settings.",
  NotFoundError: "No camera was found. Open a picture file instead.",
  NotReadableError: "The camera is used by another programme. Close that and try again.",
};

let stream = null;
const video = document.createElement("video");
video.muted = true;
video.playsInline = true; // or phones show the video full screen

/** Whether frames are coming. */
export function cameraRuns() {
  return stream !== null;
}

/** Starts the camera, the one at the back where there are two; `Error` in words where that fails. */
export async function startCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers give the camera only to pages from localhost or by https.");
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 960 } },
    });
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    stopCamera();
    throw new Error(WORDS[error.name] ?? `The camera did not start: ${error.message}`);
  }
}

/** The video that shows the present frame; its size is `videoWidth` and `videoHeight`. */
export function cameraFrame() {
  return video;
}

/** Switches the camera off. */
export function stopCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  stream = null;
}
