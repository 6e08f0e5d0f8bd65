/*
 * The replay window of one keypair: a ring of 64-bit blocks as in RFC 6479. protocol/tunnel.md §1.11.
 *
 * A counter is accepted once, if it is not more than TN_REPLAY_WINDOW below the highest accepted one. One block is always being
 * filled, so the window is one block smaller than the ring. The size is the receiver's own choice; below 1,024 bits a change of path
 * between DERP and UDP loses packets.
 */
#ifndef TN_REPLAY_H
#define TN_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "tn_config.h"

#define TN_REPLAY_WINDOW ((TN_REPLAY_BLOCKS - 1) * 64)

/* REJECT-AFTER-MESSAGES: counters from here on are neither sent nor accepted. */
#define TN_REJECT_AFTER_MESSAGES (UINT64_MAX - (1u << 13))

struct tn_replay {
	uint64_t last; /* highest accepted counter */
	uint64_t blocks[TN_REPLAY_BLOCKS];
};

/** Empties the window: the next counter may be any. */
void tn_replay_reset(struct tn_replay *window);

/**
 * Accepts a counter and marks it. To be called only for a packet whose tag is verified.
 * @return false when it was accepted before, is too old, or is beyond TN_REJECT_AFTER_MESSAGES
 */
bool tn_replay_accept(struct tn_replay *window, uint64_t counter);

/** The counter after the highest accepted one; 0 when none was. */
uint64_t tn_replay_next(const struct tn_replay *window);

/** Makes a window that refuses every counter below next, whether it was accepted before or not. */
void tn_replay_refuse_below(struct tn_replay *window, uint64_t next);

#endif
