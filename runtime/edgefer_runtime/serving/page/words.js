// What went wrong and what to do about it, in plain words.

export function ofCamera(error) {
  if (!isSecureContext)
    return "This browser gives no page its camera over plain HTTP from another machine. Open the page as localhost or over HTTPS (edgefer serve --tls-certificate …), or choose a picture.";
  switch (error.name) {
    case "NotAllowedError":
      return "The camera was refused. Allow it in the browser's address bar and try again, or choose a picture.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "There is no camera here. Connect one and try again, or choose a picture.";
    case "NotReadableError":
      return "The camera cannot be opened; another program may be using it. Close that and try again.";
    default:
      return `The camera cannot be used (${error.name}). Try again, or choose a picture.`;
  }
}

export const CAMERA_ENDED = "The camera is gone. Connect it and start it again.";
export const SHRUNK = "The file is too large for this server: a smaller picture was sent, and its answer may differ a little.";
export const NO_PICTURE = "This file cannot be read as a picture. Choose a JPEG, PNG or WebP.";

export function ofServer({ status, message }) {
  switch (status) {
    case 0:
      return "The server does not answer. Trying again …";
    case 401:
      return "The server asks for its token.";
    case 404:
      return "The server no longer has this model; taking another.";
    case 413:
      return "The picture is too large for this server. Choose a smaller one.";
    case 501:
      return `The server cannot do this: ${message}.`;
    case 502:
    case 503:
      return "The server is busy. Trying again …";
    case 408:
    case 504:
      return "The server took too long. Trying again …";
    default:
      return `The server refused the picture (${status}): ${message}`;
  }
}
