/** The request of the page as programs: what stands here is what was sent. */

import { asked } from "./options.js";

/**
 * @typedef {object} Asked
 * @property {string} url
 * @property {string} filename
 * @property {import("./options.js").Chosen} chosen
 * @property {number | null} blur how strongly; null where plates are read
 * @property {boolean} token whether the server asks for one
 */

/**
 * @param {Asked} request
 * @returns {{name: string, language: "curl" | "python" | "javascript", text: string}[]}
 */
export function snippets(request) {
  return [
    { name: "curl", language: "curl", text: curl(request) },
    { name: "Python", language: "python", text: python(request) },
    { name: "JavaScript", language: "javascript", text: javascript(request) },
  ];
}

/**
 * @param {Asked} request
 * @returns {[string, string][]}
 */
function values({ chosen, blur }) {
  const { fields, config } = asked(chosen);
  const all = [...fields];
  if (blur !== null) all.push(["plates", String(blur)]);
  if (Object.keys(config).length) all.push(["config", JSON.stringify(config)]);
  return all;
}

/** @param {string} text */
function shell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** @param {Asked} request */
function curl(request) {
  const parts = [`curl ${shell(request.url)}`];
  if (request.token) parts.push("-H 'Authorization: Token YOUR_TOKEN'");
  parts.push(`-F ${shell(`upload=@${request.filename}`)}`);
  // --form-string: a value that begins with @ or < is text all the same
  for (const [name, value] of values(request)) parts.push(`--form-string ${shell(`${name}=${value}`)}`);
  return parts.join(" \\\n  ");
}

/** @param {string} text A string literal of both Python and JavaScript. */
function literal(text) {
  return JSON.stringify(text);
}

/** @param {Asked} request */
function python(request) {
  const data = values(request).map(([name, value]) => `        (${literal(name)}, ${literal(value)}),`);
  return [
    "import requests",
    "",
    `with open(${literal(request.filename)}, "rb") as photo:`,
    "    answer = requests.post(",
    `        ${literal(request.url)},`,
    ...(request.token ? ['        headers={"Authorization": "Token YOUR_TOKEN"},'] : []),
    ...(data.length ? ["        data=[", ...data.map((line) => `    ${line}`), "        ],"] : []),
    '        files={"upload": photo},',
    "        timeout=30,",
    "    )",
    "answer.raise_for_status()",
    "print(answer.json())",
  ].join("\n");
}

/** @param {Asked} request */
function javascript(request) {
  const data = values(request).map(([name, value]) => `form.append(${literal(name)}, ${literal(value)});`);
  return [
    'import { openAsBlob } from "node:fs";',
    "",
    "const form = new FormData();",
    `form.append("upload", await openAsBlob(${literal(request.filename)}), ${literal(request.filename)});`,
    ...data,
    `const answer = await fetch(${literal(request.url)}, {`,
    '  method: "POST",',
    ...(request.token ? ['  headers: { Authorization: "Token YOUR_TOKEN" },'] : []),
    "  body: form,",
    "});",
    "console.log(await answer.json());",
  ].join("\n");
}
