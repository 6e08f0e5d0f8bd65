/** The report of `tailnet netcheck`, for people. */
import type { NetworkReport } from "../../../modules/network-report.js";

const protocols = { pmp: "NAT-PMP", pcp: "PCP", upnp: "UPnP" } as const;
const barLength = 24;

function family(canSend: boolean, hasAnswer: boolean, endpoint: string): string {
	if (hasAnswer) return `yes, ${endpoint}`;
	return canSend ? "no answer" : "no address";
}

function portMapping(report: NetworkReport): string {
	const kinds = Object.keys(protocols) as (keyof typeof protocols)[];
	const spoken = kinds.filter((kind) => report[kind]).map((kind) => protocols[kind]);
	if (report.portMapping !== "") return [report.portMapping, ...spoken].join(", ");
	if (kinds.every((kind) => report[kind] === undefined)) return "no router was asked";
	return spoken.length > 0 ? `none, although the router speaks ${spoken.join(", ")}` : "none: the router speaks neither NAT-PMP, PCP nor UPnP";
}

/** @returns lines without their ends */
export function networkLines(report: NetworkReport): string[] {
	const { mappingVaries, regions } = report;
	const facts: [string, string][] = [
		["UDP", report.udp ? "yes" : "no answer: only relays"],
		["IPv4", family(report.ipv4CanSend, report.ipv4, report.globalV4)],
		["IPv6", family(report.ipv6CanSend, report.ipv6, report.globalV6)],
		["NAT", mappingVaries === undefined ? "not known" : mappingVaries ? "hard: another endpoint for each destination" : "easy: one endpoint for all"],
		["port mapping", portMapping(report)],
	];
	const lines = facts.map(([name, text]) => `${`${name}:`.padEnd(14)}${text}`);
	if (regions.length === 0) return [...lines, "no relay answered"];
	lines.push("relays, the nearest first:");
	const codeLength = Math.max(...regions.map(({ code }) => code.length));
	const slowestMS = Math.max(...regions.map(({ latencyMS }) => latencyMS));
	for (const { code, latencyMS } of regions) {
		const bar = "=".repeat(Math.max(1, Math.round((barLength * latencyMS) / slowestMS)));
		lines.push(`  ${code.padEnd(codeLength)}  ${latencyMS.toFixed(1).padStart(7)} ms  ${bar}`);
	}
	return lines;
}
