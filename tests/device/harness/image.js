/** The image of the app for the emulated board: built by mcconfig, put together as a flash. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { root } from "../../../scripts/prepare.js";

const outputs = process.env.TAILNET_DEVICE_OUTPUTS ?? join(root, "build/device");
const board = process.env.TAILNET_DEVICE_BOARD ?? join(import.meta.dirname, "../board");

/** Runs a program to its end. @throws {Error} with what it printed, when it fails */
function run(command, options) {
	return new Promise((resolve, reject) => {
		const child = spawn("nice", ["-n", "15", ...command], { stdio: ["ignore", "pipe", "pipe"], ...options });
		let text = "";
		for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (text = (text + bytes).slice(-20_000)));
		child.on("error", reject);
		child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`${command.join(" ")} ended with ${code}\n${text}`))));
	});
}

/**
 * Builds the app in a folder with the instruments of a release (-i), whose log comes out of the serial port.
 * @param {boolean} [isBuilt] it was built before, and nothing changed since
 * @returns {Promise<{flash: string, appBytes: number, options: string}>} file with the whole flash, the bytes of the app in it, the sdkconfig that it was built with
 */
export async function build(folder, isBuilt = false) {
	const { NAME } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")).build;
	mkdirSync(outputs, { recursive: true });
	if (!isBuilt) await run(["mcconfig", "-i", "-m", "-p", `esp32:${board}`, "-o", outputs, "-t", "build"], { cwd: folder });
	const project = join(outputs, "tmp/esp32", basename(board), "instrument", NAME, "xsProj-esp32c3/build");
	const app = join(project, "xs_esp32.bin");
	if (!existsSync(app)) throw new Error(`mcconfig left no ${app}`);
	const flash = join(outputs, `${NAME}.bin`);
	execFileSync("esptool", ["--chip", "esp32c3", "merge-bin", "--pad-to-size", "4MB", "-o", flash, "@flash_args"], { cwd: project, stdio: "ignore" });
	return { flash, appBytes: statSync(app).size, options: readFileSync(join(project, "../sdkconfig"), "utf8") };
}
