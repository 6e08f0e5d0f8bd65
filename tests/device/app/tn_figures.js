/**
 * What the board has in use, as JSON: bytes of memory in all, free, least free since the start, in the largest free block; bytes of the stacks of the tasks
 * that were never used.
 */
export function figures() {
	return native("xs_tn_figures").call(this);
}
