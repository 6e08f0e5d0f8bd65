/**
 * Memory of a process, from /proc.
 */
import { readFileSync } from "node:fs";

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
