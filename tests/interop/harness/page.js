/**
 * One HTTP request from a machine of a world, as a program there.
 *
 *   node page.js URL METHOD HEADERS     HEADERS as JSON
 *
 * Prints {"status","headers","body"}, or {"code"} of what went wrong.
 */
import { request } from "node:http";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);

/** @returns {Promise<{status?: number, headers?: object, body?: string, code?: string}>} */
export async function askFrom(namespace, url, { method = "GET", headers = {} } = {}) {
	return JSON.parse(await namespace.run(process.execPath, self, url, method, JSON.stringify(headers)));
}

if (process.argv[1] === self) {
	const [, , url, method, headers] = process.argv;
	const say = (answer) => console.log(JSON.stringify(answer));
	const asked = request(url, { method, headers: JSON.parse(headers), agent: false, timeout: 15_000 }, (answer) => {
		let body = "";
		answer
			.setEncoding("utf8")
			.on("data", (part) => (body += part))
			.on("end", () => say({ status: answer.statusCode, headers: answer.headers, body }))
			.on("error", ({ code }) => say({ code }));
	});
	asked.on("timeout", () => asked.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
	asked.on("error", ({ code }) => say({ code }));
	asked.end();
}
