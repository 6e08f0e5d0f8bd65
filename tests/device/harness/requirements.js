/**
 * ESP-IDF, the compiler and the emulator of this machine. The environment tells of them:
 *
 *   IDF_PATH             ESP-IDF v6.0, with its Python environment and tools set up as its export script does
 *   PATH                 riscv32-esp-elf-gcc, idf.py, esptool, and the SDK's mcconfig
 *   MODDABLE             the Moddable SDK
 *   ESP32C3_EMULATOR     a QEMU with the machine esp32c3 and the network device open_eth
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { has } from "../../../scripts/prepare.js";

const { env } = process;

export const emulator = env.ESP32C3_EMULATOR;

/** "6.0" of the IDF in a folder; undefined when there is none. */
function versionOf(folder) {
	const file = join(folder, "tools/cmake/version.cmake");
	if (!existsSync(file)) return undefined;
	const part = (name) => new RegExp(`${name} (\\d+)`).exec(readFileSync(file, "utf8"))?.[1];
	return `${part("IDF_VERSION_MAJOR")}.${part("IDF_VERSION_MINOR")}`;
}

function hasMachine() {
	try {
		return execFileSync(emulator, ["-machine", "help"], { encoding: "utf8" }).includes("esp32c3");
	} catch {
		return false;
	}
}

/** @returns {string | undefined} what the ring lacks */
export function missing() {
	if (process.platform !== "linux") return "Linux";
	if (!env.IDF_PATH) return "ESP-IDF v6.0 ($IDF_PATH is not set)";
	if (versionOf(env.IDF_PATH) !== "6.0") return `ESP-IDF v6.0 (in $IDF_PATH there is ${versionOf(env.IDF_PATH) ?? "none"})`;
	if (!emulator) return "an emulator of the ESP32-C3 ($ESP32C3_EMULATOR is not set)";
	if (!hasMachine()) return "an emulator of the ESP32-C3 ($ESP32C3_EMULATOR has no machine esp32c3)";
	for (const program of ["riscv32-esp-elf-gcc", "idf.py", "esptool", "mcconfig"]) if (!has(program)) return `${program} on the PATH`;
	if (!env.MODDABLE) return "the Moddable SDK ($MODDABLE is not set)";
	if (spawnSync("dnsmasq", ["--version"], { stdio: "ignore" }).status !== 0) return "dnsmasq";
	return undefined;
}
