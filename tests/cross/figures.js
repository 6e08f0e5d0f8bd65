/*
 * Figures of the core on rv32imc that need no board and no SDK: pools by their size, and instructions by counting them in the emulator.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { execute, root } from "../native/programs.js";
import { archive, compilePrograms, compileSodium, link } from "./compile.js";
import { buildParts, buildWatch } from "./emulated.js";
import { emulator, emulatorFlags } from "./targets.js";

const here = join(root, "tests", "cross");

/** @returns name -> bytes, of pools.c; of those called "value_..." the number that a device has by default */
export async function poolsOf(target, sources, profile = "device") {
	const made = await compilePrograms(target, sources, [join(here, "pools.c")], profile);
	if (!made.ok) return undefined;
	const text = spawnSync(`${target.prefix}nm`, ["-S", ...made.objects], { encoding: "utf8" }).stdout;
	return Object.fromEntries([...text.matchAll(/^\S+ (\S+) \S pool_(\S+)$/gm)].map(([, size, name]) => [name, Number.parseInt(size, 16)]));
}

/** The numbers of measure.c's parts; a packet's takes several, and is counted by rounds. */
const parts = {
	1: { name: "ChaCha20-Poly1305, seal 1,280 bytes" },
	2: { name: "ChaCha20-Poly1305, open 1,280 bytes" },
	3: { name: "X25519" },
	4: { name: "X25519 public key" },
	5: { name: "WireGuard, seal 1,280 bytes" },
	6: { name: "WireGuard, open 1,280 bytes" },
	7: { name: "handshake: initiation" },
	8: { name: "handshake: its response, by the other side" },
	9: { name: "handshake: the response taken" },
	10: { name: "TCP segment of 1,240 bytes out, with its acknowledgement", isPacket: true },
	11: { name: "TCP segment of 1,240 bytes in, with its acknowledgement", isPacket: true },
	12: { name: "UDP packet of 1,280 bytes out", isPacket: true },
	13: { name: "UDP packet of 1,280 bytes in", isPacket: true },
	14: { name: "turn with nothing to do" },
	15: { name: "Ed25519, verify: a signature of tailnet lock" },
};

const ROUNDS = 64;

/**
 * Runs measure.c.
 * @param optimisation of libsodium; undefined: as everything else, -Os
 * @returns { name: instructions }, undefined after printing why not
 */
export async function instructionsOf(target, sources, optimisation) {
	const built = await buildParts(target, sources, "device");
	const plugin = await buildWatch();
	const made = await compilePrograms(target, sources, [join(here, "measure.c")], "device");
	if (!built || !plugin || !made.ok) return undefined;
	if (optimisation) {
		const folder = `sodium${optimisation}`;
		const sodium = await compileSodium(target, sources, [optimisation], folder);
		if (!sodium.ok) return undefined;
		built.archives[2] = await archive(target, folder, sodium.objects);
	}
	const program = await link(target, built.start, made.objects, built.archives, join(dirname(built.archives[2]), optimisation ? `sodium${optimisation}` : ""));
	if (!program) return undefined;
	const seen = `${program}.seen`;
	const { ok, output } = await execute(emulator, [...emulatorFlags, "-plugin", `${plugin},out=${seen},memory=off,count=on`, program]);
	if (!ok || !existsSync(seen) || statSync(seen).size === 0) {
		console.log(output);
		return undefined;
	}
	const counted = {};
	for (const [, number, times, instructions] of readFileSync(seen, "utf8").matchAll(/^part (\d+) (\d+) (\d+)$/gm))
		counted[parts[number].name] = Math.round(Number(instructions) / (parts[number].isPacket ? ROUNDS : Number(times)));
	return counted;
}
