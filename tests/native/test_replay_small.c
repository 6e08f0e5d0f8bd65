/* tn_replay.h with the window of a device: 2,048 bits, 1,984 counters. */
#define TN_REPLAY_BLOCKS 32
#include "../../native/tn_replay.c"

#include "tn_test.h"

TN_TEST("[tunnel 35] a window of 2,048 bits takes 256 bytes and accepts 1,984 counters back")
{
	CHECK_EQ(sizeof(struct tn_replay), 8 + 256);
	CHECK_EQ(TN_REPLAY_WINDOW, 1984);
}

#include "replay_model.h"
