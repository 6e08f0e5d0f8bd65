/**
 * Control and relay go away, come back, or say nothing any more.
 *
 * Bounds of ours: a relay is dialled again after at most 5 s times 1.5 (modules/derp/backoff.ts) with 10 s for an attempt, control after at most 30 s
 * (modules/control/backoff.ts); sessions that live shortly are spaced by at most 5 s (modules/control/control.ts).
 */
const restarts = 15;
const relayAgainMS = 7_500 + 1_000;
const relayAttemptMS = 10_000 + 7_500;
const sessionAgainMS = 5_000 + 2_500;
const controlAgainMS = 30_000 + 2_500;
/** Since its last frame, or message, and what a node needs to say so. */
const relaySilentMS = 75_000 + 1_000;
const controlSilentMS = 130_000 + 1_000;

const relay = { region: 1 };

export default [
	{
		name: `relay killed and restarted, ${restarts} times`,
		relayOnly: true,
		count: restarts,
		seconds: 45,
		async run({ stage, recover }) {
			for (let i = 0; i < restarts; i += 1) {
				await stage.world.peers.do("relay.restart", relay);
				await recover("on the relay", stage.isOnRelay, relayAgainMS);
			}
			await recover("reached", stage.answers, relayAgainMS);
		},
	},
	{
		name: "relay away, with no other way",
		relayOnly: true,
		async run({ stage, recover, random, pass }) {
			await stage.world.peers.do("relay.stop", relay);
			await pass(random.between(2_000, 12_000));
			await stage.world.peers.do("relay.restart", relay);
			await recover("reached", stage.answers, relayAgainMS);
		},
	},
	{
		name: "relay away, with direct paths",
		async run({ stage, recover, random, pass }) {
			await stage.world.peers.do("relay.stop", relay);
			await pass(random.between(2_000, 12_000));
			await stage.world.peers.do("relay.restart", relay);
			await recover("on the relay", stage.isOnRelay, relayAgainMS);
		},
	},
	{
		name: "relay silent, with no other way",
		seconds: 200,
		relayOnly: true,
		async run({ stage, recover, recoverOwn }) {
			await stage.world.peers.do("relay.mute", { ...relay, addresses: stage.underlay });
			await recoverOwn("says degraded", (name) => stage.says(name, "degraded"), relaySilentMS);
			await stage.world.peers.do("relay.mute", { ...relay, addresses: [] });
			await recover("reached", stage.answers, relayAttemptMS);
			await recoverOwn("says running", (name) => stage.says(name, "running"), 2_000);
		},
	},
	{
		name: "relay connections dead, with no other way",
		seconds: 200,
		isLong: true,
		relayOnly: true,
		async run({ stage, recover }) {
			await stage.world.peers.do("relay.mute", { ...relay, addresses: stage.underlay, connected: true });
			await recover("reached", stage.answers, relaySilentMS + relayAgainMS);
		},
	},
	{
		name: `control killed and restarted, ${restarts} times`,
		count: restarts,
		seconds: 45,
		async run({ stage, recover }) {
			for (let i = 0; i < restarts; i += 1) {
				await stage.world.peers.do("control.restart");
				await recover("on its stream", stage.isOnControl, sessionAgainMS);
			}
		},
	},
	{
		name: "control away",
		async run({ stage, recover, random, pass }) {
			await stage.world.peers.do("control.stop");
			await pass(random.between(3_000, 15_000));
			await stage.world.peers.do("control.restart");
			await recover("on its stream", stage.isOnControl, controlAgainMS);
		},
	},
	{
		name: "control silent",
		seconds: 150,
		async run({ stage, recover, recoverOwn }) {
			await stage.world.peers.do("control.mute", { addresses: stage.underlay });
			await recoverOwn("says degraded", (name) => stage.says(name, "degraded"), controlSilentMS);
			await stage.world.peers.do("control.mute", { addresses: [] });
			await recover("on its stream", stage.isOnControl, controlAgainMS);
			await recoverOwn("says running", (name) => stage.says(name, "running"), 2_000);
		},
	},
	{
		name: "control connections dead",
		seconds: 150,
		isLong: true,
		async run({ stage, recover }) {
			await stage.world.peers.do("control.mute", { addresses: stage.underlay, connected: true });
			await recover("on its stream", stage.isOnControl, controlSilentMS);
		},
	},
];
