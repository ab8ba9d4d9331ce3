// Pictures that go along with a message: read, and made smaller where a model would only scale them down itself.
const KINDS = ["image/png", "image/jpeg", "image/webp", "image/gif"];
export const ACCEPTED = KINDS.join(",");
export const MOST_IMAGES = 8;
const LONGEST_SIDE = 2048;
const MOST_BYTES = 1_500_000; // of one picture; larger ones are encoded anew

export const isImage = (file) => KINDS.includes(file.type);

// The picture as a `data:` address. Throws words when it cannot be read.
export async function addressOf(file) {
  if (!isImage(file)) throw new Error(`“${file.name}” is not a PNG, JPEG, WebP or GIF picture.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`“${file.name || "The picture"}” could not be read.`);
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  if (scale === 1 && file.size <= MOST_BYTES) return dataAddress(file);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.85);
}

function dataAddress(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(new Error(`“${file.name}” could not be read.`)));
    reader.readAsDataURL(file);
  });
}
