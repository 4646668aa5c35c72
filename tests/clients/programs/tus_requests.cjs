// Uploads a file with tus-js-client: `node tus_requests.cjs URL FILE`. The last line is JSON with the URL of each upload.
const fs = require("node:fs");
const { PassThrough } = require("node:stream");
const tus = require("tus-js-client");

const [endpoint, path] = process.argv.slice(2);

function upload(options, file = fs.createReadStream(path)) {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(file, { endpoint, onError: reject, onSuccess: () => resolve(upload.url), ...options });
    upload.start();
  });
}

function interrupted() { // aborts in the middle, and continues, as a page does after a pause
  return new Promise((resolve, reject) => {
    let paused = false;
    const upload = new tus.Upload(fs.createReadStream(path), {
      endpoint,
      chunkSize: 200_000,
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete: () => {
        if (paused) return;
        paused = true;
        upload.abort().then(() => upload.start());
      },
    });
    upload.start();
  });
}

(async () => {
  const stream = () => fs.createReadStream(path).pipe(new PassThrough());
  console.log(JSON.stringify({
    whole: await upload({}),
    chunks: await upload({ chunkSize: 200_000 }),
    paused: await interrupted(),
    parallel: await upload({ parallelUploads: 3, chunkSize: 200_000 }),
    deferred: await upload({ uploadLengthDeferred: true, chunkSize: 200_000 }, stream()),
    overridden: await upload({ overridePatchMethod: true }),
    created: await upload({ uploadDataDuringCreation: true, chunkSize: 200_000 }),
  }));
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
