// Runs a receiver of callbacks, as the manual has it, for a test: the example's file is the first argument. Prints its
// port, and then a line for each event that it handles; ends with its standard input.
"use strict";

const { readFileSync } = require("node:fs");
const cloudinary = require("cloudinary").v2;

const example = readFileSync(process.argv[2], "utf-8");
const handle = (event) => console.log(event.public_id);
const shared = "const express = require('express')\nconst app = express()\n";
const text = (example.includes("const app") ? "" : shared) + example + "\nreturn app";
const app = new Function("require", "process", "cloudinary", "handle", text)(require, process, cloudinary, handle);
process.stdin.on("end", () => process.exit()).resume();
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
