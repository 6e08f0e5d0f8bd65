/**
 * Chromium in a network namespace, which reaches the tailnet by a stock peer's proxy: Debian's, driven by playwright-core. Whatever it complains of is kept.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { root } from "../../../scripts/prepare.js";

const program = "/usr/bin/chromium";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Where pictures go. */
export const pictures = join(root, "build/browser");

/** @returns {string[]} */
export const browserMissing = () => (existsSync(program) ? [] : ["the browser ring needs Debian's chromium"]);

/** @param {string} [proxy] "address:port" in the namespace; without one it connects by itself */
export function launch(namespace, directory, proxy) {
	mkdirSync(pictures, { recursive: true });
	const executablePath = join(directory, "chromium");
	writeFileSync(executablePath, `#!/bin/sh\nexec ${namespace.inside([program]).join(" ")} "$@"\n`);
	chmodSync(executablePath, 0o755);
	return chromium.launch({
		executablePath,
		// All run as root, in namespaces that have no way out.
		args: ["--no-sandbox", ...(proxy ? [`--proxy-server=http://${proxy}`, "--proxy-bypass-list=<-loopback>"] : ["--no-proxy-server"])],
		env: { PATH: process.env.PATH, HOME: directory, TMPDIR: directory },
	});
}

/** A page of its own, without memory of others, and what was complained of on it. @returns {Promise<{page, complaints: string[]}>} */
export async function openPage(browser, options = {}) {
	const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
	const page = await context.newPage();
	const complaints = [];
	page.on("console", (message) => {
		if (["error", "warning"].includes(message.type())) complaints.push(`console: ${message.text()}`);
	});
	page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
	page.on("requestfailed", (request) => complaints.push(`request: ${request.url()} ${request.failure()?.errorText}`));
	page.on("response", (response) => {
		if (response.status() >= 400) complaints.push(`response: ${response.url()} ${response.status()}`);
	});
	return { page, complaints };
}

/** What axe-core finds, each "rule: element". It comes by the debugger, which the page's policy does not bind. */
export async function violations(page) {
	await page.evaluate(axe);
	const found = await page.evaluate(async () => (await globalThis.axe.run()).violations);
	return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 120)} ${failureSummary}`));
}

/** Keeps a picture of the whole page. */
export const picture = (page, name) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });

/** Keeps a small picture for the documents, of what is to be seen. @param {string} [top] what it begins with */
export async function leaflet(page, name, viewport, colorScheme, top = "h1") {
	await page.setViewportSize(viewport);
	await page.emulateMedia({ colorScheme });
	await page.locator(top).evaluate((element) => element.scrollIntoView());
	await page.screenshot({ path: join(pictures, `${name}.jpg`), type: "jpeg", quality: 32 });
}
