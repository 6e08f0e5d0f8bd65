/** Images for the emulated board: built by mcconfig, put together as a flash. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { root } from "../../../scripts/prepare.js";

const outputs = process.env.TAILNET_DEVICE_OUTPUTS ?? join(root, "build/device");
const board = process.env.TAILNET_DEVICE_BOARD ?? join(import.meta.dirname, "../board");
const projectName = "xsProj-esp32c3";
const exampleName = "tailnet-example";

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

const placeOf = (name) => join(outputs, "tmp/esp32", basename(board), "instrument", name);

/** Runs mcconfig with the instruments of a release (-i), whose log comes out of the serial port. @param {string[]} [config] "name=value" each */
const make = (folder, config = []) => run(["mcconfig", "-i", "-m", "-p", `esp32:${board}`, "-o", outputs, "-t", "build", ...config], { cwd: folder });

/**
 * What mcconfig has made of an app.
 * @returns {{flash: string, appBytes: number, options: string}} file with the whole flash, the bytes of the app in it, the sdkconfig that it was built with
 */
function linked(name) {
	const place = placeOf(name);
	const project = join(place, projectName, "build");
	const app = join(project, "xs_esp32.bin");
	if (!existsSync(app)) throw new Error(`mcconfig left no ${app}`);
	const flash = join(outputs, `${name}.bin`);
	execFileSync("esptool", ["--chip", "esp32c3", "merge-bin", "--pad-to-size", "4MB", "-o", flash, "@flash_args"], { cwd: project, stdio: "ignore" });
	return { flash, appBytes: statSync(app).size, options: readFileSync(join(place, projectName, "sdkconfig"), "utf8") };
}

/** Builds the app in a folder. @param {boolean} [isBuilt] it was built before, and nothing changed since */
export async function build(folder, isBuilt = false) {
	mkdirSync(outputs, { recursive: true });
	if (!isBuilt) await make(folder);
	return linked(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")).build.NAME);
}

/** The apps that we show. */
export const examples = readdirSync(join(root, "examples")).filter((name) => existsSync(join(root, "examples", name, "manifest.json")));

/** Builds an example as it is, by its own manifest, one after the other in the same place, so that ESP-IDF is compiled once. @param {string[]} [config] "name=value" each */
export async function buildExample(name, config) {
	const folder = join(outputs, "example");
	mkdirSync(folder, { recursive: true });
	write(join(folder, "name.json"), JSON.stringify({ build: { NAME: exampleName } }));
	write(join(folder, "manifest.json"), JSON.stringify({ include: [join(root, "examples", name, "manifest.json"), "./name.json"] }));
	forget(placeOf(exampleName));
	await make(folder, config);
	return linked(exampleName);
}

/** Writes a file where it is another one: what make has built of it stays good. */
function write(file, text) {
	if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
}

/** Removes what another example left: its own modules, which have the same names, and what was made of all. ESP-IDF's and our own modules' objects stay. */
function forget(place) {
	if (!existsSync(place)) return;
	const remove = (folder, isLeft) => {
		if (!existsSync(folder)) return;
		for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isFile() && isLeft(entry.name)) rmSync(join(folder, entry.name));
	};
	remove(join(place, "modules"), () => true);
	remove(join(place, "resources"), () => true);
	remove(place, (file) => file.startsWith("mc."));
	rmSync(join(place, projectName, "build/xs_esp32.bin"), { force: true });
}
