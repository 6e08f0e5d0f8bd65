/** The default gateway of the machine that runs Node: hosts/node/gateway.ts. */
import { defaultGateway, parseRoutes } from "../../../hosts/node/gateway.js";
import { describe, expect, test } from "../../harness.js";

const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
const line = (name: string, destination: string, gateway: string, flags: string, metric: number, mask = destination): string =>
	`${name}\t${destination}\t${gateway}\t${flags}\t0\t0\t${metric}\t${mask}\t0\t0\t0   \n`;

describe("the default gateway", () => {
	test("is that of the default route of least metric, with its interface, in either byte order", () => {
		const table =
			head +
			line("wlan0", "00000000", "0202A8C0", "0003", 600) +
			line("eth0", "00000000", "0101A8C0", "0003", 100) +
			line("eth0", "0001A8C0", "00000000", "0001", 0, "00FFFFFF");
		expect(parseRoutes(table, true)).toEqual({ name: "eth0", gateway: "192.168.1.1" });
		expect(parseRoutes(head + line("eth0", "00000000", "C0A80101", "0003", 0), false)).toEqual({ name: "eth0", gateway: "192.168.1.1" });
	});

	test("is none where the route is down, has no gateway, is half of the world (a VPN), or the table is empty or garbage", () => {
		expect(parseRoutes(head + line("eth0", "00000000", "0101A8C0", "0002", 0), true)).toBe(undefined);
		expect(parseRoutes(head + line("ppp0", "00000000", "00000000", "0001", 0), true)).toBe(undefined);
		expect(parseRoutes(head + line("tun0", "00000000", "0101A8C0", "0003", 0, "00000080"), true)).toBe(undefined);
		for (const table of ["", head, "x\ny\n", `${head}\t\t\n`, `${head}eth0\t00000000\n`]) expect(parseRoutes(table, true)).toBe(undefined);
	});

	test("of this machine is two IPv4 addresses, or none", () => {
		const found = defaultGateway();
		if (found) expect([found.gateway, found.address].every((text) => /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/.test(text))).toBe(true);
	});
});
