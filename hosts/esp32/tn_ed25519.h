/*
 * Ed25519 signatures on a device: libsodium needs 3,552 bytes of stack for one (npm run test:cross), more than the VM's task has left. A task is made for each,
 * and the VM waits for it.
 */
#ifndef TN_ED25519_H
#define TN_ED25519_H

#include <stddef.h>
#include <stdint.h>

/** Takes some 5 KB of heap while it runs. @return 1 for a right signature, 0 for a wrong one, -1 if there is no memory for it at present */
int tn_ed25519_verify(const uint8_t key[32], const uint8_t *message, size_t length, const uint8_t signature[64]);

#endif
