/*
 * Small values that survive a restart. A set is whole or not at all, whatever happens meanwhile. One implementation a host.
 */
#ifndef TN_STORE_H
#define TN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TN_STORE_VALUE_MAX 4096

struct tn_store;

/** @param name a folder on desktops, an NVS namespace on ESP32. @return NULL when it cannot be used */
struct tn_store *tn_store_open(const char *name);

/** @return length of the value, copied to out as far as size goes; -1 = there is none; -2 = it cannot be read */
int tn_store_get(struct tn_store *store, const char *key, uint8_t *out, size_t size);

/** @return false when it could not be written; the value of before is still there */
bool tn_store_set(struct tn_store *store, const char *key, const uint8_t *value, size_t length);

bool tn_store_delete(struct tn_store *store, const char *key);

void tn_store_close(struct tn_store *store);

#endif
