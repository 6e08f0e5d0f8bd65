/**
 * The IPv4 default gateway, from Linux's table of routes. Other systems have no file that says it; there is no port mapping then.
 *
 *   Iface  Destination  Gateway   Flags  RefCnt  Use  Metric  Mask  ...     numbers in hexadecimal, addresses in the byte order of the machine
 *   eth0   00000000     0101A8C0  0003   0       0    100     00000000      192.168.1.1 on a little-endian machine
 */
import { readFileSync } from "node:fs";
import * as os from "node:os";
import type { Gateway } from "../../modules/host-contract.js";

const table = "/proc/net/route";
const isUp = 1;
const hasGateway = 2;

/** The default route of least metric: its interface and its gateway. */
export function parseRoutes(text: string, isLittleEndian: boolean): { name: string; gateway: string } | undefined {
	let best: { name: string; gateway: string } | undefined;
	let bestMetric = Number.POSITIVE_INFINITY;
	for (const line of text.split("\n").slice(1)) {
		const [name, destination, gateway, flags, , , metricText, mask] = line.split("\t").map((field) => field.trim());
		if (!name || destination !== "00000000" || mask !== "00000000" || !/^[0-9A-Fa-f]{8}$/.test(gateway ?? "")) continue;
		const metric = Number(metricText);
		if ((Number.parseInt(flags as string, 16) & (isUp | hasGateway)) !== (isUp | hasGateway) || metric >= bestMetric) continue;
		const bytes = [...Buffer.from(gateway as string, "hex")];
		best = { name, gateway: (isLittleEndian ? bytes.reverse() : bytes).join(".") };
		bestMetric = metric;
	}
	return best;
}

export function defaultGateway(): Gateway | undefined {
	let text: string;
	try {
		text = readFileSync(table, "utf8");
	} catch {
		return undefined;
	}
	const route = parseRoutes(text, os.endianness() === "LE");
	if (!route) return undefined;
	const entry = os.networkInterfaces()[route.name]?.find(({ family }) => family === "IPv4");
	return entry && { gateway: route.gateway, address: entry.address };
}
