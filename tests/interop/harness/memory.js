/**
 * What a process has in use, from /proc.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** @returns {{residentBytes: number, peakBytes: number}} resident set now, and its highest mark */
export function memoryOf(pid) {
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	const kilobytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN);
	return { residentBytes: kilobytes("VmRSS") * 1024, peakBytes: kilobytes("VmHWM") * 1024 };
}

/** @returns {number} seconds of processor time that the process has used */
export function processorSeconds(pid) {
	const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
	return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** @returns {{threads: string[], files: string[]}} names of its threads, and what its descriptors are, both sorted; numbers of pipes and sockets left out */
export function holdingsOf(pid) {
	const each = (folder, look) => readdirSync(`/proc/${pid}/${folder}`).flatMap((name) => look(`/proc/${pid}/${folder}/${name}`) ?? []);
	const quietly = (look) => (path) => {
		try {
			return look(path);
		} catch {
			return undefined; // ended meanwhile
		}
	};
	return {
		threads: each(
			"task",
			quietly((path) => readFileSync(`${path}/comm`, "utf8").trim()),
		).sort(),
		files: each(
			"fd",
			quietly((path) => readlinkSync(path).replace(/\[\d+\]$/, "")),
		).sort(),
	};
}
