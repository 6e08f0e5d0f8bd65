/**
 * What became of the connections that were open across a fault.
 *
 * @typedef {{name: string, kind: string, gapMS?: number, error?: string}} Outcome of one connection; name: whose it is; gapMS: its longest silence; error:
 * why it was lost
 */

/** Connections of ours that were lost although a stock node's of the same kind was not. */
export function lostAlone({ outcomes }, isOwn) {
	const stock = outcomes.filter(({ name }) => !isOwn(name));
	const kept = ({ kind }) => {
		const same = stock.filter((other) => other.kind === kind);
		return (same.length > 0 ? same : stock).every(({ error }) => error === undefined);
	};
	return outcomes.filter((outcome) => isOwn(outcome.name) && outcome.error !== undefined && kept(outcome));
}
