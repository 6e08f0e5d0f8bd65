/** The contract of the socket classes on two nodes whose tunnels are played; contract.addon.test.ts and the Moddable ring have it on real ones. */
import { cases } from "../../contract/contract.js";
import { loopback } from "../../contract/loopback.js";
import { beforeEach, describe, test } from "../../harness.js";
import { testing } from "../../xs/host.js";

beforeEach(() => testing.reset());

describe("contract", () => {
	for (const [i, { name, run }] of cases.entries()) test(name, async () => run(loopback(i + 1)));
});
