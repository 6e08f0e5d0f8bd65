/*
 * See tn_replay.h.
 */
#include "tn_replay.h"

#include <string.h>

_Static_assert((TN_REPLAY_BLOCKS & (TN_REPLAY_BLOCKS - 1)) == 0 && TN_REPLAY_BLOCKS >= 2, "the ring is a power of two");

void tn_replay_reset(struct tn_replay *window)
{
	memset(window, 0, sizeof *window);
}

bool tn_replay_accept(struct tn_replay *window, uint64_t counter)
{
	if (counter >= TN_REJECT_AFTER_MESSAGES)
		return false;
	const uint64_t block = counter >> 6;
	if (counter > window->last) {
		/* Blocks between the old and the new highest hold bits of a lap ago. */
		const uint64_t last_block = window->last >> 6;
		const uint64_t fresh = block - last_block < TN_REPLAY_BLOCKS ? block - last_block : TN_REPLAY_BLOCKS;
		for (uint64_t i = 1; i <= fresh; i++)
			window->blocks[(last_block + i) & (TN_REPLAY_BLOCKS - 1)] = 0;
		window->last = counter;
	} else if (window->last - counter > TN_REPLAY_WINDOW) {
		return false;
	}
	uint64_t *bits = &window->blocks[block & (TN_REPLAY_BLOCKS - 1)];
	const uint64_t bit = (uint64_t)1 << (counter & 63);
	if (*bits & bit)
		return false;
	*bits |= bit;
	return true;
}

uint64_t tn_replay_next(const struct tn_replay *window)
{
	return window->last > 0 || (window->blocks[0] & 1) != 0 ? window->last + 1 : 0;
}

void tn_replay_refuse_below(struct tn_replay *window, uint64_t next)
{
	tn_replay_reset(window);
	if (next == 0)
		return;
	window->last = next - 1;
	memset(window->blocks, 0xff, sizeof window->blocks);
	window->blocks[(window->last >> 6) & (TN_REPLAY_BLOCKS - 1)] = UINT64_MAX >> (63 - (window->last & 63));
}
