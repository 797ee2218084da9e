// What is looked at: a camera or a picture, where it lies on the stage, and what is sent of it: a camera's
// frames as JPEG, a picture's file as it is.

const QUALITY = 0.8;
const PICTURE_SIDE = 1600;
const READ_BY_SERVER = ["image/jpeg", "image/png", "image/webp"];

export class Stage {
  #stage = document.getElementById("stage");
  #video = document.getElementById("video");
  #picture = document.getElementById("picture");
  #canvas = document.createElement("canvas");
  #file = null; // the picture's, where it is sent as it is
  #deviceId = "";
  mirrored = false;

  // Show a camera; `onEnd` is told when it goes away by itself. Throws what getUserMedia throws.
  async openCamera(deviceId, onEnd) {
    if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
    this.close();
    const wanted = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
    const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, ...size }, audio: false });
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", onEnd);
    const { facingMode, deviceId: opened } = track.getSettings();
    this.#deviceId = opened;
    this.mirrored = facingMode !== "environment";
    this.#video.srcObject = stream;
    this.#video.hidden = false; // Safari plays nothing that is hidden
    await this.#video.play();
    this.#show(this.#video);
  }

  // The cameras there are, once one was opened: [{ id, name, current }].
  async cameras() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices
      .filter(({ kind }) => kind === "videoinput")
      .map(({ deviceId, label }) => ({ id: deviceId, name: label, current: deviceId === this.#deviceId }));
  }

  // Show a picture file; throws where the browser cannot read it. What only the browser reads is sent as it is
  // shown.
  async openPicture(file) {
    const bitmap = await createImageBitmap(file);
    this.close();
    this.#file = READ_BY_SERVER.includes(file.type) ? file : null;
    const share = Math.min(1, PICTURE_SIDE / Math.max(bitmap.width, bitmap.height));
    draw(this.#picture, bitmap, bitmap.width * share, bitmap.height * share);
    bitmap.close();
    this.mirrored = false;
    this.#show(this.#picture);
  }

  // Send the picture as it is shown from now on, and not its file; false where that is so already.
  shrink() {
    const sent = this.#file !== null;
    this.#file = null;
    return sent;
  }

  close() {
    this.#file = null;
    for (const track of this.#video.srcObject?.getTracks() ?? []) track.stop();
    this.#video.srcObject = null;
    this.#video.hidden = this.#picture.hidden = true;
    this.#stage.classList.remove("open");
  }

  get isCamera() {
    return this.#video.srcObject !== null;
  }

  pause() {
    this.#video.pause();
  }

  async resume() {
    await this.#video.play();
  }

  // What to send next: { content }, a blob. A camera's longer side is at most `side`.
  async shoot(side) {
    if (this.#file) return { content: this.#file };
    if (!this.isCamera) return encode(this.#picture, "image/png");
    if (!this.#video.paused) await this.#nextFrame();
    const { videoWidth, videoHeight } = this.#video;
    const share = Math.min(1, side / Math.max(videoWidth, videoHeight));
    return encode(draw(this.#canvas, this.#video, videoWidth * share, videoHeight * share), "image/jpeg");
  }

  // Where a frame's points lie on the stage, in CSS pixels, given the size the frame was sent in.
  placing(width, height) {
    const { clientWidth, clientHeight } = this.#stage;
    const scale = Math.min(clientWidth / width, clientHeight / height);
    const left = (clientWidth - width * scale) / 2;
    const top = (clientHeight - height * scale) / 2;
    return {
      x: (x) => left + (this.mirrored ? width - x : x) * scale,
      y: (y) => top + y * scale,
      size: [clientWidth, clientHeight],
    };
  }

  set mirror(mirrored) {
    this.mirrored = mirrored;
    this.#video.classList.toggle("mirrored", mirrored);
  }

  #nextFrame() {
    const video = this.#video;
    return new Promise((resolve) =>
      video.requestVideoFrameCallback ? video.requestVideoFrameCallback(resolve) : requestAnimationFrame(resolve),
    );
  }

  #show(element) {
    this.mirror = this.mirrored;
    const [width, height] = [element.videoWidth ?? element.width, element.videoHeight ?? element.height];
    this.#stage.style.setProperty("--ratio", `${width} / ${height}`);
    this.#stage.classList.add("open");
    element.hidden = false;
  }
}

function draw(canvas, source, width, height) {
  canvas.width = Math.round(width);
  canvas.height = Math.round(height);
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

async function encode(canvas, type) {
  return { content: await new Promise((resolve) => canvas.toBlob(resolve, type, QUALITY)) };
}
