/*
 * The processors that the native core is compiled for, by Debian's compilers, and how: as ESP-IDF does it with the SDK's sdkconfig (-Os, a section a
 * function).
 */
import { spawnSync } from "node:child_process";

export const packages = [
	["gcc-riscv64-unknown-elf", "riscv64-unknown-elf-gcc"],
	["picolibc-riscv64-unknown-elf", "/usr/lib/picolibc/riscv64-unknown-elf/picolibc.specs"],
	["gcc-xtensa-lx106", "xtensa-lx106-elf-gcc"],
	["picolibc-xtensa-lx106-elf", "/usr/lib/xtensa-lx106-elf/lib/libc.a"],
	["qemu-user", "qemu-riscv32"],
	["xz-utils", "xz"],
	["libsodium-dev", "/usr/include/sodium.h"],
	["liblwip-dev", "/usr/include/lwip/lwip/init.h"],
];

export const size = ["-Os", "-ffunction-sections", "-fdata-sections"];

export const targets = [
	{
		name: "rv32imc",
		what: "the RISC-V chips without atomics: ESP32-C3",
		prefix: "riscv64-unknown-elf-",
		emulation: "elf32lriscv",
		flags: ["-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"],
	},
	{
		name: "lx106",
		what: "Xtensa, as Debian's compiler knows it: the ESP8266's core. The ESP32's LX6 and LX7 have register windows (16 to 48 bytes more a frame) and more instructions",
		prefix: "xtensa-lx106-elf-",
		flags: ["-mlongcalls"],
	},
];

export const emulator = "qemu-riscv32";
/** RV32IMC and nothing more: an instruction of the atomics or floating-point extensions ends the program. */
export const emulatorFlags = ["-cpu", "lowrisc-ibex"];

/** First line of what the compiler says of itself; figures are compared between equal compilers only. */
export function compilerVersion(target) {
	return spawnSync(`${target.prefix}gcc`, ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0] ?? "";
}
