/**
 * The network under the nodes changes: UDP is lost, addresses are others, the cable is out.
 */
export default [
	{
		name: "UDP lost",
		async run({ stage, recover, random, pass }) {
			stage.world.blockUDP();
			// protocol/paths.md [paths 37]
			await recover("reached", stage.answersByRelay, 6_500 + 1_500);
			await pass(random.between(2_000, 8_000));
			stage.world.allowUDP();
			await recover("directly again", stage.answersDirectly, 30_000);
		},
	},
	{
		name: "address changed",
		async run({ stage, recover }) {
			for (const name of stage.all) await stage.readdress(name);
			await recover("reached there", stage.answersDirectly, 10_000);
			await recover("on the relay", stage.isOnRelay, 10_000);
			await recover("on its stream", stage.isOnControl, 10_000);
		},
	},
	{
		name: "no network",
		async run({ stage, recover, random, pass }) {
			await Promise.all(stage.all.map((name) => stage.place(name).run("ip", "link", "set", "eth0", "down")));
			await pass(random.between(2_000, 9_000));
			await Promise.all(stage.all.map((name) => stage.place(name).run("sh", "-ec", "ip link set eth0 up; ip route replace default via 10.71.0.254")));
			await recover("reached", stage.answers, 10_000);
			await recover("on its stream", stage.isOnControl, 30_000);
		},
	},
];
