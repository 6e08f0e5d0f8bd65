/** To be imported before anything else: an older Node would fail somewhere in the middle, with words that help nobody. */
const oldest = 20;

if (Number.parseInt(process.versions.node, 10) < oldest) {
	console.error(`tailnet needs Node ${oldest} or later; this is Node ${process.versions.node}`);
	process.exit(5);
}
