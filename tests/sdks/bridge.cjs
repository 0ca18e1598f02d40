// Makes calls of Cloudinary's Node SDK for a test: one JSON document a line on stdin, one answer a line on stdout.
"use strict";

const readline = require("node:readline");
// The SDK reads CLOUDINARY_URL, and chooses between http and https, as it is loaded.
const { v2: cloudinary } = require("cloudinary");

function search(expression, { sort_by: sortBy = [], ...options }) {
  const query = cloudinary.search.expression(expression);
  for (const [field, direction] of sortBy) query.sort_by(field, direction);
  for (const [name, value] of Object.entries(options)) query[name](value);
  return query.execute();
}

// Calls back, and answers with no promise.
function uploadLarge(path, options) {
  return new Promise((resolve, reject) => {
    cloudinary.uploader.upload_large(path, options, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

function find(target) {
  if (target === "search") return search;
  if (target === "uploader.upload_large") return uploadLarge;
  const [part, name] = target.split(".");
  return cloudinary[part][name].bind(cloudinary[part]);
}

async function answer(line) {
  const { target, args, options } = JSON.parse(line);
  try {
    const result = await find(target)(...args, ...(options === null ? [] : [options]));
    return { result: result === undefined ? null : result };
  } catch (thrown) {
    const error = thrown.error || thrown;
    return { error: { message: error.message, status: error.http_code, name: error.name } };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
}

main();
